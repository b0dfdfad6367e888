/*
 * Who needs help, and who is passed by in steering. The promises: what waits behind a
 * worker that does not serve is found within two ticks, a worker that serves is left
 * alone however long its queue is for a moment, a queue that stands is found after one
 * window, and a program that blocks all the time does not make steering change all the
 * time.
 */
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

static void ticks(unsigned n)
{
	while (n--)
		tick();
}

/* Its worker is outside its wait and its count does not move; as the scheduler says, if it is asked. */
static void stop_serving(enum fs_sched sched, uint32_t queue)
{
	sample.waiting = false;
	sample.moved = false;
	sample.queue = queue;
	sample.taken = 0;
	sample.sched = sched;
}

static void serve(uint32_t queue, uint32_t taken)
{
	sample.waiting = false;
	sample.moved = true;
	sample.queue = queue;
	sample.taken = taken;
	sample.sched = FS_SCHED_UNKNOWN;
}

static void wait_empty(bool moved)
{
	sample.waiting = true;
	sample.moved = moved;
	sample.queue = 0;
	sample.taken = 0;
	sample.sched = FS_SCHED_UNKNOWN;
}

/* --- cores without a worker that waits --- */

/* A worker died with connections in its queue: all help, until the queue is empty. */
START_TEST(deserted_while_something_waits)
{
	sample.served = false;
	sample.queue = 3;
	tick();
	ck_assert_int_eq(core.help, FS_HELP_DESERTED);
	sample.queue = 0;
	tick();
	ck_assert_int_eq(core.help, FS_HELP_NONE);
}
END_TEST

/* nginx with accept_mutex: who does not hold the mutex does not listen. Others have to look, always. */
START_TEST(parked_whatever_the_queue)
{
	sample.parked = true;
	tick();
	ck_assert_int_eq(core.help, FS_HELP_PARKED);
	sample.queue = 7;
	ticks(100);
	ck_assert_int_eq(core.help, FS_HELP_PARKED);
	ck_assert(!core.out);
	sample.parked = false;
	wait_empty(true);
	tick();
	ck_assert_int_eq(core.help, FS_HELP_NONE);
}
END_TEST

/* FASTSOCK_STEAL=off: parked and deserted cores are still served, nobody else is touched. */
START_TEST(without_stealing)
{
	struct fs_policy_params off = params;

	off.steal = false;
	stop_serving(FS_SCHED_STOPPED, LIMIT);
	for (int i = 0; i < 1000; i++)
		fs_policy_judge(&core, &sample, &off, false);
	ck_assert_int_eq(core.help, FS_HELP_NONE);
	ck_assert(!core.out && !core.busy);
	sample.parked = true;
	fs_policy_judge(&core, &sample, &off, false);
	ck_assert_int_eq(core.help, FS_HELP_PARKED);
	sample.served = false;
	fs_policy_judge(&core, &sample, &off, false);
	ck_assert_int_eq(core.help, FS_HELP_DESERTED);
}
END_TEST

/* --- stuck --- */

/* A request blocks its worker: what waits behind it is found at the first tick, and steering passes it by at once. */
START_TEST(blocked_at_the_first_tick)
{
	serve(1, 5);
	tick();
	ck_assert_int_eq(core.help, FS_HELP_NONE);
	stop_serving(FS_SCHED_UNKNOWN, 1);
	ck_assert(fs_policy_suspects(&core, &sample, false));
	sample.sched = FS_SCHED_BLOCKED;
	tick();
	ck_assert_int_eq(core.help, FS_HELP_STUCK);
	ck_assert(core.out);
}
END_TEST

/* The thread slept; the connection that woke it waits behind a worker that blocks. */
START_TEST(blocked_when_the_thread_wakes)
{
	stop_serving(FS_SCHED_BLOCKED, 1);
	ck_assert(fs_policy_suspects(&core, &sample, true));
	fs_policy_judge(&core, &sample, &params, true);
	ck_assert_int_eq(core.help, FS_HELP_STUCK);
	/* One that was woken by the same connection has not had the time to move. */
	start();
	sample.queue = 1;
	ck_assert(!fs_policy_suspects(&core, &sample, true));
	sample.sched = FS_SCHED_BLOCKED;
	fs_policy_judge(&core, &sample, &params, true);
	ck_assert_int_eq(core.help, FS_HELP_NONE);
	/* What was remembered from before the sleep does not count. */
	start();
	stop_serving(FS_SCHED_RUNNABLE, 1);
	ticks(params.compute - 1);
	fs_policy_judge(&core, &sample, &params, true);
	ck_assert_int_eq(core.help, FS_HELP_NONE);
}
END_TEST

