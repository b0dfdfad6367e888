#include "policy.h"

/*
 * A core that is passed by for less than this comes back "soon": what was kept from
 * it meanwhile could as well have been stolen, at a tick each.
 */
#define SOON 16
/* The longest that steering waits before it passes by a core that keeps coming back soon, in ticks. */
#define PATIENCE_MAX 64
/*
 * To ask the scheduler costs about 5 us, so a worker that computes is asked for every
 * fourth tick. One that blocks is found at its first.
 */
#define ASK_EVERY 4
/* A queue that idle workers would have emptied by now, in ticks. */
#define LONG 4
/* How often a core that is passed by, and waits, is asked for whether it may come back, in ticks. */
#define ASK_BACK_EVERY 16
/*
 * Affinity-Accept averages over twice the queue's limit in accepts: at 511 and the 10,000
 * to 80,000 connections/s of a busy core, 13 to 100 ms. Counted in accepts, it would
 * remember a burst for minutes on a core that gets ten connections/s; so it is counted
 * in ticks: 64, of which two pass from the high mark to the low one.
 */
#define AVERAGE_TICKS 64
/* Queues longer than this are all alike: keeps the sums below 64 bits. */
#define QUEUE_MAX (1u << 20)

static uint32_t patience(const struct fs_policy_core *core)
{
	return core->patience ? core->patience : 1;
}

static uint32_t ticks_of(const struct fs_policy_sample *s)
{
	return s->ticks ? s->ticks : 1;
}

/* A core that is out, whose worker sits in its wait with nothing to wake it: flows would. */
static bool asks_back(const struct fs_policy_core *core, const struct fs_policy_sample *s)
{
	return core->out && s->waiting && !s->queue &&
	       (core->away + ticks_of(s)) / ASK_BACK_EVERY != core->away / ASK_BACK_EVERY;
}

bool fs_policy_suspects(const struct fs_policy_core *core, const struct fs_policy_sample *s, bool first)
{
	if (!s->served || s->parked || (s->moved && !first))
		return false;
	if (core->stuck && !first)
		return asks_back(core, s);
	/* A worker that was just woken is still inside its wait: no reason to ask before the second tick. */
	return s->queue && (first ? !s->waiting : core->still % ASK_EVERY == s->waiting);
}

/* Nothing is queued, or nothing is known of the time before. */
static void calm_down(struct fs_policy_core *core)
{
	core->busy = false;
	core->standing = false;
	core->average = 0;
	core->above = 0;
	core->taken = 0;
	core->calm = 0;
}

static void forget_still(struct fs_policy_core *core)
{
	core->still = 0;
	core->stuck = 0;
}

void fs_policy_back(struct fs_policy_core *core)
{
	if (core->out) {
		core->patience = core->away < SOON ? patience(core) * 2 : (patience(core) + 1) / 2;
		if (core->patience > PATIENCE_MAX)
			core->patience = PATIENCE_MAX;
		core->out = false;
		core->away = 0;
	}
	if (core->help == FS_HELP_STUCK)
		core->help = FS_HELP_NONE;
	forget_still(core);
}

/* Rounded down to 0 only by a queue that is empty: a low mark below one connection can be reached, too. */
static uint32_t average(uint32_t old, uint32_t queue)
{
	uint32_t now = queue * 256;

	if (now >= old)
		return old + (now - old) / AVERAGE_TICKS;
	return old - (old - now + AVERAGE_TICKS - 1) / AVERAGE_TICKS;
}

/*
 * By Little's law a queue is worth its length over the rate at which it is served. The
 * rate is that of the ticks in which the queue was worth too much, since it was last short.
 */
static bool stands(struct fs_policy_core *core, const struct fs_policy_sample *s, const struct fs_policy_params *p)
{
	core->above += ticks_of(s);
	core->taken += s->taken;
	if (!s->unseen && (uint64_t)s->queue * core->above <= (uint64_t)p->target * core->taken) {
		core->above = 0;
		core->taken = 0;
	}
	/* What was long ago counts less and less. */
	if (core->above >= 2 * p->window) {
		core->above /= 2;
		core->taken /= 2;
	}
	return core->above >= p->window;
}

static void judge_busy(struct fs_policy_core *core, const struct fs_policy_sample *s, const struct fs_policy_params *p)
{
	if (!s->unseen)
		core->average = average(core->average, s->queue < QUEUE_MAX ? s->queue : QUEUE_MAX);
	core->standing = stands(core, s, p);
	core->calm = core->standing ? 0 : core->calm + ticks_of(s);
	if (core->standing || (uint64_t)s->queue * 100 > (uint64_t)p->high * s->limit)
		core->busy = true;
	else if (core->calm >= p->window && (uint64_t)core->average * 100 <= (uint64_t)p->low * s->limit * 256)
		core->busy = false;
}

/* Whether the worker does not serve; how long that has to last depends on what the scheduler says. */
static bool judge_stuck(struct fs_policy_core *core, const struct fs_policy_sample *s, const struct fs_policy_params *p,
			bool first)
{
	bool sleeps = s->sched == FS_SCHED_BLOCKED || s->sched == FS_SCHED_STOPPED;

	if (first || s->moved || (!s->queue && s->waiting))
		forget_still(core);
	/* Though others emptied the queue: while the count does not move, it is the same block or stop. */
	if (!s->queue) {
		core->still = 0;
		return core->stuck > 0;
	}
	if (!first && s->moved)
		return false;
	if (core->stuck)
		return true;
	if (first && !(s->sched == FS_SCHED_STOPPED || (sleeps && !s->waiting)))
		return false;
	core->still++;
	return sleeps || core->still >= p->compute;
}

