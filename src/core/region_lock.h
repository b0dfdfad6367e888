/*
 * This process's access to the shared region, and the locks that go with it.
 *
 * The locks are POSIX record locks on bytes of the memfd, not mutexes in the
 * memory: a process that was compromised can scribble over memory (and over the
 * pointers that a robust mutex keeps there), but not over the kernel's locks; the
 * kernel drops them when the process dies or executes, however it does so; and who
 * holds one is alive, whatever became of its pid. They belong to a process, not to
 * a thread: callers hold the process lock (process.h) as well. Nothing here sleeps
 * for long: the tree lock is tried for a bounded time.
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

static inline struct fs_core_load *fs_core_load(unsigned core)
{
	return (struct fs_core_load *)(fs_proc.region + fs_region_loads_at()) + core;
}

static inline struct fs_core_active *fs_core_active(unsigned core)
{
	return (struct fs_core_active *)(fs_proc.region + fs_region_actives_at()) + core;
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

/*
 * Serialises all changes to workers, groups and steering in the tree. 0, or -EBUSY
 * when the holder did not let go in time.
 */
int fs_tree_lock(void);
/* Likewise, but without patience. */
int fs_tree_trylock(void);
void fs_tree_unlock(void);

/*
 * A worker's proof of life. `serial` tells the threads of this process apart, also
 * when a slot is used again; fs_worker_serial() is 0 for slots that are not this
 * process's.
 */
int fs_worker_claim(unsigned slot, uint32_t serial);
void fs_worker_unclaim(unsigned slot);
uint32_t fs_worker_serial(unsigned slot);
bool fs_worker_alive(unsigned slot);
/*
 * A program that took the region over through execve(): the locks of the threads before it
 * stayed with the process.
 */
void fs_region_unlock_all(void);
/*
 * In a forked child, which has none. After the memfd's descriptor was moved:
 * closing the old one dropped the locks.
 */
void fs_worker_forget_claims(void);
void fs_worker_renew_claims(void);

/*
 * A claim on a group, inherited by what is forked: the record is free when
 * nobody has one. Returns a hidden descriptor, which is the claim, or -errno.
 */
int fs_group_claim(unsigned group);
/* Whether anybody has a claim, this process included. */
bool fs_group_claimed(unsigned group);

/* Who may accept from a global listener that blocks: see accept.c. */
bool fs_global_trylock(unsigned group);
void fs_global_unlock(unsigned group);

#endif
