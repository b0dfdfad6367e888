#define _GNU_SOURCE
#include "stealer.h"

#include <errno.h>
#include <poll.h>
#include <time.h>

#include "heir.h"
#include "hub.h"
#include "libc.h"
#include "log.h"
#include "sys/sys.h"
#include "tick.h"
#include "worker.h"

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

#define HEIRS_MAX FS_GROUPS_MAX

/* A pause between two ticks, unless somebody asks for a group: he waits at the start of a server. */
static void pause_us(uint32_t us)
{
	struct timespec t = { us / 1000000, us % 1000000 * 1000L };
	struct pollfd heir[HEIRS_MAX];
	unsigned group[HEIRS_MAX], n = 0;

	fs_lock();
	for (unsigned g = 0; g < fs_groups_end && n < HEIRS_MAX; g++) {
		if (!fs_groups[g].held || fs_groups[g].heir <= 0)
			continue;
		heir[n] = (struct pollfd){ .fd = fs_groups[g].heir, .events = POLLIN };
		group[n++] = g;
	}
	fs_unlock();
	if (fs_sys_ppoll(heir, n, &t) <= 0)
		return;
	fs_lock();
	for (unsigned i = 0; i < n; i++)
		if (heir[i].revents & POLLIN)
			fs_heir_answer(group[i]);
	fs_unlock();
}

/* When this thread was last active. */
static uint64_t last_us;

/* Looks after which the active thread asks itself whether it is the right one. */
#define LOOKS_BETWEEN_DOUBTS 64
/* A thread that passed an event on stays away from the hub for so long, times the times in a row that it did. */
#define NAP_US 2000
#define NAPS_MAX 32

/*
 * Whether this process holds all groups that are active. One that does not (an old worker
 * after a reload that added a listener) would be active for a part of them only.
 */
static bool holds_all(void)
{
	uint32_t end = atomic_load_explicit(&fs_region_head()->groups_end, memory_order_relaxed);

	for (unsigned g = 0; g < end && g < FS_GROUPS_MAX; g++)
		if (!fs_groups[g].held && fs_group_state(g) == FS_GROUP_ACTIVE && fs_group_own(g))
			return false;
	return true;
}

static bool holds_any(void)
{
	for (unsigned g = 0; g < fs_groups_end; g++)
		if (fs_groups[g].held && fs_group_own(g))
			return true;
	return false;
}

/*
 * Ticks until nothing is queued, or somebody else has the lease, or is to have it. True
 * in the first case.
 */
static bool tick_until_quiet(void)
{
	uint32_t pause;
	unsigned looks = 0;
	bool first = true;

	fs_lock();
	fs_tick_begin(last_us ? now_us() - last_us : 0);
	last_us = now_us();
	fs_unlock();
	for (;;) {
		uint64_t now = now_us();
		bool right = true;

		fs_lock();
		pause = fs_tick((uint32_t)(now - last_us), first);
		if (++looks % LOOKS_BETWEEN_DOUBTS == 0)
			right = holds_all();
		fs_unlock();
		last_us = now;
		first = false;
		if (!pause)
			return true;
		if (!right) {
			fs_lease_release();
			fs_hub_wake_later(1);
			return false;
		}
		pause *= fs_proc.options.steal_tick;
		if (!fs_lease_keep(pause))
			return false;
		pause_us(pause);
	}
}

/* The active thread, until it goes to sleep or another one took over. */
static void be_active(void)
{
	while (tick_until_quiet()) {
		bool fired, all;

		fs_lock();
		all = holds_any() && holds_all();
		fs_tick_arm();
		fs_unlock();
		fs_lease_release();
		/* What it does not hold (any more), it cannot arm: somebody who does shall. */
		if (!all) {
			fs_hub_wake_later(1);
			return;
		}
		/* Who was woken between arming and release found the lease taken, and slept again. */
		fs_lock();
		fired = fs_tick_fired();
		fs_unlock();
		if (!fired || !fs_lease_take())
			return;
	}
}

/*
 * A process that does not hold all groups leaves the event to others: the watchdog wakes
 * them one after the other, while those who had their turn stay away from the hub, which
 * wakes whoever came last. When all had it, nobody holds all groups, and whoever is next does
 * what it can.
 */