/* A worker that waits and was just woken gets a tick to come; one that sleeps on is stuck (or was stopped there). */
START_TEST(woken_gets_a_tick)
{
	for (int stopped = 0; stopped < 2; stopped++) {
		start();
		sample.queue = 1;
		ck_assert(!fs_policy_suspects(&core, &sample, false));
		tick();
		ck_assert_int_eq(core.help, FS_HELP_NONE);
		ck_assert(fs_policy_suspects(&core, &sample, false));
		sample.sched = stopped ? FS_SCHED_STOPPED : FS_SCHED_BLOCKED;
		tick();
		ck_assert_int_eq(core.help, FS_HELP_STUCK);
		ck_assert(core.out);
	}
}
END_TEST

/* Computing, or waiting for a CPU that it shares: normal for some ticks, and asked for only now and then. */
START_TEST(computing_takes_longer)
{
	unsigned asked = 0;

	stop_serving(FS_SCHED_RUNNABLE, 2);
	for (unsigned i = 1; i < params.compute; i++) {
		asked += fs_policy_suspects(&core, &sample, false);
		tick();
		ck_assert_int_eq(core.help, FS_HELP_NONE);
	}
	ck_assert_uint_le(asked, (params.compute + 3) / 4);
	ck_assert_uint_ge(asked, 1);
	tick();
	ck_assert_int_eq(core.help, FS_HELP_STUCK);
	ck_assert(core.out);
	/* Nothing more is to be learned of it. */
	ck_assert(!fs_policy_suspects(&core, &sample, false));
	/* Without an answer (/proc is hidden) it is the same. */
	start();
	stop_serving(FS_SCHED_UNKNOWN, 2);
	ticks(params.compute - 1);
	ck_assert_int_eq(core.help, FS_HELP_NONE);
	tick();
	ck_assert_int_eq(core.help, FS_HELP_STUCK);
}
END_TEST

/* A worker with much to do is no suspect while its count moves, and none while its queue is empty. */
START_TEST(who_moves_is_never_asked_for)
{
	serve(100, 100);
	for (int i = 0; i < 1000; i++) {
		ck_assert(!fs_policy_suspects(&core, &sample, false));
		tick();
		ck_assert(core.help != FS_HELP_STUCK);
	}
	start();
	stop_serving(FS_SCHED_BLOCKED, 0);
	for (int i = 0; i < 1000; i++) {
		ck_assert(!fs_policy_suspects(&core, &sample, false));
		tick();
		ck_assert_int_eq(core.help, FS_HELP_NONE);
	}
	/* ... but from the first connection on it is. */
	sample.queue = 1;
	ck_assert(fs_policy_suspects(&core, &sample, false));
}
END_TEST

/* Others emptied its queue: it is still the same block, and the next connection does not wait for a tick of proof. */
START_TEST(emptied_by_others)
{
	core.patience = 64;
	stop_serving(FS_SCHED_BLOCKED, 1);
	tick();
	ck_assert_int_eq(core.help, FS_HELP_STUCK);
	sample.queue = 0;
	tick();
	ck_assert_int_eq(core.help, FS_HELP_NONE);
	ck_assert(!core.out);
	sample.queue = 1;
	sample.sched = FS_SCHED_UNKNOWN;
	tick();
	ck_assert_int_eq(core.help, FS_HELP_STUCK);
	/* And though its queue is emptied after each tick, patience has an end. */
	for (int i = 0; i < 64 && !core.out; i++) {
		sample.queue = (uint32_t)i % 2;
		tick();
	}
	ck_assert(core.out);
	/* Moved once: all that is forgotten. */
	serve(1, 1);
	tick();
	ck_assert_int_eq(core.help, FS_HELP_NONE);
	stop_serving(FS_SCHED_RUNNABLE, 1);
	tick();
	ck_assert_int_eq(core.help, FS_HELP_NONE);
}
END_TEST

/* --- passed by and back --- */

