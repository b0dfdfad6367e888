/*
 * A worker's state, for the stealing thread: whether it waits or runs, and how often
 * it has waited. Two plain stores per wait, into a line of the worker's own. Relaxed:
 * the reader compares what it sees at one tick with what it saw at the tick before.
 */
#ifndef FS_BEAT_H
#define FS_BEAT_H

#include "region_lock.h"

/* Before the thread waits where it hears of its group's connections, and after. */
static inline void fs_beat_wait(void)
{
	if (fs_self.slot) {
		fs_self.beat = (fs_self.beat | 1) + 1;
		atomic_store_explicit(&fs_worker_rec((unsigned)fs_self.slot - 1)->beat, fs_self.beat, memory_order_relaxed);
	}
}

static inline void fs_beat_run(void)
{
	if (fs_self.slot) {
		fs_self.beat |= 1;
		atomic_store_explicit(&fs_worker_rec((unsigned)fs_self.slot - 1)->beat, fs_self.beat, memory_order_relaxed);
	}
}

/* Several threads wait in this worker's stead: none of them is stuck while another one waits. */
static inline void fs_beat_stop(void)
{
	if (fs_self.slot) {
		fs_self.beat = 0;
		atomic_store_explicit(&fs_worker_rec((unsigned)fs_self.slot - 1)->beat, 0, memory_order_relaxed);
	}
}

/* Whether somebody has something to tell the calling worker before it waits: kicked, or passed by in steering. */
static inline uint32_t fs_beat_flags(void)
{
	return fs_self.slot ? atomic_load_explicit(&fs_worker_rec((unsigned)fs_self.slot - 1)->flags, memory_order_relaxed) : 0;
}

/* It has been told. */
static inline void fs_beat_clear(uint32_t flag)
{
	if (fs_self.slot)
		atomic_fetch_and_explicit(&fs_worker_rec((unsigned)fs_self.slot - 1)->flags, ~flag, memory_order_relaxed);
}

static inline void fs_beat_flag(uint32_t flag)
{
	if (fs_self.slot)
		atomic_fetch_or_explicit(&fs_worker_rec((unsigned)fs_self.slot - 1)->flags, flag, memory_order_relaxed);
}

#endif
