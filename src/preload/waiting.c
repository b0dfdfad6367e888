/* Hooks on the calls that wait for descriptors. Each forwards at once unless a listener of a group is among them. */
#define _GNU_SOURCE
#include "real.h"

#include <alloca.h>
#include <errno.h>
#include <string.h>
#include <time.h>

#include "core/descriptor.h"
#include "core/epoll.h"
#include "core/waiter.h"

/* What is defined from here on is what the version script exports, but for the static functions. */
#pragma GCC visibility push(default)

/* fortify's own report of an overrun; glibc exports it. */
extern void __chk_fail(void) __attribute__((noreturn));
int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t size);
int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask, size_t size);

/* Entries that are copied to the stack (32 KiB); longer arrays are changed in place around the call. */
#define COPY_MAX 4096

/* ---- epoll ---- */

int epoll_create(int size)
{
	int fd = FS_REAL(epoll_create)(size);

	fs_descriptor_new(fd);
	return fd;
}

int epoll_create1(int flags)
{
	int fd = FS_REAL(epoll_create1)(flags);

	fs_descriptor_new(fd);
	return fd;
}

int epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev)
{
	enum fs_tag_kind kind = fs_tag_kind(fs_fd_tag(fd));
	int rc;

	if (FS_LIKELY(kind != FS_TAG_LISTENER && kind != FS_TAG_INTERNAL))
		return FS_REAL(epoll_ctl)(epfd, op, fd, ev);
	rc = kind == FS_TAG_INTERNAL ? -EBADF : fs_epoll_ctl(epfd, op, fd, ev);
	if (rc >= 0)
		return rc;
	errno = -rc;
	return -1;
}

int epoll_wait(int epfd, struct epoll_event *events, int max, int timeout)
{
	fs_epoll_waits(epfd, fs_fd_tag(epfd));
	return FS_REAL(epoll_wait)(epfd, events, max, timeout);
}

int epoll_pwait(int epfd, struct epoll_event *events, int max, int timeout, const sigset_t *mask)
{
	fs_epoll_waits(epfd, fs_fd_tag(epfd));
	return FS_REAL(epoll_pwait)(epfd, events, max, timeout, mask);
}

int epoll_pwait2(int epfd, struct epoll_event *events, int max, const struct timespec *timeout, const sigset_t *mask)
{
	fs_epoll_waits(epfd, fs_fd_tag(epfd));
	return FS_REAL(epoll_pwait2)(epfd, events, max, timeout, mask);
}

/* ---- poll ---- */

/* poll() with its listeners replaced. `mask_and_timeout` as for ppoll(); `plain` with an int timeout as for poll(). */
static int poll_replaced(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask,
			 int plain_timeout, bool plain)
{
	struct pollfd *copy;
	int rc;

	if (n > COPY_MAX) /* nobody polls a listener beside thousands of others: no copy is worth its stack */
		return plain ? FS_REAL(poll)(fds, n, plain_timeout) : FS_REAL(ppoll)(fds, n, timeout, mask);
	copy = alloca(n * sizeof(*copy));
	if (!fs_waiter_poll_begin(fds, n, copy))
		return plain ? FS_REAL(poll)(fds, n, plain_timeout) : FS_REAL(ppoll)(fds, n, timeout, mask);
	rc = plain ? FS_REAL(poll)(copy, n, plain_timeout) : FS_REAL(ppoll)(copy, n, timeout, mask);
	if (rc >= 0)
		fs_waiter_poll_done(fds, n, copy);
	return rc;
}

int poll(struct pollfd *fds, nfds_t n, int timeout)
{
	if (FS_LIKELY(!fs_waiter_poll_concerned(fds, n)))
		return FS_REAL(poll)(fds, n, timeout);
	return poll_replaced(fds, n, NULL, NULL, timeout, true);
}

int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask)
{
	if (FS_LIKELY(!fs_waiter_poll_concerned(fds, n)))
		return FS_REAL(ppoll)(fds, n, timeout, mask);
	return poll_replaced(fds, n, timeout, mask, 0, false);
}

int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t size)
{
	if (size / sizeof(*fds) < n)
		__chk_fail();
	return poll(fds, n, timeout);
}

int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask, size_t size)
{
	if (size / sizeof(*fds) < n)
		__chk_fail();
	return ppoll(fds, n, timeout, mask);
}

/* ---- select, as poll where a listener has to be replaced ---- */

/* What the kernel's select() takes for readable, writable and exceptional (fs/select.c, POLLIN_SET and its kin). */
#define READABLE (POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR)
#define WRITABLE (POLLWRBAND | POLLWRNORM | POLLOUT | POLLERR)
#define EXCEPTIONAL (POLLPRI)

/* Not FD_ISSET(): programs use sets of more than FD_SETSIZE bits, and the fortified macro aborts them. */
static bool bit(const fd_set *set, int fd)
{
	return set && ((const unsigned long *)set)[fd / (8 * (int)sizeof(long))] >> (fd % (8 * (int)sizeof(long))) & 1;
}

