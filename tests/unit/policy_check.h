/*
 * What the tests of judging share: one core, and what the stealing thread sees of it.
 * Static state: one program includes it once.
 */
#ifndef FS_TESTS_POLICY_CHECK_H
#define FS_TESTS_POLICY_CHECK_H

#include "lib/unit.h"

#include "core/policy.h"

#define LIMIT 511

/* The defaults of the options, at ticks of a millisecond. */
static const struct fs_policy_params params = {
	.high = 75, .low = 10, .target = 5, .window = 20, .compute = 8, .steal = true,
};

static struct fs_policy_core core;
static struct fs_policy_sample sample;

static void start(void)
{
	core = (struct fs_policy_core){ 0 };
	/* A worker that waits, and nothing to do. */
	sample = (struct fs_policy_sample){ .limit = LIMIT, .served = true, .waiting = true };
}

static void tick(void)
{
	fs_policy_judge(&core, &sample, &params, false);
}

__attribute__((unused)) static void ticks(unsigned n)
{
	while (n--)
		tick();
}

/* Its worker is outside its wait and its count does not move; as the scheduler says, if it is asked. */
__attribute__((unused)) static void stop_serving(enum fs_sched sched, uint32_t queue)
{
	sample.waiting = false;
	sample.moved = false;
	sample.queue = queue;
	sample.taken = 0;
	sample.sched = sched;
}

__attribute__((unused)) static void serve(uint32_t queue, uint32_t taken)
{
	sample.waiting = false;
	sample.moved = true;
	sample.queue = queue;
	sample.taken = taken;
	sample.sched = FS_SCHED_UNKNOWN;
}

__attribute__((unused)) static void wait_empty(bool moved)
{
	sample.waiting = true;
	sample.moved = moved;
	sample.queue = 0;
	sample.taken = 0;
	sample.sched = FS_SCHED_UNKNOWN;
}

#endif