static bool leave_to_others(void)
{
	static unsigned naps;
	struct fs_region_head *head = fs_region_head();
	uint32_t left;
	bool all;

	fs_lock();
	all = holds_all();
	fs_unlock();
	if (all) {
		atomic_store_explicit(&head->missed, 0, memory_order_relaxed);
		naps = 0;
		return false;
	}
	left = atomic_load_explicit(&head->missed, memory_order_relaxed);
	left = left ? left - 1 : atomic_load_explicit(&head->workers_end, memory_order_relaxed) + 1;
	if (left > FS_WORKERS_MAX)
		left = FS_WORKERS_MAX;
	atomic_store_explicit(&head->missed, left, memory_order_relaxed);
	if (!left) {
		naps = 0;
		return false;
	}
	fs_hub_wake_later(1);
	naps += naps < NAPS_MAX;
	pause_us(NAP_US * naps);
	return true;
}

static void *stealer_main(void *unused)
{
	struct fs_cpus all = { 0 };

	(void)unused;
	fs_libc.name_thread("fastsock-steal");
	/* Wherever there is room: it must run when its creator's CPU is the one that is stuck. */
	for (unsigned c = 0; c < fs_proc.ncores; c++)
		fs_cpus_add(&all, fs_proc.cpu[c]);
	fs_sys_setaffinity(0, all.bits, sizeof(all.bits));
	fs_lock();
	for (unsigned g = 0; g < fs_groups_end; g++)
		if (fs_groups[g].held && fs_group_own(g))
			fs_heir_listen(g);
	fs_unlock();
	for (;;) {
		int group = fs_hub_sleep();
		bool any;

		if (group == -EINTR)
			continue;
		if (group < 0) {
			fs_log(FS_LOG_WARN, "the stealing thread ends: it cannot sleep (%s)", fs_errname(-group));
			return NULL;
		}
		if (group >= FS_HUB_HEIR) {
			bool held;

			group -= FS_HUB_HEIR;
			fs_lock();
			held = fs_groups[group].held;
			fs_heir_answer((unsigned)group);
			fs_unlock();
			/* Not for this process: it stays out of the way. */
			if (!held)
				pause_us(NAP_US);
			continue;
		}
		fs_lock();
		any = holds_any();
		if (!any)
			fs_proc.stealing = fs_proc.stealing_wanted = false;
		fs_unlock();
		if (!any) {
			/* An old worker that only finishes what it has: the event is for others. */
			fs_hub_wake_later(1);
			return NULL;
		}
		if (!leave_to_others() && fs_lease_take())
			be_active();
	}
}

static int start(void)
{
	sigset_t old;
	int rc;

	/* Of several threads that join at once, one starts it. */
	if (atomic_exchange_explicit(&fs_proc.stealing, true, memory_order_relaxed))
		return 0;
	/* The new thread inherits the mask: no signal of the application's is ever handled there. */
	fs_sys_block_signals(&old);
	rc = fs_libc.start_thread ? fs_libc.start_thread(stealer_main) : ENOSYS;
	fs_sys_restore_signals(&old);
	if (rc)
		fs_proc.stealing = false;
	return rc;
}

void fs_stealer_early(void)
{
	bool any = false;
	sigset_t old;

	if (!fs_proc.region || fs_proc.stealing || fs_proc.stealing_failed || fs_foreign_process())
		return;
	fs_enter(&old);
	for (unsigned g = 0; g < FS_GROUPS_MAX; g++)
		any |= fs_groups[g].held && fs_group_own(g);
	fs_leave(&old);
	if (any)
		start();
}

void fs_stealer_start(void)
{
	sigset_t old;
	int rc;

	if (fs_foreign_process() || fs_proc.stealing_failed)
		return;
	rc = start();
	if (rc == 0)
		return;
	fs_enter(&old);
	fs_proc.stealing_failed = true;
	fs_log(FS_LOG_WARN, "workers keep to the global listener: no stealing thread (%s)", fs_errname(rc));
	for (unsigned g = 0; g < fs_groups_end; g++)
		if (fs_groups[g].held && fs_group_own(g))
			fs_worker_leave_all(g);
	fs_leave(&old);
}

void fs_stealer_forget(void)
{
	fs_proc.stealing = false;
	fs_proc.stealing_wanted = false;
	last_us = 0;
}
