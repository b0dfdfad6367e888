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

/* Groups whose heir socket is looked at during a pause; others wait until the thread sleeps. */
#define HEIRS_MAX 16

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

/* Ticks until nothing is queued, or somebody else has the lease. True in the first case. */
static bool tick_until_quiet(void)
{
	uint32_t pause;
	bool first = true;

	fs_lock();
	fs_tick_begin(last_us ? now_us() - last_us : 0);
	last_us = now_us();
	fs_unlock();
	for (;;) {
		uint64_t now = now_us();

		fs_lock();
		pause = fs_tick((uint32_t)(now - last_us), first);
		fs_unlock();
		last_us = now;
		first = false;
		if (!pause)
			return true;
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
		bool fired;

		fs_lock();
		fs_tick_arm();
		fs_unlock();
		fs_lease_release();
		/* Who was woken between arming and release found the lease taken, and slept again. */
		fs_lock();
		fired = fs_tick_fired();
		fs_unlock();
		if (!fired || !fs_lease_take(false))
			return;
	}
}

/*
 * A connection for a group that this process does not hold, because the group is
 * younger or older than it: the watchdog wakes the others one after the other until one
 * has armed it again. Twice as often as there are workers is often enough.
 */
static void pass_on(unsigned group)
{
	uint32_t none = 0;
	bool held;

	fs_lock();
	held = group == FS_GROUPS_MAX || fs_groups[group].held;
	fs_unlock();
	if (!held)
		atomic_compare_exchange_strong_explicit(&fs_region_head()->missed, &none,
							2 * atomic_load_explicit(&fs_region_head()->workers_end, memory_order_relaxed),
							memory_order_relaxed, memory_order_relaxed);
}

static void again_if_missed(void)
{
	uint32_t missed = atomic_load_explicit(&fs_region_head()->missed, memory_order_relaxed);

	if (!missed)
		return;
	atomic_compare_exchange_strong_explicit(&fs_region_head()->missed, &missed, missed - 1, memory_order_relaxed,
						memory_order_relaxed);
	fs_hub_wake_later(1);
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

		if (group == -EINTR)
			continue;
		if (group < 0) {
			fs_log(FS_LOG_WARN, "the stealing thread ends: it cannot sleep (%s)", fs_errname(-group));
			return NULL;
		}
		if (group >= FS_HUB_HEIR) {
			fs_lock();
			fs_heir_answer((unsigned)group - FS_HUB_HEIR);
			fs_unlock();
			continue;
		}
		pass_on((unsigned)group);
		if (fs_lease_take(group == FS_GROUPS_MAX))
			be_active();
		again_if_missed();
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
