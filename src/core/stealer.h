/*
 * The stealing thread: one in each process that has a worker. It sleeps on the hub,
 * without any wake-up, while nothing is queued in the tree; the one that a connection
 * wakes looks at all queues once per tick until they are empty, has the policy judge
 * the cores, marks those that need help, wakes idle workers for them, and takes stuck
 * cores out of the steering program.
 */
#ifndef FS_STEALER_H
#define FS_STEALER_H

#include "process.h"

/* Starts it; the slow part of fs_stealer_ensure(). No lock held. */
void fs_stealer_start(void);
/*
 * The application is about to start a thread, and may forbid itself more of them
 * afterwards (HAProxy sets RLIMIT_NPROC to 0): where there is a group, ours starts now. No lock held.
 */
void fs_stealer_early(void);

/* After a worker has joined: its process has a thread from now on, or no worker serves. */
static inline void fs_stealer_ensure(void)
{
	if (FS_UNLIKELY(atomic_load_explicit(&fs_proc.stealing_wanted, memory_order_relaxed)) &&
	    !atomic_load_explicit(&fs_proc.stealing, memory_order_relaxed))
		fs_stealer_start();
}

/* In a forked child, which has no thread of its parent's. */
void fs_stealer_forget(void);

#endif
