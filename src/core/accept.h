/*
 * Accepting from a listener group: the local listener first, the global one
 * never starved, then what other cores have that need help.
 */
#ifndef FS_ACCEPT_H
#define FS_ACCEPT_H

#include <errno.h>

#include "group.h"
#include "libc.h"
#include "sockopt.h"
#include "steal.h"

/*
 * Every so many accepts a worker looks at its connection's RX CPU, and at the
 * global listener although its own had one. Powers of two.
 */
#define FS_SAMPLE_EVERY 64

/* What is due every FS_SAMPLE_EVERY accepts. `fd` is the accepted connection. */
void fs_accept_sample(unsigned group, int fd);
/*
 * The local listener had nothing, or (`try_local`) it is not its turn. As
 * accept4(): -1 with errno. A cancellation point when it sleeps.
 */
int fs_accept_else(struct fs_listener *l, int fd, struct sockaddr *addr, socklen_t *len, int flags, bool try_local);

/* accept4() on the application's listening descriptor, without a lock in the common case: one system call. */
static inline int fs_accept(struct fs_listener *l, int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	unsigned g = l->group;
	int local = fs_self.local[g];
	int saved = errno;
	int rc;

	if (FS_UNLIKELY(!local || fs_self.views != atomic_load_explicit(&fs_proc.views, memory_order_relaxed)))
		return fs_accept_else(l, fd, addr, len, flags, true);
	if (FS_UNLIKELY(fs_self.accepts % FS_SAMPLE_EVERY == FS_SAMPLE_EVERY - 1)) {
		fs_self.accepts++;
		return fs_accept_else(l, fd, addr, len, flags, true);
	}
	/* A core that needs help has its turn, although this one has work of its own. */
	if (FS_UNLIKELY(fs_help_wanted()) && fs_policy_steal_turn(fs_self.accepts, fs_proc.options.steal_ratio)) {
		fs_self.accepts++;
		rc = fs_steal_take(g, addr, len, flags);
		if (rc >= 0)
			return rc;
	}
	rc = fs_libc.accept4(local, addr, len, flags);
	if (FS_LIKELY(rc >= 0)) {
		atomic_fetch_add_explicit(&fs_core_rec(g, fs_self.view)->accepted_local, 1, memory_order_relaxed);
		if (FS_UNLIKELY(fs_self.accepts++ % FS_SAMPLE_EVERY == 0))
			fs_accept_sample(g, rc);
		return rc;
	}
	/*
	 * It is empty, or it was stopped. The rest (EMFILE, ECONNABORTED, EINVAL for bad
	 * flags ...) is for the application.
	 */
	if (errno != EAGAIN && (errno != EINVAL || fs_sockopt_int(local, SOL_SOCKET, SO_ACCEPTCONN, 1)))
		return rc;
	errno = saved;
	return fs_accept_else(l, fd, addr, len, flags, false);
}

#endif