/* While steering passes a core by, its mark stays though nothing arrives there; it ends when its worker moves. */
START_TEST(out_until_it_moves)
{
	for (int by_tick = 0; by_tick < 2; by_tick++) {
		start();
		stop_serving(FS_SCHED_BLOCKED, 1);
		tick();
		sample.queue = 0;
		ticks(100);
		ck_assert(core.out);
		ck_assert_int_eq(core.help, FS_HELP_STUCK);
		if (by_tick) {
			serve(0, 0);
			tick();
		} else {
			fs_policy_back(&core);
		}
		ck_assert(!core.out);
		ck_assert_int_eq(core.help, FS_HELP_NONE);
	}
}
END_TEST

/*
 * Nothing is steered to a core that is out, so nothing would wake a worker that waits:
 * without a way back it would be out for good. Unless it was stopped inside its wait.
 */
START_TEST(waiting_worker_comes_back)
{
	static const struct {
		enum fs_sched sched;
		bool back;
	} is[] = { { FS_SCHED_BLOCKED, true }, { FS_SCHED_UNKNOWN, true }, { FS_SCHED_STOPPED, false }, { FS_SCHED_RUNNABLE, false } };

	for (size_t i = 0; i < FS_COUNT(is); i++) {
		unsigned asked = 0;

		start();
		sample.queue = 1;
		sample.sched = FS_SCHED_STOPPED;
		ticks(2);
		ck_assert(core.out);
		wait_empty(false);
		for (unsigned t = 0; t < 64 && core.out; t++) {
			bool ask = fs_policy_suspects(&core, &sample, false);

			asked += ask;
			sample.sched = ask ? is[i].sched : FS_SCHED_UNKNOWN;
			tick();
		}
		ck_assert_int_eq(core.out, !is[i].back);
		ck_assert_uint_ge(asked, 1);
		ck_assert_uint_le(asked, 4);
	}
}
END_TEST

/* Blocks for `n` ticks, as the thread sees it, then serves on. Whether steering changed. */
static bool block_for(unsigned n)
{
	bool out = false;

	for (unsigned i = 0; i < n; i++) {
		stop_serving(FS_SCHED_BLOCKED, 1);
		tick();
		out |= core.out;
	}
	serve(0, 1);
	tick();
	wait_empty(true);
	ticks(3);
	ck_assert(!core.out);
	return out;
}

/*
 * A program whose every request blocks for a few ticks: steering would change for each.
 * One whose requests block for 50 ms, or a worker that is stopped, is passed by at once.
 */
START_TEST(patience)
{
	unsigned changes = 0;

	for (int i = 0; i < 1000; i++)
		changes += block_for(5);
	ck_assert_uint_le(changes, 4);
	/* Stealing goes on meanwhile, and who blocks for long after all is passed by. */
	ck_assert_uint_le(core.patience, 64);
	ck_assert(block_for(100));
	for (int i = 0; i < 8; i++)
		block_for(200);
	ck_assert_uint_eq(core.patience, 1);
	changes = 0;
	for (int i = 0; i < 100; i++)
		changes += block_for(50);
	ck_assert_uint_eq(changes, 100);
}
END_TEST

/* --- busy --- */

/* A burst that is gone within the window is the worker's own affair, however long the queue was. */
START_TEST(burst_is_left_alone)
{
	for (int round = 0; round < 50; round++) {
		for (uint32_t queue = 300; queue; queue -= 20) {
			serve(queue, 20);
			tick();
			ck_assert_int_eq(core.help, FS_HELP_NONE);
		}
		wait_empty(true);
		ticks(5);
	}
}
END_TEST

/* Affinity-Accept's marks: above 75 % at once, not again before the average is below 10 %. */
START_TEST(high_and_low_mark)
{
	unsigned until = 0;

	/* Just at the mark, and quick: no. */
	serve(LIMIT * 75 / 100, 1000);
	ticks(10);
	ck_assert_int_eq(core.help, FS_HELP_NONE);
	serve(LIMIT * 75 / 100 + 1, 1000);
	tick();
	ck_assert_int_eq(core.help, FS_HELP_BUSY);
	/* A gap does not end it. */
	serve(0, 1000);
	tick();
	serve(LIMIT, 1000);
	ticks(200);
	while (core.help == FS_HELP_BUSY && until < 1000) {
		serve(0, 1000);
		tick();
		until++;
	}
	/* From all of the limit to a tenth, at 1/64 a tick. */
	ck_assert_uint_ge(until, 100);
	ck_assert_uint_le(until, 200);
}
END_TEST

