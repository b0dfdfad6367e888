/*
 * This process's access to the shared region, and the locks that go with it.
 *
 * The locks are POSIX record locks on bytes of the memfd, not mutexes in the
 * memory: a process that was compromised can scribble over memory (and over
 * the pointers that a robust mutex keeps there), but not over the kernel's
 * locks; the kernel drops them when the process dies or executes, however it does so; and who holds one
 * is alive, whatever became of its pid. They belong to a process, not to a
 * thread: callers hold the process lock (process.h) as well. Nothing here
 * sleeps for long: the tree lock is tried for a bounded time.
 */
#ifndef FS_REGION_LOCK_H
#define FS_REGION_LOCK_H

#include "process.h"

/* Makes and maps the region, once per process tree. 0 or -errno. */
int fs_region_make(void);

static inline struct fs_region_head *fs_region_head(void)
{
	return (struct fs_region_head *)fs_proc.region;
}

static inline struct fs_worker_rec *fs_worker_rec(unsigned slot)
{
	return (struct fs_worker_rec *)(fs_proc.region + fs_region_workers_at()) + slot;
}

static inline struct fs_group_rec *fs_group_rec(unsigned group)
{
	return (struct fs_group_rec *)(fs_proc.region + fs_region_groups_at()) + group;
}

static inline struct fs_core_rec *fs_core_rec(unsigned group, unsigned core)
{
	return (struct fs_core_rec *)(fs_proc.region + fs_region_core_at(fs_proc.ncores, group, core));
}

/* Relaxed: a wait that sees the new value late is a wait that started a moment earlier. */
static inline uint32_t fs_epoch(void)
{
	return atomic_load_explicit(&fs_region_head()->epoch, memory_order_relaxed);
}

/* Workers look again at what they serve before their next wait. */
static inline void fs_epoch_advance(void)
{
	atomic_fetch_add_explicit(&fs_region_head()->epoch, 1, memory_order_relaxed);
}

/* Serialises all changes to workers, groups and steering in the tree. 0, or -EBUSY when the holder did not let go in time. */
int fs_tree_lock(void);
void fs_tree_unlock(void);

/* A worker's proof of life. */
int fs_worker_lock(unsigned slot);
void fs_worker_unlock(unsigned slot);
bool fs_worker_alive(unsigned slot);

/* A process's claim on a group: the record is free when no process has one. */
void fs_group_hold(unsigned group);
void fs_group_release(unsigned group);
bool fs_group_held_elsewhere(unsigned group);

/* Who may accept from a global listener that blocks: see accept.c. */
bool fs_global_trylock(unsigned group);
void fs_global_unlock(unsigned group);

#endif
