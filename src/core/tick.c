#define _GNU_SOURCE
#include "tick.h"

#include <string.h>

#include "balancing.h"
#include "help.h"
#include "hub.h"
#include "log.h"
#include "sched.h"
#include "steal.h"
#include "steering.h"
#include "worker.h"
#include "worker_rec.h"

/* Cores up to which every queue is looked at in every tick (215 ns each). With more, quick ones have their turn. */
#define CORES_EACH_TICK 16
#define TURNS 4
/* Between two changes of steering for stuck cores there is a tick for each so many cores. */
#define CORES_PER_TICK 16
/* After so many ticks in vain the pause grows by one, up to the longest. */
#define VAIN_TICKS 128
#define VAIN_PAUSE_MAX 16
/* While nothing is queued, but a core is passed by. */
#define OUT_PAUSE 8

/* The thread's own memory. Large and rarely used: pages that are not touched do not exist. */
static struct fs_policy_core cores[FS_GROUPS_MAX][FS_CORES_MAX];
static uint64_t taken_before[FS_GROUPS_MAX][FS_CORES_MAX];
static struct fs_policy_sample samples[FS_CORES_MAX];
static struct fs_policy_pair pairs[FS_CORES_MAX];
static uint32_t beat_before[FS_WORKERS_MAX];
static uint32_t beat_now[FS_WORKERS_MAX];
/* The worker of each core whose scheduler state tells whether the core is stuck: one that waits, if any does. */
static uint16_t speaker[FS_CORES_MAX];
static unsigned turn[FS_GROUPS_MAX];
static uint32_t ticks;
static uint32_t steered_at[FS_GROUPS_MAX]; /* tick of the last change for stuck cores */
static uint32_t since_us; /* time since the last look */
static bool someone_died;
static uint32_t vain; /* ticks in a row that changed nothing, although something is queued */
static uint32_t accepts; /* from all queues, since the last look */
static bool someone_out;
static bool acted;    /* in this tick: somebody was woken, or moved by himself */
static bool urgent;   /* ... something is queued whose worker did not move, or that others are to take */

static struct fs_policy_params params(void)
{
	const struct fs_options *o = &fs_proc.options;
	struct fs_policy_params p = {
		.high = o->steal_high,
		.low = o->steal_low,
		.target = o->steal_target * 1000 / o->steal_tick,
		.window = o->steal_window * 1000 / o->steal_tick,
		.compute = o->steal_compute * 1000 / o->steal_tick,
		.steal = o->steal,
	};

	/* A time shorter than a tick is a tick. */
	p.target += !p.target;
	p.window += !p.window;
	p.compute += !p.compute;
	return p;
}

static bool handled(unsigned group)
{
	return fs_groups[group].held && fs_group_own(group) && fs_group_state(group) == FS_GROUP_ACTIVE;
}

static bool listening(unsigned group, unsigned core)
{
	return fs_groups[group].local[core] > 0 &&
	       atomic_load_explicit(&fs_core_rec(group, core)->member, memory_order_relaxed) != 0;
}

/* ---- what is there ---- */

static void read_workers(void)
{
	for (unsigned s = 0, end = fs_workers_end(); s < end; s++) {
		beat_before[s] = beat_now[s];
		beat_now[s] = atomic_load_explicit(&fs_worker_rec(s)->beat, memory_order_relaxed);
	}
}

static void sample_workers(unsigned group)
{
	memset(samples, 0, fs_proc.ncores * sizeof(samples[0]));
	for (unsigned s = 0, end = fs_workers_end(); s < end; s++) {
		struct fs_worker_rec *w = fs_worker_rec(s);
		uint32_t c = atomic_load_explicit(&w->core, memory_order_relaxed);
		struct fs_policy_sample *m = &samples[c < fs_proc.ncores ? c : 0];
		bool parked, waiting;

		if (c >= fs_proc.ncores || !fs_worker_rec_live(s) || !fs_rec_has(w->serving, group))
			continue;
		parked = fs_rec_has(w->parked, group);
		waiting = !parked && beat_now[s] % 2 == 0;
		if (!m->served || (waiting && !m->waiting))
			speaker[c] = (uint16_t)s;
		m->parked = parked && (!m->served || m->parked);
		m->served = true;
		m->waiting |= waiting;
		m->moved |= !parked && beat_now[s] != beat_before[s];
	}
}

/* A core whose worker is quick is looked at every few ticks, if there are many. */
static bool due(unsigned core)
{
	return fs_proc.ncores <= CORES_EACH_TICK || !samples[core].moved || (ticks + core) % TURNS == 0;
}