static void start_over(struct fs_policy_core *core, enum fs_help help)
{
	fs_policy_back(core);
	calm_down(core);
	core->help = help;
}

void fs_policy_judge(struct fs_policy_core *core, const struct fs_policy_sample *s, const struct fs_policy_params *p,
		     bool first)
{
	if (!s->served) {
		start_over(core, s->queue ? FS_HELP_DESERTED : FS_HELP_NONE);
		return;
	}
	if (s->parked) {
		start_over(core, FS_HELP_PARKED);
		return;
	}
	if (!p->steal) {
		/* Counted on, so that the scheduler is asked for a worker that died. */
		uint32_t still = s->queue && !s->moved ? core->still + 1 : 0;

		start_over(core, FS_HELP_NONE);
		core->still = still;
		return;
	}
	if (first)
		calm_down(core);
	judge_busy(core, s, p);

	if (core->out) {
		/*
		 * Nothing is steered to it, so nothing would ever wake a worker that waits: it has to be
		 * let back in unless it is stopped, or waits for its CPU.
		 */
		bool able = asks_back(core, s) && s->sched != FS_SCHED_STOPPED && s->sched != FS_SCHED_RUNNABLE;

		core->away += ticks_of(s);
		if ((s->moved && !first) || able)
			fs_policy_back(core);
	}
	if (core->out || judge_stuck(core, s, p, first)) {
		core->stuck += core->stuck ? ticks_of(s) : 1;
		if (!core->out && core->stuck >= patience(core))
			core->out = true;
		core->help = core->out || s->queue ? FS_HELP_STUCK : FS_HELP_NONE;
	} else {
		core->help = core->busy ? FS_HELP_BUSY : FS_HELP_NONE;
	}
}

/*
 * `any`: also one that is somewhere outside its wait. It may sleep in a wait that we do
 * not see, and be idle (an epoll instance inside another one); if not, it takes the
 * connection when it comes back.
 */
static bool is_thief(const struct fs_policy_core *core, const struct fs_policy_sample *s, bool any)
{
	return s->served && !s->parked && !s->kicked && !s->queue &&
	       (any ? !s->waiting && !s->moved : s->waiting && core->help == FS_HELP_NONE);
}

/* Cores with a queue that needs help, and how many connections wait there still. */
struct victims {
	unsigned n;
	struct {
		uint16_t core;
		uint32_t left;
	} at[FS_CORES_MAX];
};

static void find_victims(struct victims *v, const struct fs_policy_core *cores, const struct fs_policy_sample *samples,
			 unsigned n, unsigned from)
{
	v->n = 0;
	for (unsigned i = 0; i < n; i++) {
		unsigned c = from + i < n ? from + i : from + i - n;

		if (cores[c].help == FS_HELP_NONE || !samples[c].queue)
			continue;
		v->at[v->n].core = (uint16_t)c;
		v->at[v->n++].left = samples[c].queue;
	}
}

/* What is left of the victims of old, who wait for longer than a thief needs. */
static void keep_patient(struct victims *v, const struct fs_policy_core *cores)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < v->n; i++)
		if (cores[v->at[i].core].help >= FS_HELP_PARKED || cores[v->at[i].core].stuck >= LONG)
			v->at[kept++] = v->at[i];
	v->n = kept;
}

static unsigned pair_up(struct victims *v, const struct fs_policy_core *cores, const struct fs_policy_sample *samples,
			unsigned n, bool any, unsigned *turn, struct fs_policy_pair *pairs, unsigned npairs, unsigned max)
{
	unsigned looked = 0, thief;

	/*
	 * Behind the first victim: numbers near each other are mostly CPUs near each other, and
	 * thieves take turns, too.
	 */
	thief = v->n ? v->at[0].core : 0;
	while (v->n) {
		unsigned rest = 0;

		/* A thief for each victim; those with more in their queues stay for the next round. */
		for (unsigned i = 0; i < v->n; i++) {
			if (npairs == max)
				return npairs;
			do {
				thief = thief + 1 < n ? thief + 1 : 0;
			} while (++looked < n && !is_thief(&cores[thief], &samples[thief], any));
			if (looked >= n) {
				/* Those before this one have had theirs. */
				for (; i < v->n; i++)
					v->at[rest++] = v->at[i];
				v->n = rest;
				return npairs;
			}
			pairs[npairs++] = (struct fs_policy_pair){ (uint16_t)thief, v->at[i].core };
			*turn = (v->at[i].core + 1u) % n;
			if (--v->at[i].left)
				v->at[rest++] = v->at[i];
		}
		v->n = rest;
	}
	return npairs;
}

unsigned fs_policy_match(const struct fs_policy_core *cores, const struct fs_policy_sample *samples, unsigned n,
			 unsigned *turn, struct fs_policy_pair *pairs, unsigned max)
{
	struct victims v;
	unsigned npairs;

	if (n > FS_CORES_MAX)
		n = FS_CORES_MAX;
	if (!n)
		return 0;
	find_victims(&v, cores, samples, n, *turn % n);
	npairs = pair_up(&v, cores, samples, n, false, turn, pairs, 0, max);
	if (npairs)
		return npairs;
	keep_patient(&v, cores);
	return pair_up(&v, cores, samples, n, true, turn, pairs, npairs, max);
}
