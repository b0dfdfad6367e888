/* The simulated stealing thread: what it sees at each tick, and what becomes of the library's answers. */
#include <string.h>

#include "world.h"

#define LOAD_PERIOD_US 100000
/* After a sleep, as many quiet periods as everything needs to come home. */
#define QUIET_PERIODS_MAX 32

void sim_steer(struct sim_world *w)
{
	static struct fs_topology topo;
	static struct fs_steer_target targets[FS_CORES_MAX];
	unsigned n = 0;

	topo.ncpus = w->options->ncores;
	for (unsigned pass = 0; pass < 2 && !n; pass++) {
		for (unsigned c = 0; c < w->options->ncores; c++) {
			topo.possible[c] = 1;
			/* When all are out, it is as good to wait for one as for another. */
			if (!w->core[c].buried && (pass || !w->core[c].policy.out))
				targets[n++] = (struct fs_steer_target){ (uint16_t)c, (uint16_t)c, w->balance.share[c].away,
									 w->balance.share[c].gain };
		}
	}
	fs_steer_plan(&w->table, &topo, targets, n, n ? targets[0].listener : 0, false);
	w->result.steered++;
}

static enum fs_sched sched_of(const struct sim_core *core)
{
	if (core->state == SIM_DEAD)
		return FS_SCHED_UNKNOWN;
	if (core->stopped)
		return FS_SCHED_STOPPED;
	return core->state == SIM_COMPUTES || core->state == SIM_WAKES ? FS_SCHED_RUNNABLE : FS_SCHED_BLOCKED;
}

static void look(struct sim_world *w, unsigned c)
{
	struct sim_core *core = &w->core[c];
	struct fs_policy_sample *s = &w->sample[c];

	*s = (struct fs_policy_sample){
		.queue = core->queued,
		/* Without the standing queue in the way, there are only the marks. */
		.limit = SIM_QUEUE_LIMIT,
		.taken = w->options->sojourn ? core->taken : UINT32_MAX / 1024,
		.served = !core->buried,
		.waiting = core->state == SIM_WAITS || core->state == SIM_WAKES,
		.moved = core->beat != core->beat_before,
		.kicked = core->kick != 0,
	};
	core->taken = 0;
	core->beat_before = core->beat;
	if (fs_policy_suspects(&core->policy, s, w->first)) {
		s->sched = sched_of(core);
		w->result.asked++;
	}
}

/* Returns whether steering has to change. */
static bool judge(struct sim_world *w, unsigned c)
{
	struct sim_core *core = &w->core[c];
	bool out = core->policy.out, needed = core->policy.help != FS_HELP_NONE;
	bool died = core->state == SIM_DEAD && !core->buried && w->sample[c].queue && !w->sample[c].moved;

	fs_policy_judge(&core->policy, &w->sample[c], &w->params, w->first);
	w->helpless += (core->policy.help != FS_HELP_NONE) - needed;
	/* Found by the next tick; what it does not serve is deserted from then on. */
	core->buried |= died;
	return out != core->policy.out || died;
}

static uint64_t away(const struct sim_world *w)
{
	uint64_t sum = 0;

	for (unsigned c = 0; c < w->options->ncores; c++)
		sum += w->balance.share[c].away;
	return sum;
}

static void count_moves(struct sim_world *w, uint64_t before)
{
	uint64_t now = away(w);

	if (now > before)
		w->result.groups_moved += now - before;
	if (before && !now)
		w->result.home_at = w->now;
	w->result.groups_away = now;
}

/* Returns whether steering has to change. */
static bool balance(struct sim_world *w, uint64_t elapsed)
{
	struct fs_balance_load *loads = w->load;
	uint64_t before = away(w), period = w->now - w->load_at;
	bool changed;

	for (unsigned c = 0; c < w->options->ncores; c++) {
		struct sim_core *core = &w->core[c];
		bool runs = core->state == SIM_COMPUTES || core->state == SIM_SLEEPS;

		core->running_us += runs && !core->policy.out ? elapsed : 0;
		loads[c].able = !core->buried;
		loads[c].out |= core->policy.out;
		loads[c].standing |= core->policy.standing;
		loads[c].open = core->open;
	}
	changed = fs_balance_open(&w->balance, loads, w->options->ncores);
	if (period >= LOAD_PERIOD_US) {
		for (unsigned c = 0; c < w->options->ncores; c++) {
			struct sim_core *core = &w->core[c];

			loads[c].busy = (uint32_t)(core->running_us * 1000 / period);
			loads[c].accepted = core->steered;
			core->running_us = 0;
			core->steered = 0;
		}
		changed |= fs_balance_load(&w->balance, loads, w->options->ncores);
		for (uint64_t i = 1; i < period / LOAD_PERIOD_US && i < QUIET_PERIODS_MAX; i++) {
			for (unsigned c = 0; c < w->options->ncores; c++)
				loads[c].busy = 0;
			changed |= fs_balance_load(&w->balance, loads, w->options->ncores);
		}
		memset(w->load, 0, sizeof(w->load));
		w->load_at = w->now;
	}
	count_moves(w, before);
	return changed;
}

static void kick_thieves(struct sim_world *w)
{
	static struct fs_policy_core cores[FS_CORES_MAX];
	static struct fs_policy_pair pairs[FS_CORES_MAX];
	unsigned n;

	for (unsigned c = 0; c < w->options->ncores; c++)
		cores[c] = w->core[c].policy;
	n = fs_policy_match(cores, w->sample, w->options->ncores, &w->turn, pairs, FS_CORES_MAX);
	for (unsigned i = 0; i < n; i++) {
		w->core[pairs[i].thief].kick = pairs[i].victim + 1u;
		w->result.kicks++;
		sim_wake(w, pairs[i].thief);
	}
}

void sim_tick(struct sim_world *w)
{
	bool any = false, steer = false;

	w->result.ticks++;
	for (unsigned c = 0; c < w->options->ncores; c++) {
		look(w, c);
		any |= w->core[c].queued > 0;
	}
	for (unsigned c = 0; c < w->options->ncores; c++) {
		steer |= judge(w, c);
		any |= w->core[c].policy.out;
	}
	if (w->options->balance)
		steer |= balance(w, w->first ? 0 : w->now - w->tick_before);
	if (steer)
		sim_steer(w);
	if (w->helpless)
		kick_thieves(w);
	/* One that was just woken has seen nothing yet. */
	w->awake = any || w->first;
	w->first = false;
	w->tick_before = w->now;
	w->tick_at = w->now + SIM_TICK_US;
}
