/*
 * How many connections each worker has open: an accepted one's descriptor is tagged
 * with the worker's slot, and close() counts it off again. Copies by dup() and
 * descriptors that are passed on are not followed: the count is for balance, where
 * one more or less of thousands does not matter.
 */
#ifndef FS_CONN_H
#define FS_CONN_H

#include "region_lock.h"

/* The calling worker accepted `fd`. No lock needed for either. */
static inline void fs_conn_opened(int fd)
{
	if (!fs_self.slot || (unsigned)fd >= FS_FD_MAX)
		return;
	fs_fd_set_tag(fd, FS_TAG_CONNECTION, (unsigned)fs_self.slot - 1);
	atomic_fetch_add_explicit(&fs_worker_rec((unsigned)fs_self.slot - 1)->open, 1, memory_order_relaxed);
}

/* `fd`, with this tag, is about to be closed, or its number was given to something else. */
static inline void fs_conn_closed(int fd, uint16_t tag)
{
	unsigned slot = fs_tag_index(tag);
	uint32_t open;

	fs_fd_set_tag(fd, FS_TAG_NONE, 0);
	/* A child's copy does not count, nor does what is left of a worker that is gone. */
	if (!fs_worker_serial(slot))
		return;
	/* Never below 0: an earlier worker in the slot may have left some, or a vfork child closed its copies. */
	open = atomic_load_explicit(&fs_worker_rec(slot)->open, memory_order_relaxed);
	while (open && !atomic_compare_exchange_weak_explicit(&fs_worker_rec(slot)->open, &open, open - 1, memory_order_relaxed,
							      memory_order_relaxed))
		;
}

#endif
