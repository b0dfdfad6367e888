/*
 * A log line may be written inside any call of the application, by any thread:
 * it must be one line, one write, and leave no trace, least of all in errno;
 * and never end up in a file that merely got descriptor 2.
 */
#define _GNU_SOURCE
#include "lib/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>

#include "core/common.h"
#include "core/log.h"

static char said[4096];

/*
 * Logs with descriptor 2 leading to a pipe; what came out, in said[]. O_DIRECT
 * makes a packet of each write, so that a second one would show.
 */
#define SAY(level, ...) \
	do { \
		int pipe_[2], saved_ = dup(2); \
		ck_assert_int_eq(pipe2(pipe_, O_DIRECT | O_NONBLOCK), 0); \
		dup2(pipe_[1], 2); \
		fs_log(level, __VA_ARGS__); \
		dup2(saved_, 2); \
		close(saved_); \
		close(pipe_[1]); \
		said_from(pipe_[0]); \
	} while (0)

static void said_from(int fd)
{
	char more[16];
	ssize_t n = read(fd, said, sizeof(said) - 1);

	said[n > 0 ? n : 0] = '\0';
	ck_assert_msg(read(fd, more, sizeof(more)) == 0, "more than one write");
	close(fd);
}

static const char *expected(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* What libc makes of the text behind the prefix. */
static const char *expected(const char *format, ...)
{
	static char line[1024];
	int len = snprintf(line, sizeof(line), "fastsock[%d]: ", (int)getpid());
	va_list args;

	va_start(args, format);
	vsnprintf(line + len, sizeof(line) - (size_t)len, format, args);
	va_end(args);
	return line;
}

/* The clock, so that a minute passes when a test wants it to (the linker's --wrap). */
static uint64_t now_us = 1;

uint64_t __wrap_fs_sys_now_us(void);
uint64_t __wrap_fs_sys_now_us(void)
{
	return now_us;
}

#define MINUTE 60000000ULL

static void everything(void)
{
	now_us += MINUTE;
	fs_log_threshold = FS_LOG_DEBUG;
	fs_log_mute(false);
}

START_TEST(formats)
{
	char *volatile none = NULL;

	SAY(FS_LOG_WARN, "plain");
	ck_assert_str_eq(said, expected("warn: plain\n"));
	SAY(FS_LOG_WARN, "%s and %s|%s", "one", "two", "");
	ck_assert_str_eq(said, expected("warn: one and two|\n"));
	SAY(FS_LOG_WARN, "%d %d %d %d %d", 0, 7, -7, INT_MAX, INT_MIN);
	ck_assert_str_eq(said, expected("warn: %d %d %d %d %d\n", 0, 7, -7, INT_MAX, INT_MIN));
	SAY(FS_LOG_WARN, "%u %u %x %x", 10u, UINT_MAX, 0xbeefu, UINT_MAX);
	ck_assert_str_eq(said, expected("warn: %u %u %x %x\n", 10u, UINT_MAX, 0xbeefu, UINT_MAX));
	SAY(FS_LOG_WARN, "%llu %llu", 0ULL, ULLONG_MAX);
	ck_assert_str_eq(said, expected("warn: %llu %llu\n", 0ULL, ULLONG_MAX));
	SAY(FS_LOG_WARN, "%c%c %d%%", 'o', 'k', 100);
	ck_assert_str_eq(said, expected("warn: ok 100%%\n"));
	SAY(FS_LOG_WARN, "%s", none);
	ck_assert_str_eq(said, expected("warn: (null)\n"));
}
END_TEST

/* A value from the environment could forge a second line, or drive the terminal. */
START_TEST(foreign_text_stays_in_its_line)
{
	SAY(FS_LOG_WARN, "bad value %s", "a\nfastsock[1]: error: b\x1b[2J\x7f\xc3\xa9");
	ck_assert_str_eq(said, expected("warn: bad value a?fastsock[1]: error: b?[2J?\xc3\xa9\n"));
	SAY(FS_LOG_WARN, "%c", '\n');
	ck_assert_str_eq(said, expected("warn: ?\n"));
}
END_TEST

START_TEST(levels_and_threshold)
{
	static const char *const names[] = {"error", "warn", "info", "debug"};

	for (int threshold = FS_LOG_ERROR; threshold <= FS_LOG_DEBUG; threshold++) {
		for (int level = FS_LOG_ERROR; level <= FS_LOG_DEBUG; level++) {
			fs_log_threshold = (enum fs_log_level)threshold;
			SAY((enum fs_log_level)level, "x");
			ck_assert_str_eq(said, level <= threshold ? expected("%s: x\n", names[level]) : "");
		}
	}
}
END_TEST

START_TEST(errno_is_kept)
{
	errno = EXDEV;
	fs_log_threshold = FS_LOG_ERROR;
	fs_log(FS_LOG_DEBUG, "not shown");
	ck_assert_int_eq(errno, EXDEV);

	fs_log_threshold = FS_LOG_DEBUG;
	errno = EXDEV;
	/* Not through SAY, whose calls may set errno themselves. Nobody reads: the write fails. */
	{
		int err, saved = dup(2);

		close(2);
		errno = EXDEV;
		fs_log(FS_LOG_WARN, "to nowhere");
		err = errno;
		dup2(saved, 2);
		close(saved);
		ck_assert_int_eq(err, EXDEV);
	}
}
END_TEST

START_TEST(muted)
{
	fs_log_mute(true);
	SAY(FS_LOG_ERROR, "silence");
	ck_assert_str_eq(said, "");
	fs_log_mute(false);
	SAY(FS_LOG_ERROR, "speech");
	ck_assert_str_eq(said, expected("error: speech\n"));
}
END_TEST

START_TEST(long_lines_are_cut)
{
	char text[600];
	size_t prefix = strlen(expected("warn: "));

	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	SAY(FS_LOG_WARN, "%s", text);
	ck_assert_uint_eq(strlen(said), 512);
	ck_assert_str_eq(said + 508, "...\n");
	ck_assert(!strncmp(said, expected("warn: xxx"), prefix + 3));

	/* One that just fits is not cut. */
	text[512 - 1 - prefix] = '\0';
	SAY(FS_LOG_WARN, "%s", text);
	ck_assert_uint_eq(strlen(said), 512);
	ck_assert_str_eq(said + 508, "xxx\n");
}
END_TEST

/* What repeats for ever may not fill the log; how much was left out is said, and what was asked for is not counted. */
START_TEST(a_minute_has_its_lines)
{
	for (unsigned i = 0; i < FS_LOG_MINUTE; i++) {
		SAY(i % 2 ? FS_LOG_WARN : FS_LOG_ERROR, "%u", i);
		ck_assert_str_eq(said, expected("%s: %u\n", i % 2 ? "warn" : "error", i));
	}
	now_us += MINUTE - 1;
	for (unsigned i = 0; i < 3; i++) {
		SAY(FS_LOG_ERROR, "too much");
		ck_assert_str_eq(said, "");
	}
	SAY(FS_LOG_INFO, "asked for");
	ck_assert_str_eq(said, expected("info: asked for\n"));

	now_us++;
	/* Two lines, each in a write of its own. */
	{
		int out[2], saved = dup(2);
		ssize_t n;

		ck_assert_int_eq(pipe2(out, O_DIRECT | O_NONBLOCK), 0);
		dup2(out[1], 2);
		fs_log(FS_LOG_WARN, "again");
		dup2(saved, 2);
		close(saved);
		close(out[1]);
		n = read(out[0], said, sizeof(said) - 1);
		said[n > 0 ? n : 0] = '\0';
		ck_assert_str_eq(said, expected("warn: 3 messages before this one were left out: nobody read them, or there were more than %d"
						" in a minute\n", FS_LOG_MINUTE));
		said_from(out[0]);
	}
	ck_assert_str_eq(said, expected("warn: again\n"));
	SAY(FS_LOG_WARN, "and on");
	ck_assert_str_eq(said, expected("warn: and on\n"));
}
END_TEST

static volatile sig_atomic_t signals;

static void count_signal(int signal)
{
	(void)signal;
	signals++;
}

/* Who reads the log may be gone: that is no reason for the program to end. */
START_TEST(nobody_reads)
{
	sigset_t pending;
	int out[2], saved = dup(2);

	signals = 0;
	signal(SIGPIPE, count_signal);
	ck_assert_int_eq(pipe(out), 0);
	close(out[0]);
	dup2(out[1], 2);
	close(out[1]);
	fs_log(FS_LOG_WARN, "to nobody");
	dup2(saved, 2);
	close(saved);
	signal(SIGPIPE, SIG_DFL);
	ck_assert_int_eq(signals, 0);
	sigpending(&pending);
	ck_assert(!sigismember(&pending, SIGPIPE));
}
END_TEST

/* ... or may not read: the program does not wait for him, and later lines tell that some are missing. */
START_TEST(somebody_does_not_read)
{
	char filler[4096] = {0};
	int out[2], saved = dup(2);

	ck_assert_int_eq(pipe2(out, O_NONBLOCK), 0);
	while (write(out[1], filler, sizeof(filler)) > 0)
		;
	fcntl(out[1], F_SETFL, 0);
	dup2(out[1], 2);
	fs_log(FS_LOG_WARN, "one");
	fs_log(FS_LOG_INFO, "two");
	while (read(out[0], filler, sizeof(filler)) > 0)
		;
	fs_log(FS_LOG_WARN, "three");
	dup2(saved, 2);
	close(saved);
	close(out[1]);
	said[read(out[0], said, sizeof(said) - 1)] = '\0';
	close(out[0]);
	ck_assert_ptr_nonnull(strstr(said, "warn: 2 messages before this one were left out"));
	ck_assert_ptr_nonnull(strstr(said, "warn: three\n"));
}
END_TEST

START_TEST(error_names)
{
	static const int none[] = {0, -1, INT_MAX};
	static const int known[] = {EADDRINUSE, EMFILE, EAGAIN, EPERM, ENOSPC, EOWNERDEAD};
	char text[128];

	ck_assert_str_eq(fs_errtext(EMFILE), "EMFILE: too many open files");
	/* The words of libc, which has them behind its own locks. */
	for (unsigned i = 0; i < FS_COUNT(known); i++) {
		snprintf(text, sizeof(text), "%s: %s", strerrorname_np(known[i]), strerror(known[i]));
		ck_assert_msg(!strcasecmp(fs_errtext(known[i]), text), "%s is not %s", fs_errtext(known[i]), text);
	}
	for (unsigned i = 0; i < FS_COUNT(none); i++)
		ck_assert_str_eq(fs_errtext(none[i]), "an errno that has no name here");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("log");
	TCase *lines = tcase_create("lines");

	tcase_add_checked_fixture(lines, everything, everything);
	tcase_add_test(lines, formats);
	tcase_add_test(lines, foreign_text_stays_in_its_line);
	tcase_add_test(lines, levels_and_threshold);
	tcase_add_test(lines, errno_is_kept);
	tcase_add_test(lines, muted);
	tcase_add_test(lines, long_lines_are_cut);
	tcase_add_test(lines, a_minute_has_its_lines);
	tcase_add_test(lines, nobody_reads);
	tcase_add_test(lines, somebody_does_not_read);
	tcase_add_test(lines, error_names);
	suite_add_tcase(suite, lines);
	return unit_main(suite);
}
