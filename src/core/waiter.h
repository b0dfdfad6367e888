/*
 * Threads that wait for a listener without an epoll instance of their own:
 * blocked in accept(), or in poll() or select() and their kin. Each gets an
 * inner instance (inner.h) a group, to wait on in the listener's stead.
 */
#ifndef FS_WAITER_H
#define FS_WAITER_H

#include <poll.h>

#include "steal.h"

/* Joins, or finds that it cannot. fs_waiter_inner() below is the way in. */
int fs_waiter_join(unsigned group, unsigned member);

/* Cores need help, or somebody has something to tell this worker. */
void fs_waiter_look(unsigned group);

/*
 * The calling thread is about to wait for the group, in an adopted group on
 * the socket `member`: it joins. Returns the descriptor to wait on instead, or
 * 0 when it waits on its own. Takes the process lock when something has changed.
 */
static inline int fs_waiter_inner(unsigned group, unsigned member)
{
	if (fs_self.views == atomic_load_explicit(&fs_proc.views, memory_order_relaxed)) {
		if (fs_self.inner[group] && fs_self.local[group] && !fs_self.shared &&
		    fs_self.waiting[group / 64] >> (group % 64) & 1) {
			if (fs_steal_due())
				fs_waiter_look(group);
			return fs_self.inner[group];
		}
		if (fs_self.alone_epoch == fs_epoch() && fs_self.alone[group / 64] >> (group % 64) & 1)
			return 0;
	}
	return fs_waiter_join(group, member);
}

/*
 * The calling thread is about to wait for something else: it parks in all
 * groups that it waited for in this way before, but for those in `present` (a
 * bit each; NULL: none). Called only while fs_self.waits. Takes the process lock.
 */
void fs_waiter_absent(const uint64_t *present);

/* As fs_epoll_move(), for an inner instance that the calling thread waits on itself. */
int fs_waiter_move(int fd);

/*
 * Listeners that one poll() can have replaced. More are polled as they are: they
 * hear their global listener.
 */
#define FS_SWAPS_MAX 64

struct fs_waiter_swap {
	nfds_t index;
	int fd; /* as the application gave it */
};

/*
 * Before poll(): listeners in `fds` that are served are replaced by what
 * stands for them, in place; returns how many, for fs_waiter_poll_done(),
 * which has to follow also when the thread is cancelled.
 */
unsigned fs_waiter_poll_begin(struct pollfd *fds, nfds_t n, struct fs_waiter_swap *swaps);
void fs_waiter_poll_done(struct pollfd *fds, const struct fs_waiter_swap *swaps, unsigned count);

/* Whether any of the descriptors has a tag that a poll has to look at. The common case: no. */
static inline bool fs_waiter_poll_concerned(const struct pollfd *fds, nfds_t n)
{
	if (FS_LIKELY(!fs_proc.region) || !fds)
		return false;
	if (FS_UNLIKELY(fs_self.waits))
		return true;
	for (nfds_t i = 0; i < n; i++) {
		enum fs_tag_kind kind = fs_tag_kind(fs_fd_tag(fds[i].fd));

		if (kind == FS_TAG_LISTENER || kind == FS_TAG_INTERNAL)
			return true;
	}
	return false;
}

#endif
