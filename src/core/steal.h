/*
 * Stealing, the workers' side: before a worker waits it looks for cores that need
 * help, and in accept() it takes from them. Who needs help is decided by the stealing
 * thread (stealer.c), who may help by the policy.
 *
 * A worker that is to take another core's connection has to be brought to call
 * accept(): its core's eventfd, which stands in the inner instance, makes the listener
 * readable for it. `kick` in the core's record says from where to take.
 */
#ifndef FS_STEAL_H
#define FS_STEAL_H

#include "beat.h"
#include "group.h"
#include "help.h"

/* Whether fs_steal_look() has anything to look at. Two loads. */
static inline bool fs_steal_due(void)
{
	return FS_UNLIKELY(fs_help_wanted() || fs_beat_flags());
}

/* Before the calling worker waits for the group: makes the listener readable if some core needs help. No lock needed. */
void fs_steal_look(unsigned group);
/*
 * After it has looked for all groups that it waits for (`groups`, a bit each), where it was
 * told of a kick: one for a group that it does not wait for is taken back, and the
 * eventfd, which all groups of the core share, is emptied when there is none.
 */
void fs_steal_tidy(const uint64_t *groups);

/*
 * accept4() on the local listener of a core that needs help, first of the one that
 * this worker was kicked for. A descriptor, or -errno with -EAGAIN for "nothing there".
 */
int fs_steal_take(unsigned group, struct sockaddr *addr, socklen_t *len, int flags);

/* Wakes the core's workers for a connection that waits at `victim`. */
void fs_steal_kick(unsigned group, unsigned core, unsigned victim);

#endif
