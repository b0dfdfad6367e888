#define _GNU_SOURCE
#include "worker_rec.h"

bool fs_rec_empty(const _Atomic uint64_t *set)
{
	for (unsigned i = 0; i < FS_GROUPS_MAX / 64; i++)
		if (atomic_load_explicit(&set[i], memory_order_relaxed))
			return false;
	return true;
}

bool fs_worker_rec_live(unsigned slot)
{
	return atomic_load_explicit(&fs_worker_rec(slot)->state, memory_order_relaxed) == FS_WORKER_LIVE;
}

void fs_worker_rec_free(unsigned slot)
{
	struct fs_worker_rec *w = fs_worker_rec(slot);

	atomic_store_explicit(&w->state, FS_WORKER_FREE, memory_order_relaxed);
	atomic_store_explicit(&w->core, FS_NO_CORE, memory_order_relaxed);
	atomic_store_explicit(&w->beat, 0, memory_order_relaxed);
	atomic_store_explicit(&w->flags, 0, memory_order_relaxed);
	atomic_store_explicit(&w->open, 0, memory_order_relaxed);
	for (unsigned i = 0; i < FS_GROUPS_MAX / 64; i++) {
		atomic_store_explicit(&w->announced[i], 0, memory_order_relaxed);
		atomic_store_explicit(&w->serving[i], 0, memory_order_relaxed);
		atomic_store_explicit(&w->parked[i], 0, memory_order_relaxed);
	}
}

static uint32_t core_of(unsigned slot)
{
	return atomic_load_explicit(&fs_worker_rec(slot)->core, memory_order_relaxed);
}

unsigned fs_workers_serving(unsigned group, unsigned core)
{
	unsigned n = 0;

	for (unsigned s = 0, end = fs_workers_end(); s < end; s++)
		n += fs_worker_rec_live(s) && core_of(s) == core && fs_rec_has(fs_worker_rec(s)->serving, group);
	return n;
}

bool fs_workers_waiting(unsigned group, unsigned core)
{
	for (unsigned s = 0, end = fs_workers_end(); s < end; s++)
		if (fs_worker_rec_live(s) && core_of(s) == core && fs_rec_has(fs_worker_rec(s)->serving, group) &&
		    !fs_rec_has(fs_worker_rec(s)->parked, group))
			return true;
	return false;
}

bool fs_worker_announced(unsigned group, unsigned core)
{
	for (unsigned s = 0, end = fs_workers_end(); s < end; s++)
		if (fs_worker_rec_live(s) && core_of(s) == core && fs_rec_has(fs_worker_rec(s)->announced, group))
			return true;
	return false;
}

bool fs_worker_plain(unsigned group, unsigned core)
{
	for (unsigned s = 0, end = fs_workers_end(); s < end; s++)
		if (fs_worker_rec_live(s) && core_of(s) == core && fs_rec_has(fs_worker_rec(s)->announced, group) &&
		    !fs_rec_has(fs_worker_rec(s)->serving, group))
			return true;
	return false;
}

unsigned fs_workers_of(unsigned group)
{
	unsigned n = 0;

	for (unsigned s = 0, end = fs_workers_end(); s < end; s++)
		n += fs_worker_rec_live(s) && fs_rec_has(fs_worker_rec(s)->announced, group);
	return n;
}

unsigned fs_workers_on(unsigned core)
{
	unsigned n = 0;

	for (unsigned s = 0, end = fs_workers_end(); s < end; s++)
		n += fs_worker_rec_live(s) && core_of(s) == core && !fs_rec_empty(fs_worker_rec(s)->announced);
	return n;
}

void fs_workers_unserve(unsigned group)
{
	for (unsigned s = 0, end = fs_workers_end(); s < end; s++)
		fs_rec_clear(fs_worker_rec(s)->serving, group);
}

void fs_workers_forget_group(unsigned group)
{
	for (unsigned s = 0, end = fs_workers_end(); s < end; s++) {
		fs_rec_clear(fs_worker_rec(s)->announced, group);
		fs_rec_clear(fs_worker_rec(s)->serving, group);
		fs_rec_clear(fs_worker_rec(s)->parked, group);
	}
}
