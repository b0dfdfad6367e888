#define _GNU_SOURCE
#include "balancing.h"

#include <string.h>

#include "balance.h"
#include "log.h"
#include "sched.h"
#include "steer.h"
#include "steering.h"
#include "worker_rec.h"

/* Of Affinity-Accept, too: load is looked at every 100 ms. */
#define LOAD_PERIOD_US 100000
/* Periods that are made up for after the thread slept: enough for all that moved to come home. */
#define QUIET_PERIODS_MAX 32

/*
 * A worker that waits for its CPU so much of the time that it could run, in 1/1000,
 * shares it with too much else; a third is what one thread as busy as itself makes. Below
 * the second value its CPU has room again.
 */
#define PRESSED 250
#define PRESSED_STILL 100
/* It has to be more than a little work, and others must have less to do. */
#define PRESSED_BUSY 200
#define PRESSED_APART 150
/* What is away stays away: between "has room" and "overloaded" (balance.c). */
#define HOLD 700
/* Less busy than this, who took groups would not miss them. */
#define LIGHT 250

/* The thread's own memory; the shares that are in force are in the region. */
static struct fs_balance balance;
static struct fs_balance_load loads[FS_CORES_MAX];
static uint64_t running_us[FS_CORES_MAX]; /* in this period: its worker ran, or a connection waited */
static bool waiting[FS_CORES_MAX];        /* ... in this tick */
static uint64_t load_us;
static uint32_t period;
static uint32_t asked_before[FS_WORKERS_MAX]; /* period in which a worker's times were last read */

void fs_balancing_note(unsigned core, bool able, bool out, bool standing, bool queued, uint32_t taken)
{
	loads[core].out |= out;
	waiting[core] |= queued;
	loads[core].able |= able;
	loads[core].standing |= standing;
	loads[core].accepted += taken;
}

/*
 * Of a core that gave nearly all away, nothing can be measured any more. It gets its
 * groups back when those who have them have little to do.
 */
static void hold_what_is_away(void)
{
	uint32_t most = 0;

	for (unsigned c = 0; c < fs_proc.ncores; c++)
		if (balance.share[c].gain && loads[c].busy > most)
			most = loads[c].busy;
	for (unsigned c = 0; c < fs_proc.ncores; c++)
		if (balance.by_load[c] > FS_FLOW_GROUPS / 2 && most > LIGHT && loads[c].busy < HOLD)
			loads[c].busy = HOLD;
}

/*
 * Cores whose CPU is the bottleneck, although their worker runs for a part of the time
 * only, because others run there: interrupts of the one RX queue, the clients. Such a
 * worker waits for its CPU again and again. It is measured against what it runs
 * itself, so that it shows at any load; and asked only where others have more room, so
 * never on an even load.
 */
static void add_pressure(void)
{
	static uint64_t ran_before[FS_WORKERS_MAX], waited_before[FS_WORKERS_MAX];
	uint32_t least = 1000;

	for (unsigned c = 0; c < fs_proc.ncores; c++)
		if (loads[c].able && !loads[c].out && loads[c].busy < least)
			least = loads[c].busy;
	for (unsigned s = 0, end = fs_workers_end(); s < end; s++) {
		struct fs_worker_rec *w = fs_worker_rec(s);
		uint32_t c = atomic_load_explicit(&w->core, memory_order_relaxed);
		uint64_t ran, waited, r, d;

		if (!fs_worker_rec_live(s) || c >= fs_proc.ncores || (loads[c].busy < least + PRESSED_APART && !balance.by_load[c] && !balance.share[c].gain))
			continue;
		if (!fs_sched_times(atomic_load_explicit(&w->pid, memory_order_relaxed),
				    atomic_load_explicit(&w->tid, memory_order_relaxed), &ran, &waited))
			continue;
		r = (ran - ran_before[s]) / 1000;
		d = (waited - waited_before[s]) / 1000;
		/* Asked for the first time in a while: nothing is known of this period. */
		if (ran_before[s] && asked_before[s] == period - 1 && r + d > 0) {
			uint64_t share = d * 1000 / (r + d);
			/* Once it gives, to the end: what it keeps shows less and less. */
			uint64_t enough = balance.by_load[c] ? PRESSED_BUSY / 10 : PRESSED_BUSY;

			if (share >= PRESSED && (r + d) * 1000 / load_us >= enough)
				loads[c].busy = 1000;
			else if (share >= PRESSED_STILL && balance.by_load[c] && loads[c].busy < HOLD)
				loads[c].busy = HOLD;
			else if (balance.share[c].gain && (r + d) * 1000 / load_us < loads[c].busy)
				loads[c].busy = (uint32_t)((r + d) * 1000 / load_us); /* exact, where a sample is not */
		}
		ran_before[s] = ran;
		waited_before[s] = waited;
		asked_before[s] = period;
	}
}