/*
 * The marks are shares of the backlog: 30 connections behind a worker that takes one a
 * millisecond are 30 ms, and 6 % of 511. Within the window such a queue is found.
 */
START_TEST(standing_queue)
{
	serve(30, 1);
	ticks(params.window - 1);
	ck_assert_int_eq(core.help, FS_HELP_NONE);
	tick();
	ck_assert_int_eq(core.help, FS_HELP_BUSY);
	ck_assert(core.standing);
	/* It drains; a window later that is over. */
	serve(0, 10);
	tick();
	ck_assert(!core.standing);
	ck_assert_int_eq(core.help, FS_HELP_BUSY);
	ticks(params.window);
	ck_assert_int_eq(core.help, FS_HELP_NONE);
}
END_TEST

/* The same length is no trouble to a worker that takes ten a millisecond. */
START_TEST(sojourn_not_length)
{
	serve(30, 10);
	ticks(1000);
	ck_assert_int_eq(core.help, FS_HELP_NONE);
	/* Slower by and by: what it did long ago does not excuse it. */
	serve(30, 2);
	ticks(200);
	ck_assert_int_eq(core.help, FS_HELP_BUSY);
}
END_TEST

/* One short look into the middle of the window, and it did not stand. */
START_TEST(one_dip_is_enough)
{
	for (int i = 0; i < 100; i++) {
		serve(30, 1);
		ticks(params.window - 1);
		serve(0, 1);
		tick();
		ck_assert_int_eq(core.help, FS_HELP_NONE);
	}
}
END_TEST

/* With hundreds of cores not every queue is looked at in each tick: that is neither a dip nor a queue. */
START_TEST(unseen_ticks)
{
	for (unsigned i = 0; i <= 2 * params.window; i++) {
		serve(i % 4 ? 0 : 30, 1);
		sample.unseen = i % 4 != 0;
		tick();
	}
	ck_assert_int_eq(core.help, FS_HELP_BUSY);
	start();
	for (unsigned i = 0; i <= 10 * params.window; i++) {
		serve(0, 1);
		sample.unseen = i % 4 != 0;
		tick();
		ck_assert_int_eq(core.help, FS_HELP_NONE);
	}
}
END_TEST

/* Limits of all sizes, and a backlog of zero. */
START_TEST(any_limit)
{
	static const uint32_t limit[] = { 0, 1, 2, 5, 128, 4096, 65535, UINT32_MAX };

	for (size_t i = 0; i < FS_COUNT(limit); i++) {
		start();
		sample.limit = limit[i];
		serve(limit[i], 1 + limit[i] / 4);
		ticks(2);
		if (limit[i])
			ck_assert_int_eq(core.help, FS_HELP_BUSY);
		serve(0, 1);
		ticks(2000);
		ck_assert_msg(core.help == FS_HELP_NONE, "limit %u: busy for ever", limit[i]);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("policy");
	TCase *tc = tcase_create("judging");

	tcase_add_checked_fixture(tc, start, NULL);
	tcase_add_test(tc, deserted_while_something_waits);
	tcase_add_test(tc, parked_whatever_the_queue);
	tcase_add_test(tc, without_stealing);
	tcase_add_test(tc, blocked_at_the_first_tick);
	tcase_add_test(tc, blocked_when_the_thread_wakes);
	tcase_add_test(tc, woken_gets_a_tick);
	tcase_add_test(tc, computing_takes_longer);
	tcase_add_test(tc, who_moves_is_never_asked_for);
	tcase_add_test(tc, emptied_by_others);
	tcase_add_test(tc, out_until_it_moves);
	tcase_add_test(tc, waiting_worker_comes_back);
	tcase_add_test(tc, patience);
	tcase_add_test(tc, burst_is_left_alone);
	tcase_add_test(tc, high_and_low_mark);
	tcase_add_test(tc, standing_queue);
	tcase_add_test(tc, sojourn_not_length);
	tcase_add_test(tc, one_dip_is_enough);
	tcase_add_test(tc, unseen_ticks);
	tcase_add_test(tc, any_limit);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
