/*
 * Balance, the pure part: how many flow groups of each core's own CPU go to other
 * cores, because the load stays uneven. Affinity-Accept (EuroSys '12, section 3.3.2)
 * moves one flow group per 100 ms and thief, of 4,096; here as many move as were
 * measured to be too many, so that it is over within a second.
 *
 * Nothing moves while the cores cope. What moved comes back when its own core has
 * room again.
 */
#ifndef FS_BALANCE_H
#define FS_BALANCE_H

#include "common.h"

/* A core as it was in the last period. */
struct fs_balance_load {
	bool able;         /* it has a worker that serves; `out` or not */
	bool out;          /* steering passed it by for a while (policy.h): what it gives and takes stays as it is */
	bool standing;     /* its queue stood (policy.h) */
	uint32_t busy;     /* share of the time that its worker was outside its wait, in 1/1000; not while `out` */
	uint32_t accepted; /* connections that were steered to it */
	uint32_t open;     /* connections that its worker has open now */
};

/* Of a core's own CPU's 4,096 flow groups, those that others take; and those of others that it takes. */
struct fs_share {
	uint16_t away;
	uint16_t gain;
};

/* What is remembered from step to step. All zeroes at first. */
struct fs_balance {
	struct fs_share share[FS_CORES_MAX]; /* the sums of away and of gain are equal */
	uint16_t by_load[FS_CORES_MAX];      /* away because the core was overloaded */
	uint16_t by_open[FS_CORES_MAX];      /* ... because too many connections stay open on its worker */
	uint8_t periods[FS_CORES_MAX];       /* in a row in which it was overloaded */
	struct fs_share told[FS_CORES_MAX];  /* the shares when a step last returned true */
};

/*
 * One step for uneven load, to be called once per period of about 100 ms: groups move
 * from cores that stay overloaded (busy nearly all the time, or a standing queue, for
 * three periods) to cores that have room. Returns whether the shares changed so much
 * that steering has to be told: more than a 32nd of a CPU's groups would change hands,
 * or a core has all of its own again.
 */
bool fs_balance_load(struct fs_balance *b, const struct fs_balance_load *loads, unsigned n);
/*
 * One step for connections that stay open; `able`, `out` and `open` are looked at, and
 * nothing depends on how long ago the last step was. What arrives between two steps cannot
 * be helped, so a step every tick keeps 10,000 that come within half a second even (most
 * over mean 1.15) on 256 cores, and one every 10 ms on 32.
 */
bool fs_balance_open(struct fs_balance *b, const struct fs_balance_load *loads, unsigned n);

#endif
