/*
 * The simulated machine: cores with a queue and a worker each, and the stealing thread,
 * which asks the library's own policy, balance and steering plan. Time is microseconds;
 * there is no system call and no clock in it.
 *
 * A worker waits, is woken (which takes a while), takes a connection from its own queue,
 * serves it, and waits again; before it waits it looks for cores that need help. The
 * thread sleeps while nothing is queued.
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "core/balance.h"
#include "core/policy.h"
#include "core/steer.h"
#include "trace.h"

/* From the wake-up to the first instruction of a thread that slept, us: measured, 10 to 50. */
#define SIM_WAKE_US 30
#define SIM_TICK_US 1000
#define SIM_QUEUE_LIMIT 511
/* The defaults of FASTSOCK_STEAL_TARGET, _WINDOW and _COMPUTE, in ticks. */
#define SIM_TARGET 5
#define SIM_WINDOW 20
#define SIM_COMPUTE 8
/* Histogram of waiting times: 16 steps to a doubling. */
#define SIM_STEPS 16
#define SIM_BUCKETS (40 * SIM_STEPS)

struct sim_options {
	unsigned ncores;
	uint32_t target, window; /* ticks; 0: the defaults */
	bool thread;      /* with a stealing thread; else as without the feature */
	bool sojourn;     /* false: Affinity-Accept's marks alone, no standing queue */
	bool balance;
	const char *plot; /* write queues and loads over time there, or NULL */
};

enum sim_state { SIM_WAITS, SIM_WAKES, SIM_COMPUTES, SIM_SLEEPS, SIM_DEAD };

struct sim_core {
	/* The worker. */
	enum sim_state state;
	bool stopped;      /* by a signal */
	bool due;          /* something was to happen while it was stopped */
	bool buried;       /* dead, and somebody noticed */
	bool idle;         /* waits, with nothing to do */
	uint32_t beat, beat_before;
	uint32_t stamp;    /* of the event that is valid for it */
	uint32_t kick;     /* victim + 1 for which it was woken */
	uint32_t accepts;
	uint32_t open;
	/* The queue: connections by their number in the trace. */
	uint32_t first, last, queued;
	uint32_t taken, steered; /* since the last tick, in this period */
	uint64_t busy_since, busy_us, running_us;
	struct fs_policy_core policy;
};

struct sim_result {
	uint64_t connections, served, refused, lost;
	uint64_t never;            /* waited to the end */
	uint64_t wait_max;         /* us */
	uint64_t wait_idle_max;    /* while some core was idle */
	uint64_t histogram[SIM_BUCKETS];
	uint64_t stolen, kicks, kicks_empty, asked, ticks, wakes;
	uint64_t steered;          /* times that the steering program changed */
	uint64_t groups_moved, groups_away;
	uint64_t home_at;          /* when the last flow group was home again, us; 0: none was away */
	uint64_t ended;
	uint32_t open_most, open_total;
};

struct sim_world {
	const struct sim_options *options;
	const struct sim_trace *trace;
	struct fs_policy_params params;
	struct sim_core core[FS_CORES_MAX];
	struct fs_policy_sample sample[FS_CORES_MAX];
	uint32_t *next;            /* of each connection, the one behind it in its queue */
	uint64_t *idle_before;     /* ... how long some core had been idle when it arrived */
	uint64_t now;
	unsigned idle;             /* cores that are */
	uint64_t idle_since, idle_us;
	unsigned helpless;         /* cores with a help mark */
	/* The stealing thread. */
	bool awake, first;
	uint64_t tick_at, tick_before, load_at;
	unsigned turn, victim;
	struct fs_balance balance;
	struct fs_balance_load load[FS_CORES_MAX];
	struct fs_steer_table table;
	struct sim_result result;
};

/* Runs the trace to its end. */
struct sim_result sim_run(const struct sim_trace *trace, const struct sim_options *options);
/* The waiting time below which that part, in 1/1000, of all connections waited. */
uint64_t sim_percentile(const struct sim_result *r, unsigned permille);

/* --- between the files of the simulation --- */

/* A worker that waits is woken; `kick`: for the queue of that core. */
void sim_wake(struct sim_world *w, unsigned core);
/* Takes the first connection of a queue; its number. The queue must have one. */
uint32_t sim_take(struct sim_world *w, unsigned core);
/* One look of the stealing thread; sets when the next one is, or sleeps. */
void sim_tick(struct sim_world *w);
/* Steering as the cores are now. */
void sim_steer(struct sim_world *w);

#endif
