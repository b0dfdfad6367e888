#define _GNU_SOURCE
#include "steal.h"

#include <errno.h>

#include "hub.h"
#include "sys/sys.h"

/*
 * Queues that one look asks for (215 ns each): with hundreds of parked cores, the
 * rest comes at the next wait.
 */
#define LOOKS_MAX 4

static struct fs_core_rec *own_rec(unsigned group)
{
	return fs_core_rec(group, fs_self.view);
}

static bool queued(unsigned group, unsigned core)
{
	return fs_groups[group].local[core] > 0 && fs_sockopt_queue(fs_groups[group].local[core]) > 0;
}

/* Steals and helps in turn; FS_NO_CORE when nobody needs it. */
static unsigned find_victim(unsigned group)
{
	enum fs_help own = fs_help_of(group, fs_self.view);
	unsigned looks = 0;

	for (unsigned i = 0; i < fs_proc.ncores && looks < LOOKS_MAX; i++) {
		unsigned c = (fs_self.victim + i) % fs_proc.ncores;

		if (c == fs_self.view || !fs_policy_may_steal(own, fs_help_of(group, c)))
			continue;
		looks++;
		if (!queued(group, c))
			continue;
		fs_self.victim = (uint16_t)((c + 1) % fs_proc.ncores);
		return c;
	}
	if (looks == LOOKS_MAX)
		fs_self.victim = (uint16_t)((fs_self.victim + LOOKS_MAX) % fs_proc.ncores);
	return FS_NO_CORE;
}

/* The victim that the core was kicked for, or FS_NO_CORE; `take`: and it is so no longer. */
static unsigned kicked_for(unsigned group, bool take)
{
	struct fs_core_rec *cr = own_rec(group);
	uint32_t kick = atomic_load_explicit(&cr->kick, memory_order_relaxed);

	if (!kick)
		return FS_NO_CORE;
	if (take) {
		kick = atomic_exchange_explicit(&cr->kick, 0, memory_order_relaxed);
		fs_hub_unkick(fs_self.view);
	}
	return kick - 1 < fs_proc.ncores ? kick - 1 : FS_NO_CORE;
}

void fs_steal_look(unsigned group)
{
	unsigned victim;

	if (fs_self.view >= fs_proc.ncores || !fs_self.local[group])
		return;
	/* The application was told and did not accept. If the connection is gone meanwhile, so is the reason to tell it. */
	victim = kicked_for(group, false);
	if (victim != FS_NO_CORE) {
		if (queued(group, victim))
			return;
		kicked_for(group, true);
	}
	victim = find_victim(group);
	if (victim == FS_NO_CORE)
		return;
	atomic_store_explicit(&own_rec(group)->kick, victim + 1, memory_order_relaxed);
	fs_hub_kick(fs_self.view);
	/* To look again, should the application not accept. */
	fs_beat_flag(FS_WORKER_KICKED);
}

void fs_steal_tidy(const uint64_t *groups)
{
	bool pending = false;

	if (fs_self.view >= fs_proc.ncores)
		return;
	for (unsigned g = 0; g < fs_groups_end; g++) {
		if (!fs_groups[g].held || !atomic_load_explicit(&own_rec(g)->kick, memory_order_relaxed))
			continue;
		if (groups[g / 64] >> (g % 64) & 1)
			pending = true;
		else
			atomic_store_explicit(&own_rec(g)->kick, 0, memory_order_relaxed);
	}
	if (!pending)
		fs_hub_unkick(fs_self.view);
}

static int take_from(unsigned group, unsigned victim, struct sockaddr *addr, socklen_t *len, int flags)
{
	struct fs_core_rec *from = fs_core_rec(group, victim);
	enum fs_help help = fs_help_of(group, victim);
	int rc;

	if (!queued(group, victim))
		return -EAGAIN;
	rc = fs_sys_accept4(fs_groups[group].local[victim], addr, len, flags);
	if (rc < 0)
		return rc == -EINVAL ? -EAGAIN : rc;
	atomic_fetch_add_explicit(&own_rec(group)->stolen, 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&from->given, 1, memory_order_relaxed);
	if (help == FS_HELP_STUCK || help == FS_HELP_DESERTED)
		atomic_fetch_add_explicit(&from->rescued, 1, memory_order_relaxed);
	else if (help == FS_HELP_PARKED)
		atomic_fetch_add_explicit(&from->parked, 1, memory_order_relaxed);
	return rc;
}

int fs_steal_take(unsigned group, struct sockaddr *addr, socklen_t *len, int flags)
{
	unsigned victim;
	int rc = -EAGAIN;

	if (fs_self.view >= fs_proc.ncores)
		return -EAGAIN;
	victim = kicked_for(group, true);
	if (victim != FS_NO_CORE)
		rc = take_from(group, victim, addr, len, flags);
	if (rc != -EAGAIN || !fs_help_wanted())
		return rc;
	victim = find_victim(group);
	return victim == FS_NO_CORE ? -EAGAIN : take_from(group, victim, addr, len, flags);
}

void fs_steal_kick(unsigned group, unsigned core, unsigned victim)
{
	struct fs_core_rec *cr = fs_core_rec(group, core);

	/* Before the wake-up, like the caller's FS_WORKER_KICKED: who wakes shall know why. */
	atomic_store_explicit(&cr->kick, victim + 1, memory_order_release);
	atomic_fetch_add_explicit(&cr->woken, 1, memory_order_relaxed);
	fs_hub_kick(core);
}
