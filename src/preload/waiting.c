/*
 * Hooks on the calls that wait for descriptors. Each forwards at once unless a
 * listener of a group is among them.
 */
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

	if (FS_LIKELY(kind != FS_TAG_LISTENER && kind != FS_TAG_INTERNAL)) {
		rc = FS_REAL(epoll_ctl)(epfd, op, fd, ev);
		if (FS_UNLIKELY(kind == FS_TAG_EPOLL) && rc == 0 && op == EPOLL_CTL_ADD)
			fs_epoll_nested(epfd);
		return rc;
	}
	rc = kind == FS_TAG_INTERNAL ? -EBADF : fs_epoll_ctl(epfd, op, fd, ev);
	if (rc >= 0)
		return rc;
	errno = -rc;
	return -1;
}

static inline void before_epoll(int epfd, uint16_t tag)
{
	if (FS_UNLIKELY(fs_self.waits))
		fs_waiter_absent(NULL);
	fs_epoll_waits(epfd, tag);
}

int epoll_wait(int epfd, struct epoll_event *events, int max, int timeout)
{
	uint16_t tag = fs_fd_tag(epfd);
	int n;

	before_epoll(epfd, tag);
	n = FS_REAL(epoll_wait)(epfd, events, max, timeout);
	fs_epoll_waited(tag, events, n);
	return n;
}

int epoll_pwait(int epfd, struct epoll_event *events, int max, int timeout, const sigset_t *mask)
{
	uint16_t tag = fs_fd_tag(epfd);
	int n;

	before_epoll(epfd, tag);
	n = FS_REAL(epoll_pwait)(epfd, events, max, timeout, mask);
	fs_epoll_waited(tag, events, n);
	return n;
}

int epoll_pwait2(int epfd, struct epoll_event *events, int max, const struct timespec *timeout, const sigset_t *mask)
{
	uint16_t tag = fs_fd_tag(epfd);
	int n;

	before_epoll(epfd, tag);
	n = FS_REAL(epoll_pwait2)(epfd, events, max, timeout, mask);
	fs_epoll_waited(tag, events, n);
	return n;
}

/* ---- poll ---- */

/* poll() and ppoll() as one: poll()'s timeout where `ppoll` is false. */
struct poll_call {
	bool ppoll;
	int ms;
	const struct timespec *timeout;
	const sigset_t *mask;
};

static int call_poll(struct pollfd *fds, nfds_t n, const struct poll_call *c)
{
	return c->ppoll ? FS_REAL(ppoll)(fds, n, c->timeout, c->mask) : FS_REAL(poll)(fds, n, c->ms);
}

struct in_place {
	struct pollfd *fds;
	struct fs_waiter_swap swaps[FS_SWAPS_MAX];
	unsigned count;
};

static void put_back(void *arg)
{
	struct in_place *p = arg;

	fs_waiter_poll_done(p->fds, p->swaps, p->count);
}

static int poll_in_place(struct pollfd *fds, nfds_t n, const struct poll_call *c)
{
	struct in_place p = { .fds = fds };
	int rc;

	p.count = fs_waiter_poll_begin(fds, n, p.swaps);
	pthread_cleanup_push(put_back, &p);
	if (p.count)
		fs_beat_wait();
	rc = call_poll(fds, n, c);
	if (p.count)
		fs_beat_run();
	pthread_cleanup_pop(1);
	return rc;
}

static int poll_replaced(struct pollfd *fds, nfds_t n, const struct poll_call *c)
{
	struct fs_waiter_swap swaps[FS_SWAPS_MAX];
	struct pollfd *copy;
	int rc;

	if (FS_UNLIKELY(fs_self.pending))
		fs_epoll_flush();
	if (n > COPY_MAX)
		return poll_in_place(fds, n, c);
	copy = alloca(n * sizeof(*copy));
	memcpy(copy, fds, n * sizeof(*copy));
	if (!fs_waiter_poll_begin(copy, n, swaps))
		return call_poll(fds, n, c);
	fs_beat_wait();
	rc = call_poll(copy, n, c);
	fs_beat_run();
	for (nfds_t i = 0; rc >= 0 && i < n; i++)
		fds[i].revents = copy[i].revents;
	return rc;
}

int poll(struct pollfd *fds, nfds_t n, int timeout)
{
	if (FS_LIKELY(!fs_waiter_poll_concerned(fds, n)))
		return FS_REAL(poll)(fds, n, timeout);
	return poll_replaced(fds, n, &(struct poll_call){ .ms = timeout });
}

