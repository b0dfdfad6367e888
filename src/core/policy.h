/*
 * Stealing, the pure part: which cores need help, which of them steering should
 * pass by, and who helps whom. No system call and no clock in here: time is ticks,
 * and the caller (stealer.c, or the simulation) says what it saw at each.
 *
 * The busy marks are Affinity-Accept's (EuroSys '12, section 3.3.1): a core whose
 * queue is longer than the high mark is busy until the moving average of its queue
 * falls below the low mark; only cores that are not busy steal, and only from busy
 * ones; a core with work of its own takes five connections from its own queue for
 * each stolen one; victims take turns. Two things are added, because the marks are
 * shares of the backlog and a queue may stand for seconds far below them: the
 * standing queue (CoDel's idea, Nichols and Jacobson, ACM Queue 2012: a queue that is
 * worth more than a target sojourn time through a whole window), and cores whose
 * worker does not serve at all (stuck, stopped, dead, parked), from which everybody
 * steals at once.
 */
#ifndef FS_POLICY_H
#define FS_POLICY_H

#include "common.h"

/* Why others may take from a core's queue. In the shared region, too (region.h). */
enum fs_help {
	FS_HELP_NONE = 0,
	FS_HELP_BUSY = 1,     /* its worker serves, but not fast enough */
	FS_HELP_STUCK = 2,    /* its worker is alive and does not serve: blocked, computing, stopped */
	FS_HELP_PARKED = 3,   /* its worker does not wait for the group at the moment */
	FS_HELP_DESERTED = 4, /* it has no worker: left, or dead */
};

/* What the kernel's scheduler says of a worker's thread. */
enum fs_sched {
	FS_SCHED_UNKNOWN = 0, /* not asked, or no answer */
	FS_SCHED_RUNNABLE,    /* computes, or waits for its CPU */
	FS_SCHED_BLOCKED,     /* sleeps in the kernel */
	FS_SCHED_STOPPED,     /* by a signal or a debugger */
};

/* From the options (options.def), in ticks where they are times. */
struct fs_policy_params {
	uint32_t high;      /* percent of the queue's limit above which a core is busy */
	uint32_t low;       /* percent below which it is not busy any more */
	uint32_t target;    /* sojourn time that a standing queue may cost */
	uint32_t window;    /* through which it has to cost that, without a break */
	uint32_t compute;   /* a runnable worker may take so long between two waits before it counts as stuck */
	bool steal;         /* FASTSOCK_STEAL: false helps parked and deserted cores alone */
};

/* A core of one group at one tick. */
struct fs_policy_sample {
	uint32_t queue;      /* connections in its local listener's queue */
	bool unseen;         /* the queue was not looked at in this tick; `queue` is 0 then */
	uint32_t limit;      /* the most that queue can hold */
	uint32_t taken;      /* connections taken from that queue since the last look, by whomever */
	uint32_t ticks;      /* time since the last look; 0 counts as 1 */
	bool served;         /* a living worker serves it */
	bool parked;         /* ... but does not wait for the group at the moment */
	bool waiting;        /* ... and is inside a wait now */
	bool moved;          /* ... and its loop count moved since the last tick */
	bool kicked;         /* ... and was woken for a connection that it did not take yet */
	enum fs_sched sched; /* filled in where fs_policy_suspects() */
};

/* What is remembered of a core of one group from tick to tick. All zeroes at first. */
struct fs_policy_core {
	enum fs_help help;
	bool out;            /* steering passes it by */
	bool busy;           /* Affinity-Accept's mark, or a standing queue */
	bool standing;       /* its queue stands (for balance.h) */
	uint32_t average;    /* moving average of the queue's length, in 1/256 connections */
	uint32_t above;      /* ticks in a row in which the queue was worth more than the target */
	uint32_t taken;      /* in these ticks */
	uint32_t calm;       /* ticks since the queue last stood */
	uint32_t still;      /* ticks in a row with a queue and a loop count that did not move */
	uint32_t stuck;      /* ticks since its worker was found stuck; 0 when the count moves again */
	uint32_t patience;   /* ticks that it must be stuck before steering passes it by; grows while it comes back soon */
	uint32_t away;       /* ticks since steering passes it by */
};

/* Whether `sched` has to be known before the core can be judged: its worker may be stuck. */
bool fs_policy_suspects(const struct fs_policy_core *core, const struct fs_policy_sample *s, bool first);
/*
 * The core's new help mark, out mark and averages. `first` tells that no tick went
 * before (the thread was asleep, and a connection woke it): then nothing is known of
 * `moved`, and only a worker that is blocked or stopped outside its wait is stuck.
 */
void fs_policy_judge(struct fs_policy_core *core, const struct fs_policy_sample *s, const struct fs_policy_params *p,
		     bool first);
/*
 * The worker of a core that is out waits again: it gets its flows back. One that
 * comes back soon is passed by later the next time, so that a program
 * whose every request blocks for a few ticks does not make steering change all the time.
 */
void fs_policy_back(struct fs_policy_core *core);

/* Whether a core marked `own` may take from one marked `victim`. */
static inline bool fs_policy_may_steal(enum fs_help own, enum fs_help victim)
{
	return victim >= FS_HELP_STUCK || (victim == FS_HELP_BUSY && own == FS_HELP_NONE);
}

/* Whether the accept with this number is a core's turn to steal although it has work of its own. */
static inline bool fs_policy_steal_turn(uint32_t accepts, uint32_t ratio)
{
	return accepts % (ratio + 1) == ratio;
}

struct fs_policy_pair {
	uint16_t thief;
	uint16_t victim;
};

/*
 * Idle cores for queues that need help: at most `max` pairs into `pairs`, each thief
 * once, each victim at most as often as connections wait there, victims in turn from
 * *turn on, which moves. A thief is a core whose worker is inside its wait, has an
 * empty queue, no help mark, and was not kicked yet; where there is none, for queues that
 * have waited for a while, any core with an empty queue that was not kicked yet. Returns
 * the number of pairs.
 */
unsigned fs_policy_match(const struct fs_policy_core *cores, const struct fs_policy_sample *samples, unsigned n,
			 unsigned *turn, struct fs_policy_pair *pairs, unsigned max);

#endif