static bool sample_queue(unsigned group, unsigned core, bool first)
{
	struct fs_core_rec *rec = fs_core_rec(group, core);
	struct fs_policy_sample *s = &samples[core];
	struct fs_worker_rec *w = fs_worker_rec(speaker[core]);
	uint64_t taken;
	int queue = 0;

	s->unseen = !due(core);
	/* What is armed has seen nothing since. */
	if (!s->unseen && fs_hub_fired(group, core))
		queue = fs_sockopt_queue(fs_groups[group].local[core]);
	s->queue = queue > 0 ? (uint32_t)queue : 0;
	s->limit = atomic_load_explicit(&fs_group_rec(group)->backlog, memory_order_relaxed);
	taken = atomic_load_explicit(&rec->accepted_local, memory_order_relaxed) +
		atomic_load_explicit(&rec->given, memory_order_relaxed);
	s->taken = first ? 0 : (uint32_t)(taken - taken_before[group][core]);
	accepts += s->taken;
	s->ticks = (since_us + fs_proc.options.steal_tick / 2) / fs_proc.options.steal_tick;
	taken_before[group][core] = taken;
	s->kicked = atomic_load_explicit(&rec->kick, memory_order_relaxed) != 0;
	/* Woken, and still asleep: its eventfd was emptied for another group. */
	if (s->kicked && s->waiting && !s->moved && !first)
		fs_hub_kick(core);
	if (fs_policy_suspects(&cores[group][core], s, first)) {
		s->sched = fs_sched_of(atomic_load_explicit(&w->pid, memory_order_relaxed),
				       atomic_load_explicit(&w->tid, memory_order_relaxed));
		/* A quick one is back in its wait by now, and asleep there: that says nothing. */
		if (atomic_load_explicit(&w->beat, memory_order_relaxed) != beat_now[speaker[core]]) {
			s->sched = FS_SCHED_RUNNABLE;
			s->moved = true;
		}
		/* The kernel does not know it: it died, unless /proc is not to be read. */
		if (s->sched == FS_SCHED_UNKNOWN && !fs_worker_alive(speaker[core]))
			someone_died = true;
	}
	urgent |= s->queue && !s->moved;
	return s->queue > 0;
}

/* ---- what is to be done ---- */

/* Those of its workers that serve the group hear of it at their next wait. */
static void tell_out(unsigned group, unsigned core)
{
	for (unsigned s = 0, end = fs_workers_end(); s < end; s++) {
		struct fs_worker_rec *w = fs_worker_rec(s);

		if (fs_worker_rec_live(s) && atomic_load_explicit(&w->core, memory_order_relaxed) == core &&
		    fs_rec_has(w->serving, group))
			atomic_fetch_or_explicit(&w->flags, FS_WORKER_OUT, memory_order_relaxed);
	}
}

/* Steering passes by who is out. When somebody else has the tree lock, at the next tick. */
static void pass_by(unsigned group)
{
	bool changed = false;

	/* Compiled for hundreds of cores, the program costs 20 to 70 us, so it changes less often there. */
	if (ticks - steered_at[group] < fs_proc.ncores / CORES_PER_TICK || fs_tree_trylock() < 0)
		return;
	steered_at[group] = ticks;
	for (unsigned c = 0; c < fs_proc.ncores; c++) {
		struct fs_core_rec *rec = fs_core_rec(group, c);
		bool out = cores[group][c].out;

		if (out == !!atomic_load_explicit(&rec->out, memory_order_relaxed))
			continue;
		atomic_store_explicit(&rec->out, out, memory_order_relaxed);
		if (out)
			tell_out(group, c);
		changed = true;
	}
	if (changed)
		fs_steering_apply(group);
	fs_tree_unlock();
}

static void bury(void)
{
	if (fs_tree_trylock() < 0)
		return;
	fs_worker_reap();
	fs_tree_unlock();
}

static void judge(unsigned group, const struct fs_policy_params *p, bool first)
{
	bool steer = false;

	for (unsigned c = 0; c < fs_proc.ncores; c++) {
		struct fs_core_rec *rec = fs_core_rec(group, c);
		struct fs_policy_core *core = &cores[group][c];
		enum fs_help was;

		if (!listening(group, c))
			continue;
		/* Its worker put itself back. */
		if (core->out && !atomic_load_explicit(&rec->out, memory_order_relaxed))
			fs_policy_back(core);
		was = core->help;
		fs_policy_judge(core, &samples[c], p, first);
		/* Its own workers park and unpark at the same time: what they say is newer. */
		if (core->help != was)
			fs_help_change(group, c, was, core->help);
		core->help = fs_help_of(group, c);
		steer |= core->out != !!atomic_load_explicit(&rec->out, memory_order_relaxed);
		urgent |= samples[c].queue && core->help != FS_HELP_NONE;
		someone_out |= core->out || core->out != !!atomic_load_explicit(&rec->out, memory_order_relaxed);
		fs_balancing_note(c, samples[c].served && !samples[c].parked, core->out, core->standing, samples[c].queue > 0,
				  samples[c].taken);
	}
	if (steer)
		pass_by(group);
}

static void tell_kicked(unsigned core)
{
	for (unsigned s = 0, end = fs_workers_end(); s < end; s++)
		if (fs_worker_rec_live(s) && atomic_load_explicit(&fs_worker_rec(s)->core, memory_order_relaxed) == core)
			atomic_fetch_or_explicit(&fs_worker_rec(s)->flags, FS_WORKER_KICKED, memory_order_relaxed);
}

