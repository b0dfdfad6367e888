/*
 * Threads that wait for a listener without an epoll instance of their own:
 * blocked in accept(), or in poll() or select() and their kin. Each gets an
 * inner instance (inner.h) a group, to wait on in the listener's stead.
 */
#ifndef FS_WAITER_H
#define FS_WAITER_H

#include <poll.h>

#include "group.h"

/* Joins, or finds that it cannot. fs_waiter_inner() below is the way in. */
int fs_waiter_join(unsigned group, unsigned member);

/*
 * The calling thread is about to wait for the group, in an adopted group on
 * the socket `member`: it joins. Returns the descriptor to wait on instead, or
 * 0 when it waits on its own. Takes the process lock when something has changed.
 */
static inline int fs_waiter_inner(unsigned group, unsigned member)
{
	if (fs_self.views == atomic_load_explicit(&fs_proc.views, memory_order_relaxed)) {
		if (fs_self.inner[group] && fs_self.local[group])
			return fs_self.inner[group];
		if (fs_self.alone_epoch == fs_epoch() && fs_self.alone[group / 64] >> (group % 64) & 1)
			return 0;
	}
	return fs_waiter_join(group, member);
}

/*
 * Before poll(): whether any of the descriptors is a listener to be replaced.
 * If so, `copy` (of n entries) is what to poll instead. Afterwards,
 * fs_waiter_poll_done() brings the results back.
 */
bool fs_waiter_poll_begin(const struct pollfd *fds, nfds_t n, struct pollfd *copy);
void fs_waiter_poll_done(struct pollfd *fds, nfds_t n, const struct pollfd *copy);

/* Whether any of the descriptors has a tag that a poll has to look at. The common case: no. */
static inline bool fs_waiter_poll_concerned(const struct pollfd *fds, nfds_t n)
{
	if (FS_LIKELY(!fs_proc.region))
		return false;
	for (nfds_t i = 0; i < n; i++) {
		enum fs_tag_kind kind = fs_tag_kind(fs_fd_tag(fds[i].fd));

		if (kind == FS_TAG_LISTENER || kind == FS_TAG_INTERNAL)
			return true;
	}
	return false;
}

#endif
