#define _GNU_SOURCE
#include "stealer.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "heir.h"
#include "hub.h"
#include "libc.h"
#include "log.h"
#include "sched.h"
#include "sys/sys.h"
#include "tick.h"
#include "worker.h"

#define HEIRS_MAX FS_GROUPS_MAX

/* A pause between two ticks, unless somebody asks for a group: he waits at the start of a server. */
static void pause_us(uint32_t us)
{
	struct timespec t = { us / 1000000, us % 1000000 * 1000L };
	struct pollfd heir[HEIRS_MAX];
	unsigned group[HEIRS_MAX], n = 0;
	bool asked = false;

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
		if (heir[i].revents & POLLIN) {
			fs_heir_answer(group[i]);
			asked = true;
		}
	fs_unlock();
	/* One that the application closed with a raw system call: a pause it shall be. */
	if (!asked)
		fs_sys_nanosleep(&t);
}

/* When this thread was last active. */
static uint64_t last_us;

/* Looks after which the active thread asks itself whether others have to do something that it cannot. */
#define LOOKS_BETWEEN_DOUBTS 8
/* A thread that passed an event on stays away from the hub for so long, times the times in a row that it did. */
#define NAP_US 2000
#define NAPS_MAX 32
/* Nobody could do anything about a group: its processes are stopped, it seems. Until somebody tries again. */
#define NOBODY_MS 100

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
	fs_tick_begin(last_us ? fs_sys_now_us() - last_us : 0);
	last_us = fs_sys_now_us();
	fs_unlock();
	for (;;) {
		uint64_t now = fs_sys_now_us();
		bool elsewhere = false;

		fs_lock();
		pause = fs_tick((uint32_t)(now - last_us), first);
		if (++looks % LOOKS_BETWEEN_DOUBTS == 0)
			elsewhere = fs_tick_fired_elsewhere();
		fs_unlock();
		last_us = now;
		first = false;
		if (!pause)
			return true;
		if (elsewhere) {
			fs_lease_release();
			fs_hub_wake_later(1);
			pause_us(NAP_US);
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
		bool fired, left, armed;

		fs_lock();
		armed = fs_tick_arm();
		/* What it does not hold (any more), it cannot arm: somebody who does shall. */
		left = !holds_any() || fs_tick_fired_elsewhere();
		fs_unlock();
		fs_lease_release();
		if (!armed || left) {
			fs_hub_wake_later(left ? 1 : NOBODY_MS);
			return;
		}
		/* Who was woken between arming and release found the lease taken, and slept again. */
		fs_lock();
		fired = fs_tick_fired();
		fs_unlock();
		if (!fired) {
			fs_hub_rest();
			return;
		}
		if (!fs_lease_take())
			return;
	}
}

/*
 * An event that is not for this process, because it does not hold what fired, is left to
 * others: the watchdog wakes them one after the other, while those who had their turn stay
 * away from the hub, which wakes whoever came last. Returns how long to stay away, in
 * microseconds; 0 when the event is this thread's. Process lock held.
 */
static uint32_t leave_to_others(void)
{
	static unsigned naps;
	struct fs_region_head *head = fs_region_head();
	uint32_t left;

	if (fs_tick_fired() || !fs_tick_fired_elsewhere()) {
		atomic_store_explicit(&head->missed, 0, memory_order_relaxed);
		naps = 0;
		return 0;
	}
	left = atomic_load_explicit(&head->missed, memory_order_relaxed);
	left = left ? left - 1 : atomic_load_explicit(&head->workers_end, memory_order_relaxed) + 1;
	if (left > FS_WORKERS_MAX)
		left = FS_WORKERS_MAX;
	atomic_store_explicit(&head->missed, left, memory_order_relaxed);
	fs_hub_wake_later(left ? 1 : NOBODY_MS);
	naps += naps < NAPS_MAX;
	return NAP_US * naps;
}

/* An event for which the thread was woken, but for that of an heir. False when the thread is of no use any more. */
static bool handle(int event)
{
	uint32_t away;
	bool any;

	/* Before the event is taken: who is stopped or killed from here on is missed. */
	fs_hub_wake_later(FS_WATCHDOG_MS);
	if (event == FS_HUB_WATCHDOG)
		fs_heir_asked_before();
	fs_lock();
	if (event != FS_HUB_WATCHDOG)
		fs_hub_take((unsigned)event);
	any = holds_any();
	if (!any)
		fs_proc.stealing = fs_proc.stealing_wanted = false;
	away = any ? leave_to_others() : 0;
	fs_unlock();
	if (!any) {
		/* An old worker that only finishes what it has: the event is for others. */
		fs_hub_wake_later(1);
		return false;
	}
	if (away)
		pause_us(away);
	else if (fs_lease_take())
		be_active();
	return true;
}

/* Wherever there is room: it must run when its creator's CPU is the one that is stuck. */
static void roam(void)
{
	struct fs_cpus all = { 0 }, now;

	for (unsigned c = 0; c < fs_proc.ncores; c++)
		fs_cpus_add(&all, fs_proc.cpu[c]);
	/* Not without need: a sandbox may kill who asks for it. */
	if (fs_cpus_allowed(0, &now) == 0 && memcmp(now.bits, all.bits, sizeof(all.bits)) == 0)
		return;
	fs_sys_setaffinity(0, all.bits, sizeof(all.bits));
}

static void *stealer_main(void *unused)
{
	(void)unused;
	fs_libc.name_thread("fastsock-steal");
	roam();
	fs_lock();
	for (unsigned g = 0; g < fs_groups_end; g++)
		if (fs_groups[g].held && fs_group_own(g))
			fs_heir_listen(g);
	fs_unlock();
	for (;;) {
		int event = fs_hub_sleep();

		if (event == -EINTR)
			continue;
		if (event < 0) {
			fs_log(FS_LOG_WARN, "the stealing thread ends, because it cannot wait (%s): connections may wait for a worker"
					    " that is stuck or stopped; restart the program", fs_errtext(-event));
			return NULL;
		}
		if (event >= FS_HUB_HEIR)
			fs_heir_asked((unsigned)(event - FS_HUB_HEIR));
		else if (!handle(event))
			return NULL;
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
	fs_log(FS_LOG_WARN, "the workers of this process share the global listener, as without libfastsock: no stealing thread"
			    " can be started (%s); raise the limit of threads (ulimit -u, TasksMax=)", fs_errtext(rc));
	for (unsigned g = 0; g < fs_groups_end; g++)
		if (fs_groups[g].held && fs_group_own(g))
			fs_worker_leave_all(g);
	fs_leave(&old);
}

void fs_stealer_forget(void)
{
	fs_proc.stealing = false;
	fs_proc.stealing_wanted = false;
	fs_sched_forget();
	last_us = 0;
}
