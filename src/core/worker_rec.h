/*
 * The workers' records in shared memory: bit sets of groups, and questions
 * over all workers. Tree lock held for whatever changes something.
 */
#ifndef FS_WORKER_REC_H
#define FS_WORKER_REC_H

#include "region_lock.h"

static inline bool fs_rec_has(const _Atomic uint64_t *set, unsigned group)
{
	return atomic_load_explicit(&set[group / 64], memory_order_seq_cst) >> (group % 64) & 1;
}

/*
 * Setting and clearing is sequentially consistent: of two workers of a core that
 * park at once, one must see both (worker.c).
 */
static inline void fs_rec_set(_Atomic uint64_t *set, unsigned group)
{
	atomic_fetch_or_explicit(&set[group / 64], UINT64_C(1) << (group % 64), memory_order_seq_cst);
}

static inline void fs_rec_clear(_Atomic uint64_t *set, unsigned group)
{
	atomic_fetch_and_explicit(&set[group / 64], ~(UINT64_C(1) << (group % 64)), memory_order_seq_cst);
}

/* One past the highest slot that was ever used, never more than there are. */
static inline unsigned fs_workers_end(void)
{
	uint32_t end = atomic_load_explicit(&fs_region_head()->workers_end, memory_order_relaxed);

	return end > FS_WORKERS_MAX ? FS_WORKERS_MAX : end;
}

bool fs_rec_empty(const _Atomic uint64_t *set);

/* In use, dead or alive. */
bool fs_worker_rec_live(unsigned slot);
void fs_worker_rec_free(unsigned slot);

/*
 * How many serve the core's local listener. Whether one waits for the group with
 * this core (FS_NO_CORE: without one).
 */
unsigned fs_workers_serving(unsigned group, unsigned core);
/* Whether one of them waits for it now. */
bool fs_workers_waiting(unsigned group, unsigned core);
bool fs_worker_announced(unsigned group, unsigned core);
/* Whether one of those with this core does not serve: it waits on the global listener. */
bool fs_worker_plain(unsigned group, unsigned core);

/* Nobody serves local listeners any more, until workers join again. Nobody knows the group any more. */
void fs_workers_unserve(unsigned group);
void fs_workers_forget_group(unsigned group);

/* Workers that wait for the group. */
unsigned fs_workers_of(unsigned group);
/* Workers whose core this is, whatever they serve. */
unsigned fs_workers_on(unsigned core);

#endif
