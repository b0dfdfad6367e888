/*
 * Whose worker serves too slowly. The promises: a queue that is long for a moment is its
 * worker's own affair, one that stands is found after one window, and Affinity-Accept's
 * marks hold.
 */
#include "lib/unit.h"

#include "policy_check.h"

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
	serve(30, 2);
	ticks(200);
	ck_assert_int_eq(core.help, FS_HELP_BUSY);
	/* Quicker again: what it did long ago is not held against it. */
	ticks(2000);
	serve(30, 7);
	ticks(100);
	ck_assert_int_eq(core.help, FS_HELP_NONE);
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
		ticks(500);
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
	Suite *s = suite_create("policy_busy");
	TCase *tc = tcase_create("judging");

	tcase_add_checked_fixture(tc, start, NULL);
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