static void publish(void)
{
	if (fs_tree_trylock() < 0)
		return;
	for (unsigned c = 0; c < fs_proc.ncores; c++) {
		struct fs_core_load *l = fs_core_load(c);
		const struct fs_share *s = &balance.share[c];
		uint32_t away = atomic_load_explicit(&l->away, memory_order_relaxed);
		uint32_t gain = atomic_load_explicit(&l->gain, memory_order_relaxed);

		if (s->away > away)
			atomic_fetch_add_explicit(&l->groups_out, s->away - away, memory_order_relaxed);
		if (s->gain > gain)
			atomic_fetch_add_explicit(&l->groups_in, s->gain - gain, memory_order_relaxed);
		atomic_store_explicit(&l->away, s->away, memory_order_relaxed);
		atomic_store_explicit(&l->gain, s->gain, memory_order_relaxed);
	}
	for (unsigned g = 0; g < fs_groups_end; g++)
		if (fs_groups[g].held && fs_group_own(g) && fs_group_state(g) == FS_GROUP_ACTIVE)
			fs_steering_apply(g);
	fs_tree_unlock();
}

static void count_open(void)
{
	for (unsigned c = 0; c < fs_proc.ncores; c++)
		loads[c].open = 0;
	for (unsigned s = 0, end = fs_workers_end(); s < end; s++) {
		uint32_t c = atomic_load_explicit(&fs_worker_rec(s)->core, memory_order_relaxed);
		uint32_t open = atomic_load_explicit(&fs_worker_rec(s)->open, memory_order_relaxed);

		/* Below 0 for a moment, when one thread accepts and another one closes. */
		if (fs_worker_rec_live(s) && c < fs_proc.ncores && open < UINT32_MAX / 2)
			loads[c].open += open;
	}
}

void fs_balancing_tick(uint32_t elapsed_us, const uint32_t *beat)
{
	bool changed = false;

	for (unsigned s = 0, end = fs_workers_end(); s < end; s++) {
		uint32_t c = atomic_load_explicit(&fs_worker_rec(s)->core, memory_order_relaxed);

		/* Who serves nothing (any more) is nobody's load. */
		if (beat[s] % 2 == 0 || c >= fs_proc.ncores || !fs_worker_rec_live(s) || fs_rec_empty(fs_worker_rec(s)->serving))
			continue;
		waiting[c] = true;
		atomic_fetch_add_explicit(&fs_core_load(c)->busy_us, elapsed_us, memory_order_relaxed);
	}
	for (unsigned c = 0; c < fs_proc.ncores; c++) {
		running_us[c] += waiting[c] ? elapsed_us : 0;
		waiting[c] = false;
	}
	load_us += elapsed_us;
	if (!fs_proc.options.balance)
		return;
	/* At every look: ten thousand connections may arrive in half a second, and stay. */
	count_open();
	changed = fs_balance_open(&balance, loads, fs_proc.ncores);
	if (load_us >= LOAD_PERIOD_US) {
		for (unsigned c = 0; c < fs_proc.ncores; c++) {
			uint64_t busy = running_us[c] * 1000 / load_us;

			/* More workers than one may share a core. */
			loads[c].busy = busy > 1000 ? 1000 : (uint32_t)busy;
		}
		period++;
		add_pressure();
		hold_what_is_away();
		changed |= fs_balance_load(&balance, loads, fs_proc.ncores);
		load_us = 0;
		memset(running_us, 0, sizeof(running_us));
		memset(loads, 0, sizeof(loads));
	}
	if (changed)
		publish();
}

static uint16_t clamped(const _Atomic uint32_t *groups)
{
	uint32_t n = atomic_load_explicit(groups, memory_order_relaxed);

	return (uint16_t)(n > FS_FLOW_GROUPS ? FS_FLOW_GROUPS : n);
}

/* Another process's thread may have been active meanwhile: what is in force counts. */
static bool read_shares(void)
{
	bool away = false;

	for (unsigned c = 0; c < fs_proc.ncores; c++) {
		struct fs_share now = {
			.away = clamped(&fs_core_load(c)->away),
			.gain = clamped(&fs_core_load(c)->gain),
		};

		away |= now.away || now.gain;
		if (now.away == balance.told[c].away && now.gain == balance.told[c].gain)
			continue;
		balance.share[c] = now;
		balance.told[c] = now;
		balance.by_load[c] = now.away;
		balance.by_open[c] = 0;
	}
	return away;
}

void fs_balancing_begin(uint64_t slept_us)
{
	bool changed = false;

	load_us += slept_us;
	if (!read_shares() || load_us < 2 * LOAD_PERIOD_US)
		return;
	memset(loads, 0, sizeof(loads));
	for (unsigned c = 0; c < fs_proc.ncores; c++)
		loads[c].able = fs_workers_on(c) > 0;
	count_open();
	for (unsigned i = 0; load_us >= LOAD_PERIOD_US && i < QUIET_PERIODS_MAX; i++, load_us -= LOAD_PERIOD_US)
		changed |= fs_balance_load(&balance, loads, fs_proc.ncores);
	load_us = 0;
	memset(loads, 0, sizeof(loads));
	memset(running_us, 0, sizeof(running_us));
	if (changed)
		publish();
}