int ppoll(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask)
{
	if (FS_LIKELY(!fs_waiter_poll_concerned(fds, n)))
		return FS_REAL(ppoll)(fds, n, timeout, mask);
	return poll_replaced(fds, n, &(struct poll_call){ .ppoll = true, .timeout = timeout, .mask = mask });
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

/*
 * What the kernel's select() takes for readable, writable and exceptional
 * (fs/select.c, POLLIN_SET and its kin).
 */
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

/*
 * Descriptors that a select() looks at. The kernel reads and writes as many bits as
 * its table has room for, and descriptors of ours make that table larger than the
 * application's; programs that pass getdtablesize() with an ordinary fd_set rely on
 * it being small. So beyond FD_SETSIZE no more than the application has open.
 */
static int bits_in_use(int n)
{
	int highest;

	if (FS_LIKELY(n <= FD_SETSIZE))
		return n;
	highest = fs_fd_highest_foreign();
	if (highest < FD_SETSIZE)
		return FD_SETSIZE;
	return n <= highest ? n : highest + 1;
}

/* Number of descriptors in the sets, if a listener of a group is in `r`; else 0. */
static int concerned(int n, const fd_set *r, const fd_set *w, const fd_set *e)
{
	bool found = false;
	int count = 0;

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

/* What the kernel takes for an answer to each kind of question. */
static int answers(const struct pollfd *p)
{
	int mask = (p->events & POLLIN ? READABLE : 0) | (p->events & POLLOUT ? WRITABLE : 0) |
		   (p->events & POLLPRI ? EXCEPTIONAL : 0);

	return p->revents & mask;
}

/*
 * poll() answers POLLHUP and POLLERR unasked, select() only to who asked for
 * something that they are part of. The others sleep on. False when there is a real
 * answer.
 */
static bool only_unasked(struct pollfd *polled, int count)
{
	for (int i = 0; i < count; i++)
		if (polled[i].fd >= 0 && (answers(&polled[i]) || (polled[i].revents & POLLNVAL)))
			return false;
	for (int i = 0; i < count; i++)
		if (polled[i].fd >= 0 && polled[i].revents)
			polled[i].fd = -1;
	return true;
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
	for (int fd = 0, i = 0; fd < n && i < count; fd++) {
		bool in = bit(r, fd), out = bit(w, fd), ex = bit(e, fd);
		int revents;

		if (want[i].fd != fd)
			continue;
		revents = got[i].fd >= 0 ? got[i].revents : 0;
		i++;
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

/* Subtracts the time since `start`, not below 0. */
static struct timespec time_left(const struct timespec *whole, const struct timespec *start)
{
	struct timespec now;
	int64_t left;

	clock_gettime(CLOCK_MONOTONIC, &now);
	left = ((int64_t)whole->tv_sec - (now.tv_sec - start->tv_sec)) * 1000000000 + whole->tv_nsec -
	       (now.tv_nsec - start->tv_nsec);
	if (left < 0)
		left = 0;
	return (struct timespec){ .tv_sec = left / 1000000000, .tv_nsec = left % 1000000000 };
}

/*
 * select() as poll(). `left`, unless NULL, counts down. *done is false when no
 * listener had to be replaced, and nothing was done.
 */
static int select_replaced(int n, int count, fd_set *r, fd_set *w, fd_set *e, struct timespec *left, const sigset_t *mask,
			   bool *done)
{
	struct pollfd *want = alloca((size_t)count * sizeof(*want));
	struct pollfd *copy = alloca((size_t)count * sizeof(*copy));
	struct fs_waiter_swap swaps[FS_SWAPS_MAX];
	struct timespec start, whole;
	int rc;

	fill(want, n, r, w, e);
	memcpy(copy, want, (size_t)count * sizeof(*copy));
	*done = fs_waiter_poll_begin(copy, (nfds_t)count, swaps) > 0;
	if (!*done)
		return 0;
	if (left) {
		whole = *left;
		clock_gettime(CLOCK_MONOTONIC, &start);
	}
	fs_beat_wait();
	do {
		rc = FS_REAL(ppoll)(copy, (nfds_t)count, left, mask);
		if (left)
			*left = time_left(&whole, &start);
	} while (rc > 0 && only_unasked(copy, count));
	fs_beat_run();
	return rc < 0 ? rc : drain(want, copy, count, n, r, w, e);
}

/* Whether a select() may have to do with us, and *n cut to what is the application's. */
static int look_at(int *n, const fd_set *r, const fd_set *w, const fd_set *e)
{
	int count;

	if (FS_LIKELY(!fs_proc.region) || *n <= 0)
		return 0;
	*n = bits_in_use(*n);
	if (FS_UNLIKELY(fs_self.pending))
		fs_epoll_flush();
	count = r ? concerned(*n, r, w, e) : 0;
	if (!count && fs_self.waits)
		fs_waiter_absent(NULL);
	return count;
}

int select(int n, fd_set *r, fd_set *w, fd_set *e, struct timeval *timeout)
{
	int count = look_at(&n, r, w, e);
	struct timespec left;
	bool done;
	int rc;

	if (FS_LIKELY(!count) || (timeout && (timeout->tv_sec < 0 || timeout->tv_usec < 0)))
		return FS_REAL(select)(n, r, w, e, timeout);
	if (timeout)
		left = (struct timespec){ .tv_sec = timeout->tv_sec + timeout->tv_usec / 1000000,
					  .tv_nsec = timeout->tv_usec % 1000000 * 1000 };
	rc = select_replaced(n, count, r, w, e, timeout ? &left : NULL, NULL, &done);
	if (!done)
		return FS_REAL(select)(n, r, w, e, timeout);
	/* Linux tells how much was left. */
	if (timeout)
		*timeout = (struct timeval){ .tv_sec = left.tv_sec, .tv_usec = left.tv_nsec / 1000 };
	return rc;
}

int pselect(int n, fd_set *r, fd_set *w, fd_set *e, const struct timespec *timeout, const sigset_t *mask)
{
	int count = look_at(&n, r, w, e);
	struct timespec left;
	bool done;
	int rc;

	if (FS_LIKELY(!count))
		return FS_REAL(pselect)(n, r, w, e, timeout, mask);
	if (timeout)
		left = *timeout;
	rc = select_replaced(n, count, r, w, e, timeout ? &left : NULL, mask, &done);
	return done ? rc : FS_REAL(pselect)(n, r, w, e, timeout, mask);
}
