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

/* When the minute began, and how many warnings and errors were written in it, and how many were not. */
#define MINUTE_US 60000000ULL
static _Atomic uint64_t minute;
static atomic_uint said, left_out;

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

/* Whether it was written, or could not be for good: false when nobody reads now. */
static bool say(enum fs_log_level level, const char *format, va_list args)
{
	struct line l = {.len = 0};

	put_string(&l, "fastsock[");
	put_signed(&l, fs_sys_getpid());
	put_string(&l, "]: ");
	put_string(&l, level_name[level]);
	put_string(&l, ": ");
	put_format(&l, format, args);
	if (l.cut)
		memcpy(&l.text[l.len - 3], "...", 3);
	l.text[l.len++] = '\n';
	/*
	 * The application's service does not wait for whoever reads its standard error, nor end
	 * with him. Nobody to tell of another failure; the shims leave errno alone.
	 */
	return fs_sys_write_meekly(2, l.text, l.len) != -EAGAIN;
}

/*
 * A program that makes listener after listener, for ever, must not fill the disk with
 * why none of them is handled. What info and debug say was asked for.
 */
static bool within_limit(void)
{
	uint64_t now = fs_sys_now_us(), since = atomic_load_explicit(&minute, memory_order_relaxed);

	if (now - since >= MINUTE_US &&
	    atomic_compare_exchange_strong_explicit(&minute, &since, now, memory_order_relaxed, memory_order_relaxed))
		atomic_store_explicit(&said, 0, memory_order_relaxed);
	if (atomic_fetch_add_explicit(&said, 1, memory_order_relaxed) < FS_LOG_MINUTE)
		return true;
	atomic_fetch_add_explicit(&left_out, 1, memory_order_relaxed);
	return false;
}

static bool say_this(enum fs_log_level level, const char *format, ...)
{
	bool said_it;
	va_list args;

	va_start(args, format);
	said_it = say(level, format, args);
	va_end(args);
	return said_it;
}

static void say_left_out(void)
{
	unsigned n = atomic_exchange_explicit(&left_out, 0, memory_order_relaxed);

	if (n && !say_this(FS_LOG_WARN, "%u messages before this one were left out: nobody read them, or there were more than %d"
					" in a minute", n, FS_LOG_MINUTE))
		atomic_fetch_add_explicit(&left_out, n, memory_order_relaxed);
}

void fs_log(enum fs_log_level level, const char *format, ...)
{
	va_list args;

	if (level > fs_log_threshold || atomic_load_explicit(&muted, memory_order_relaxed))
		return;
	if (level <= FS_LOG_WARN) {
		if (!within_limit())
			return;
		say_left_out();
	}
	va_start(args, format);
	if (!say(level, format, args))
		atomic_fetch_add_explicit(&left_out, 1, memory_order_relaxed);
	va_end(args);
}

void fs_log_mute(bool mute)
{
	atomic_store_explicit(&muted, mute, memory_order_relaxed);
}

const char *fs_errtext(int err)
{
	/* What the calls of sys.h can fail with, in strerror()'s words. EWOULDBLOCK is EAGAIN, EOPNOTSUPP is ENOTSUP. */
	switch (err) {
#define TEXT(e, text) \
	case e: \
		return #e ": " text
	TEXT(EPERM, "operation not permitted");
	TEXT(ENOENT, "no such file or directory");
	TEXT(ESRCH, "no such process");
	TEXT(EINTR, "interrupted system call");
	TEXT(EIO, "input/output error");
	TEXT(ENXIO, "no such device or address");
	TEXT(E2BIG, "argument list too long");
	TEXT(EBADF, "bad file descriptor");
	TEXT(ECHILD, "no child processes");
	TEXT(EAGAIN, "resource temporarily unavailable");
	TEXT(ENOMEM, "cannot allocate memory");
	TEXT(EACCES, "permission denied");
	TEXT(EFAULT, "bad address");
	TEXT(EBUSY, "device or resource busy");
	TEXT(EEXIST, "file exists");
	TEXT(ENODEV, "no such device");
	TEXT(ENOTDIR, "not a directory");
	TEXT(EISDIR, "is a directory");
	TEXT(EINVAL, "invalid argument");
	TEXT(ENFILE, "too many open files in system");
	TEXT(EMFILE, "too many open files");
	TEXT(ENOTTY, "inappropriate ioctl for device");
	TEXT(ETXTBSY, "text file busy");
	TEXT(EFBIG, "file too large");
	TEXT(ENOSPC, "no space left on device");
	TEXT(ESPIPE, "illegal seek");
	TEXT(EROFS, "read-only file system");
	TEXT(EPIPE, "broken pipe");
	TEXT(ERANGE, "numerical result out of range");
	TEXT(EDEADLK, "resource deadlock avoided");
	TEXT(ENAMETOOLONG, "file name too long");
	TEXT(ENOLCK, "no locks available");
	TEXT(ENOSYS, "function not implemented");
	TEXT(ELOOP, "too many levels of symbolic links");
	TEXT(EPROTO, "protocol error");
	TEXT(EOVERFLOW, "value too large for defined data type");
	TEXT(ENOTSOCK, "socket operation on non-socket");
	TEXT(EDESTADDRREQ, "destination address required");
	TEXT(EMSGSIZE, "message too long");
	TEXT(EPROTOTYPE, "protocol wrong type for socket");
	TEXT(ENOPROTOOPT, "protocol not available");
	TEXT(EPROTONOSUPPORT, "protocol not supported");
	TEXT(ESOCKTNOSUPPORT, "socket type not supported");
	TEXT(EOPNOTSUPP, "operation not supported");
	TEXT(EAFNOSUPPORT, "address family not supported by protocol");
	TEXT(EADDRINUSE, "address already in use");
	TEXT(EADDRNOTAVAIL, "cannot assign requested address");
	TEXT(ENETDOWN, "network is down");
	TEXT(ENETUNREACH, "network is unreachable");
	TEXT(ECONNABORTED, "software caused connection abort");
	TEXT(ECONNRESET, "connection reset by peer");
	TEXT(ENOBUFS, "no buffer space available");
	TEXT(EISCONN, "transport endpoint is already connected");
	TEXT(ENOTCONN, "transport endpoint is not connected");
	TEXT(ESHUTDOWN, "cannot send after transport endpoint shutdown");
	TEXT(ETIMEDOUT, "connection timed out");
	TEXT(ECONNREFUSED, "connection refused");
	TEXT(EHOSTUNREACH, "no route to host");
	TEXT(EALREADY, "operation already in progress");
	TEXT(EINPROGRESS, "operation now in progress");
	TEXT(ESTALE, "stale file handle");
	TEXT(EDQUOT, "disk quota exceeded");
	TEXT(ECANCELED, "operation canceled");
	TEXT(EOWNERDEAD, "owner died");
	TEXT(ENOTRECOVERABLE, "state not recoverable");
#undef TEXT
	default:
		return "an errno that has no name here";
	}
}