static void put_bit(fd_set *set, int fd, bool on)
{
	unsigned long mask = 1UL << (fd % (8 * (int)sizeof(long)));
	unsigned long *word;

	if (!set)
		return;
	word = &((unsigned long *)set)[fd / (8 * (int)sizeof(long))];
	*word = on ? *word | mask : *word & ~mask;
}

/* Number of descriptors in the sets, if a listener of a group is in `r`; else 0. */
static int concerned(int n, const fd_set *r, const fd_set *w, const fd_set *e)
{
	bool found = false;
	int count = 0;

	if (FS_LIKELY(!fs_proc.region) || !r)
		return 0;
	for (int fd = 0; fd < n; fd++) {
		if (!bit(r, fd) && !bit(w, fd) && !bit(e, fd))
			continue;
		count++;
		found |= bit(r, fd) && fs_tag_kind(fs_fd_tag(fd)) == FS_TAG_LISTENER;
	}
	return found && count <= COPY_MAX ? count : 0;
}

static void fill(struct pollfd *fds, int n, const fd_set *r, const fd_set *w, const fd_set *e)
{
	for (int fd = 0, i = 0; fd < n; fd++) {
		int events = (bit(r, fd) ? POLLIN | POLLRDNORM | POLLRDBAND : 0) |
			     (bit(w, fd) ? POLLOUT | POLLWRNORM | POLLWRBAND : 0) | (bit(e, fd) ? POLLPRI : 0);

		if (events)
			fds[i++] = (struct pollfd){ .fd = fd, .events = (short)events };
	}
}

/* The results into the sets. -1 with EBADF as select() does for a descriptor that is not open. */
static int drain(const struct pollfd *want, const struct pollfd *got, int count, int n, fd_set *r, fd_set *w, fd_set *e)
{
	int bits = 0;

	for (int i = 0; i < count; i++)
		if (got[i].revents & POLLNVAL) {
			errno = EBADF;
			return -1;
		}
	for (int fd = 0, i = 0; fd < n; fd++) {
		bool in = bit(r, fd), out = bit(w, fd), ex = bit(e, fd);
		int revents;

		if (i == count || want[i].fd != fd)
			continue;
		revents = got[i++].revents;
		in = in && (revents & READABLE);
		out = out && (revents & WRITABLE);
		ex = ex && (revents & EXCEPTIONAL);
		put_bit(r, fd, in);
		put_bit(w, fd, out);
		put_bit(e, fd, ex);
		bits += in + out + ex;
	}
	return bits;
}

static int select_replaced(int n, int count, fd_set *r, fd_set *w, fd_set *e, const struct timespec *timeout,
			   const sigset_t *mask, bool *done)
{
	struct pollfd *want = alloca((size_t)count * sizeof(*want));
	struct pollfd *copy = alloca((size_t)count * sizeof(*copy));
	int rc;

	fill(want, n, r, w, e);
	*done = fs_waiter_poll_begin(want, (nfds_t)count, copy);
	if (!*done)
		return 0;
	rc = FS_REAL(ppoll)(copy, (nfds_t)count, timeout, mask);
	return rc < 0 ? rc : drain(want, copy, count, n, r, w, e);
}

int select(int n, fd_set *r, fd_set *w, fd_set *e, struct timeval *timeout)
{
	int count = concerned(n, r, w, e);
	struct timespec ts, before, after;
	bool done;
	int rc;

	if (FS_LIKELY(!count) || (timeout && (timeout->tv_sec < 0 || timeout->tv_usec < 0)))
		return FS_REAL(select)(n, r, w, e, timeout);
	if (timeout) {
		ts.tv_sec = timeout->tv_sec + timeout->tv_usec / 1000000;
		ts.tv_nsec = timeout->tv_usec % 1000000 * 1000;
		clock_gettime(CLOCK_MONOTONIC, &before);
	}
	rc = select_replaced(n, count, r, w, e, timeout ? &ts : NULL, NULL, &done);
	if (!done)
		return FS_REAL(select)(n, r, w, e, timeout);
	if (timeout) {
		/* Linux tells how much was left. */
		int64_t left;

		clock_gettime(CLOCK_MONOTONIC, &after);
		left = ((int64_t)ts.tv_sec - (after.tv_sec - before.tv_sec)) * 1000000 +
		       (ts.tv_nsec - (after.tv_nsec - before.tv_nsec)) / 1000;
		if (left < 0)
			left = 0;
		timeout->tv_sec = left / 1000000;
		timeout->tv_usec = left % 1000000;
	}
	return rc;
}

int pselect(int n, fd_set *r, fd_set *w, fd_set *e, const struct timespec *timeout, const sigset_t *mask)
{
	int count = concerned(n, r, w, e);
	bool done;
	int rc;

	if (FS_LIKELY(!count))
		return FS_REAL(pselect)(n, r, w, e, timeout, mask);
	rc = select_replaced(n, count, r, w, e, timeout, mask, &done);
	return done ? rc : FS_REAL(pselect)(n, r, w, e, timeout, mask);
}