static void match(unsigned group)
{
	unsigned n = fs_policy_match(cores[group], samples, fs_proc.ncores, &turn[group], pairs, FS_COUNT(pairs));

	acted |= n > 0;
	for (unsigned i = 0; i < n; i++) {
		/* In this order: a worker that finds its eventfd full knows that it is to empty it. */
		tell_kicked(pairs[i].thief);
		fs_steal_kick(group, pairs[i].thief, pairs[i].victim);
	}
}

/* Connections that were taken from all queues since the last look, in 1/16 per millisecond. */
static uint32_t accepts_per_ms(uint32_t elapsed_us)
{
	return (uint32_t)((uint64_t)accepts * 16000 / ((uint64_t)elapsed_us + 1));
}

static bool some_worker_moved(void)
{
	for (unsigned s = 0, end = fs_workers_end(); s < end; s++)
		if (fs_worker_rec_live(s) && beat_now[s] != beat_before[s])
			return true;
	return false;
}

static uint32_t pause_after(uint32_t elapsed_us, bool queued)
{
	uint32_t rate = accepts_per_ms(elapsed_us);

	acted |= some_worker_moved();
	vain = acted || !queued ? 0 : vain + 1;
	/* A queue that nobody can take from, because all are stuck: less and less often. */
	if (vain >= VAIN_TICKS)
		return vain >= VAIN_TICKS * VAIN_PAUSE_MAX ? VAIN_PAUSE_MAX : vain / VAIN_TICKS + 1;
	if (urgent)
		return 1;
	if (rate >= 16 * 16)
		return 8;
	if (rate >= 4 * 16)
		return 4;
	if (rate >= 16)
		return 2;
	/* Whoever is passed by may wait where nothing wakes him: it is asked about (policy.c). */
	return queued ? 1 : someone_out ? OUT_PAUSE : 0;
}

uint32_t fs_tick(uint32_t elapsed_us, bool first)
{
	const struct fs_policy_params p = params();
	bool queued = false;

	ticks++;
	acted = false;
	accepts = 0;
	someone_out = false;
	urgent = first;
	since_us = elapsed_us;
	read_workers();
	for (unsigned g = 0; g < fs_groups_end; g++) {
		bool here = false;

		if (!handled(g))
			continue;
		sample_workers(g);
		for (unsigned c = 0; c < fs_proc.ncores; c++)
			if (listening(g, c))
				here |= sample_queue(g, c, first);
		judge(g, &p, first);
		if (here)
			match(g);
		queued |= here;
	}
	if (someone_died) {
		someone_died = false;
		bury();
	}
	if (!first)
		fs_balancing_tick(elapsed_us, beat_now);
	return pause_after(elapsed_us, queued);
}

/* ---- sleeping ---- */

void fs_tick_begin(uint64_t slept_us)
{
	fs_balancing_begin(slept_us);
	fs_hub_retake();
	for (unsigned s = 0, end = fs_workers_end(); s < end; s++)
		beat_now[s] = atomic_load_explicit(&fs_worker_rec(s)->beat, memory_order_relaxed);
	for (unsigned g = 0; g < fs_groups_end; g++) {
		for (unsigned c = 0; handled(g) && c < fs_proc.ncores; c++) {
			struct fs_policy_core *core = &cores[g][c];
			uint32_t patience = core->patience;

			*core = (struct fs_policy_core){ .patience = patience };
			core->help = fs_help_of(g, c);
			core->out = atomic_load_explicit(&fs_core_rec(g, c)->out, memory_order_relaxed) != 0;
		}
	}
}

static bool to_arm(unsigned group, unsigned core)
{
	return listening(group, core) && fs_hub_fired(group, core);
}

bool fs_tick_arm(void)
{
	bool ok = true;

	for (unsigned g = 0; g < fs_groups_end; g++)
		for (unsigned c = 0; handled(g) && c < fs_proc.ncores; c++)
			if (to_arm(g, c))
				ok &= fs_hub_arm(g, c, fs_groups[g].local[c]) == 0;
	return ok;
}

bool fs_tick_fired(void)
{
	for (unsigned g = 0; g < fs_groups_end; g++)
		for (unsigned c = 0; handled(g) && c < fs_proc.ncores; c++)
			if (to_arm(g, c))
				return true;
	return false;
}

/* The kernel is asked last: a group that nobody holds any more is nobody's business. */
static bool fired_elsewhere(unsigned group)
{
	if (fs_groups[group].held || !fs_group_own(group) || fs_group_state(group) != FS_GROUP_ACTIVE)
		return false;
	for (unsigned c = 0; c < fs_proc.ncores; c++)
		if (atomic_load_explicit(&fs_core_rec(group, c)->member, memory_order_relaxed) && fs_hub_fired(group, c))
			return fs_group_claimed(group);
	return false;
}

bool fs_tick_fired_elsewhere(void)
{
	uint32_t end = atomic_load_explicit(&fs_region_head()->groups_end, memory_order_relaxed);

	for (unsigned g = 0; g < end && g < FS_GROUPS_MAX; g++)
		if (fired_elsewhere(g))
			return true;
	return false;
}
