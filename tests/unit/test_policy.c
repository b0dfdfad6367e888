/*
 * Whose worker does not serve, and who is passed by in steering. The promises: what waits
 * behind such a worker is found within two ticks, who serves is not suspected, who was
 * passed by comes back, and a program that blocks all the time does not make steering
 * change all the time.
 */
#include "lib/unit.h"

#include "policy_check.h"

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

/* It ignored its listener, others emptied the queue, and it waits: the next connection wakes it, so it gets its tick. */
START_TEST(waits_again)
{
	core.patience = 64;
	sample.queue = 1;
	tick();
	sample.sched = FS_SCHED_BLOCKED;
	tick();
	ck_assert_int_eq(core.help, FS_HELP_STUCK);
	wait_empty(false);
	tick();
	sample.queue = 1;
	ck_assert(!fs_policy_suspects(&core, &sample, false));
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
	/* As long as it takes to be passed by, and a little: it learns, but not for ever. */
	for (int i = 0; i < 20; i++)
		block_for((core.patience ? core.patience : 1) + 4);
	ck_assert_uint_eq(core.patience, 64);
	for (int i = 0; i < 8; i++)
		block_for(200);
	changes = 0;
	for (int i = 0; i < 100; i++)
		changes += block_for(50);
	ck_assert_uint_eq(changes, 100);
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
	tcase_add_test(tc, waits_again);
	tcase_add_test(tc, out_until_it_moves);
	tcase_add_test(tc, waiting_worker_comes_back);
	tcase_add_test(tc, patience);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
