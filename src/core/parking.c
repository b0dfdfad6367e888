#define _GNU_SOURCE
#include "parking.h"

#include "group.h"
#include "help.h"
#include "sockopt.h"
#include "worker_rec.h"

static bool listens(unsigned group, unsigned core)
{
	return core < fs_proc.ncores && fs_group_own(group) &&
	       atomic_load_explicit(&fs_core_rec(group, core)->member, memory_order_relaxed);
}

static void park_if_deserted(unsigned group, unsigned core)
{
	if (listens(group, core) && !fs_workers_waiting(group, core))
		fs_help_set(group, core, FS_HELP_PARKED);
}

static uint32_t core_of(unsigned slot)
{
	return atomic_load_explicit(&fs_worker_rec(slot)->core, memory_order_relaxed);
}

/* When it was the last one: what arrives later, of handshakes that are under way, the stealing thread notices. */
void fs_parking_left(unsigned slot, unsigned group)
{
	uint32_t core = core_of(slot);

	if (!listens(group, core) || fs_workers_waiting(group, core))
		return;
	if (fs_workers_serving(group, core))
		fs_help_set(group, core, FS_HELP_PARKED);
	else if (fs_sockopt_queue(fs_groups[group].local[core]) > 0)
		fs_help_set(group, core, FS_HELP_DESERTED);
	else
		fs_help_set(group, core, FS_HELP_NONE);
}

void fs_parking_park(unsigned slot, unsigned group)
{
	fs_rec_set(fs_worker_rec(slot)->parked, group);
	park_if_deserted(group, core_of(slot));
}

void fs_parking_unpark(unsigned slot, unsigned group)
{
	uint32_t core = core_of(slot);

	fs_rec_clear(fs_worker_rec(slot)->parked, group);
	if (core < fs_proc.ncores && fs_group_own(group) && fs_help_of(group, core) >= FS_HELP_PARKED)
		fs_help_set(group, core, FS_HELP_NONE);
}
