/*
 * The log line, put together by a formatter of our own, because stdio
 * allocates and locks. See log.h for where it may be used: anywhere.
 */
#include "log.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>

#include "sys/sys.h"

/* Below PIPE_BUF, so a line is never mixed with another process's. */
#define FS_LOG_LINE 512

enum fs_log_level fs_log_threshold = FS_LOG_WARN;

static atomic_bool muted;

static const char *const level_name[] = {
	[FS_LOG_ERROR] = "error",
	[FS_LOG_WARN] = "warn",
	[FS_LOG_INFO] = "info",
	[FS_LOG_DEBUG] = "debug",
};

struct line {
	size_t len;
	bool cut;
	char text[FS_LOG_LINE];
};

/* The last byte is the newline's. */
static void put(struct line *l, char c)
{
	if (l->len < sizeof(l->text) - 1)
		l->text[l->len++] = c;
	else
		l->cut = true;
}

static void put_string(struct line *l, const char *s)
{
	while (*s)
		put(l, *s++);
}

/* Text from elsewhere (an environment variable) may not end the line, nor talk to the terminal. */
static void put_foreign(struct line *l, char c)
{
	put(l, (unsigned char)c < ' ' || c == 0x7f ? '?' : c);
}

static void put_number(struct line *l, unsigned long long value, unsigned base)
{
	char digits[sizeof(value) * CHAR_BIT / 3 + 1];
	size_t n = 0;

	do
		digits[n++] = "0123456789abcdef"[value % base];
	while (value /= base);
	while (n)
		put(l, digits[--n]);
}

static void put_signed(struct line *l, int value)
{
	if (value < 0)
		put(l, '-');
	put_number(l, value < 0 ? 0ULL - (unsigned long long)value : (unsigned long long)value, 10);
}

static void put_format(struct line *l, const char *format, va_list args)
{
	const char *s;

	for (; *format; format++) {
		if (*format != '%') {
			put(l, *format);
			continue;
		}
		switch (*++format) {
		case 's':
			s = va_arg(args, const char *);
			for (s = s ? s : "(null)"; *s; s++)
				put_foreign(l, *s);
			break;
		case 'c':
			put_foreign(l, (char)va_arg(args, int));
			break;
		case 'd':
			put_signed(l, va_arg(args, int));
			break;
		case 'u':
			put_number(l, va_arg(args, unsigned), 10);
			break;
		case 'x':
			put_number(l, va_arg(args, unsigned), 16);
			break;
		case 'l':
			if (format[1] == 'l' && format[2] == 'u') {
				format += 2;
				put_number(l, va_arg(args, unsigned long long), 10);
				break;
			}
			/* fall through */
		default:
			/*
			 * No telling what the arguments are from here on: show the rest of the format as it
			 * is.
			 */
			put(l, '%');
			put_string(l, format);
			return;
		case '%':
			put(l, '%');
		}
	}
}

void fs_log(enum fs_log_level level, const char *format, ...)
{
	struct line l = {.len = 0};
	va_list args;

	if (level > fs_log_threshold || atomic_load_explicit(&muted, memory_order_relaxed))
		return;
	put_string(&l, "fastsock[");
	put_signed(&l, fs_sys_getpid());
	put_string(&l, "]: ");
	put_string(&l, level_name[level]);
	put_string(&l, ": ");
	va_start(args, format);
	put_format(&l, format, args);
	va_end(args);
	if (l.cut)
		memcpy(&l.text[l.len - 3], "...", 3);
	l.text[l.len++] = '\n';
	/* Nobody to tell when this fails; the shims leave errno alone. */
	(void)fs_sys_write(2, l.text, l.len);
}

void fs_log_mute(bool mute)
{
	atomic_store_explicit(&muted, mute, memory_order_relaxed);
}

const char *fs_errname(int err)
{
	/* What the calls of sys.h can fail with. EWOULDBLOCK is EAGAIN, EOPNOTSUPP is ENOTSUP. */
	switch (err) {
#define NAME(e) \
	case e: \
		return #e
	NAME(EPERM);
	NAME(ENOENT);
	NAME(ESRCH);
	NAME(EINTR);
	NAME(EIO);
	NAME(ENXIO);
	NAME(E2BIG);
	NAME(EBADF);
	NAME(ECHILD);
	NAME(EAGAIN);
	NAME(ENOMEM);
	NAME(EACCES);
	NAME(EFAULT);
	NAME(EBUSY);
	NAME(EEXIST);
	NAME(ENODEV);
	NAME(ENOTDIR);
	NAME(EISDIR);
	NAME(EINVAL);
	NAME(ENFILE);
	NAME(EMFILE);
	NAME(ENOTTY);
	NAME(ETXTBSY);
	NAME(EFBIG);
	NAME(ENOSPC);
	NAME(ESPIPE);
	NAME(EROFS);
	NAME(EPIPE);
	NAME(ERANGE);
	NAME(EDEADLK);
	NAME(ENAMETOOLONG);
	NAME(ENOLCK);
	NAME(ENOSYS);
	NAME(ELOOP);
	NAME(EPROTO);
	NAME(EOVERFLOW);
	NAME(ENOTSOCK);
	NAME(EDESTADDRREQ);
	NAME(EMSGSIZE);
	NAME(EPROTOTYPE);
	NAME(ENOPROTOOPT);
	NAME(EPROTONOSUPPORT);
	NAME(ESOCKTNOSUPPORT);
	NAME(EOPNOTSUPP);
	NAME(EAFNOSUPPORT);
	NAME(EADDRINUSE);
	NAME(EADDRNOTAVAIL);
	NAME(ENETDOWN);
	NAME(ENETUNREACH);
	NAME(ECONNABORTED);
	NAME(ECONNRESET);
	NAME(ENOBUFS);
	NAME(EISCONN);
	NAME(ENOTCONN);
	NAME(ESHUTDOWN);
	NAME(ETIMEDOUT);
	NAME(ECONNREFUSED);
	NAME(EHOSTUNREACH);
	NAME(EALREADY);
	NAME(EINPROGRESS);
	NAME(ESTALE);
	NAME(EDQUOT);
	NAME(ECANCELED);
	NAME(EOWNERDEAD);
	NAME(ENOTRECOVERABLE);
#undef NAME
	default:
		return "errno";
	}
}
