/*
 * How many flow groups move. The promises: nothing moves while the cores cope; an
 * overloaded core gets rid of what is too much within a second; what moved comes back
 * when its own core has room, and does not go to and fro. No flow group is lost: what
 * some give is what others take. 2 to 256 cores.
 */
#include "lib/unit.h"

#include "balance_check.h"

/* --- load --- */

static void steps_move_nothing(unsigned n)
{
	for (int i = 0; i < 20; i++)
		ck_assert(!load_step(n));
	ck_assert_uint_eq(away(n), 0);
}

/* Cores that cope, however unevenly, and cores that are all overloaded: no flow group leaves its CPU. */
START_TEST(nothing_moves)
{
	for (unsigned n = 1; n <= FS_CORES_MAX; n *= 2) {
		start();
		all_at(n, 300);
		loads[0].busy = 840;
		loads[0].accepted = 100000;
		steps_move_nothing(n);
		all_at(n, 1000);
		for (unsigned k = 0; k < n; k += 3)
			loads[k].standing = true;
		steps_move_nothing(n);
		/* Nobody has room, or so much less to do that it would help. */
		all_at(n, 710);
		loads[0].busy = 1020;
		steps_move_nothing(n);
		all_at(n, 650);
		loads[0].busy = 860;
		steps_move_nothing(n);
		/* Overloaded again and again, but never for long: a request that blocks. */
		for (int i = 0; i < 60; i++) {
			all_at(n, 300);
			loads[0].busy = i % 3 ? 1000 : 300;
			ck_assert(!load_step(n));
		}
		ck_assert_uint_eq(away(n), 0);
	}
}
END_TEST

/*
 * A machine of equal workers: what each CPU's clients ask for, in 1/1000 of a core,
 * goes where the shares say, and makes the workers busy for so long.
 */
static unsigned worked(unsigned n, const uint32_t *demand)
{
	uint64_t freed = 0, gains = 0;
	unsigned most = 0;

	for (unsigned i = 0; i < n; i++) {
		freed += (uint64_t)demand[i] * b.share[i].away;
		gains += b.share[i].gain;
	}
	for (unsigned i = 0; i < n; i++) {
		uint64_t work = (uint64_t)demand[i] * (ALL - b.share[i].away) / ALL;

		if (gains)
			work += freed * b.share[i].gain / gains / ALL;
		loads[i].able = true;
		loads[i].busy = work < 1000 ? (uint32_t)work : 1000;
		loads[i].standing = work > 1000;
		loads[i].accepted = (uint32_t)work;
		most = work > most ? (unsigned)work : most;
	}
	return most;
}

/*
 * All that arrives, arrives on one CPU, and is worth half of all cores: within a second
 * nobody is overloaded, and then it stays as it is; when it ends, all groups are home
 * within three seconds.
 */
START_TEST(one_cpu_feeds_all)
{
	for (unsigned n = 2; n <= FS_CORES_MAX; n *= 2) {
		uint32_t demand[FS_CORES_MAX] = { 0 };
		unsigned most = 0, settled, moved, told = 0;

		start();
		demand[0] = n * 500;
		if (n == 2)
			demand[0] = 1200;
		for (int i = 0; i < 10; i++) {
			worked(n, demand);
			load_step(n);
		}
		most = worked(n, demand);
		ck_assert_msg(most < 900, "%u cores: after a second one has %u/1000 to do", n, most);
		for (int i = 0; i < 5; i++) {
			worked(n, demand);
			load_step(n);
		}
		settled = away(n);
		for (int i = 0; i < 100; i++) {
			worked(n, demand);
			told += load_step(n);
			moved = away(n) > settled ? away(n) - settled : settled - away(n);
			ck_assert_msg(moved <= ALL / 16, "%u cores: %u groups went to and fro", n, moved);
		}
		ck_assert_uint_le(told, 1);
		demand[0] = 500;
		for (int i = 0; i < 30; i++) {
			bool was_away = away(n) > 0, tells;

			worked(n, demand);
			tells = load_step(n);
			/* The last one that comes home is told, however few come with it. */
			if (was_away && !away(n))
				ck_assert(tells);
		}
		ck_assert_msg(!away(n), "%u cores: %u groups are not home", n, away(n));
	}
}
END_TEST

/* Some CPUs of many have too much, each another amount. */
START_TEST(random_demand)
{
	for (unsigned round = 0; round < 200; round++) {
		unsigned n = 4 + unit_random_below(&rng, FS_CORES_MAX - 3), most, first;
		uint32_t demand[FS_CORES_MAX] = { 0 };

		start();
		for (unsigned i = 0; i < n; i++)
			demand[i] = unit_random_below(&rng, 4) ? unit_random_below(&rng, 500) : unit_random_below(&rng, 1600);
		first = worked(n, demand);
		for (int i = 0; i < 20; i++) {
			worked(n, demand);
			load_step(n);
		}
		most = worked(n, demand);
		ck_assert_msg(most <= 1000 || most < first, "%u cores: %u/1000 to do, %u at first, " UNIT_SEED_FMT, n, most, first, rng.seed);
		ck_assert_msg(most < 1050, "%u cores: one still has %u/1000 to do, " UNIT_SEED_FMT, n, most, rng.seed);
	}
}
END_TEST

/* Few connections that cost much: it is the time that counts. */
START_TEST(expensive_requests)
{
	all_at(4, 300);
	for (unsigned i = 0; i < 4; i++)
		loads[i].accepted = 1000;
	loads[2].busy = 1000;
	for (int i = 0; i < 3; i++)
		load_step(4);
	ck_assert_uint_gt(b.share[2].away, ALL / 4);
}
END_TEST

/*
 * With stealing, cores that get nothing look busy: with what they steal. It comes to them
 * anyway, so they have room for it; but not when all together are near their limits.
 */
START_TEST(busy_with_stolen)
{
	for (unsigned n = 4; n <= FS_CORES_MAX; n *= 4) {
		for (uint32_t busy = 780; busy <= 900; busy += 120) {
			start();
			all_at(n, busy);
			for (unsigned i = 1; i < n; i++)
				loads[i].accepted = 0;
			loads[0].busy = 900;
			loads[0].accepted = 50000;
			for (int i = 0; i < 4; i++)
				load_step(n);
			ck_assert_int_eq(b.share[0].away > ALL / 4, busy == 780);
		}
	}
}
END_TEST

/* A worker that dies takes nothing with it: what it took goes to others, what it gave stays with its CPU. */
START_TEST(unable_gives_up)
{
	for (unsigned n = 3; n <= 255; n *= 2) {
		start();
		all_at(n, 100);
		loads[0].busy = 1000;
		loads[0].accepted = 100000;
		for (int i = 0; i < 5; i++)
			load_step(n);
		ck_assert_uint_gt(b.share[0].away, ALL / 4);
		ck_assert_uint_gt(b.share[1].gain, 0);
		loads[1].able = false;
		load_step(n);
		ck_assert_uint_eq(b.share[1].gain, 0);
		ck_assert_uint_gt(b.share[0].away, ALL / 4);
		/* Blocked for a moment: remembered as it was. */
		loads[0].able = false;
		load_step(n);
		ck_assert_uint_eq(away(n), 0);
		loads[0].able = true;
		load_step(n);
		ck_assert_uint_gt(b.share[0].away, ALL / 4);
		/* Alone. */
		for (unsigned i = 1; i < n; i++)
			loads[i].able = false;
		load_step(n);
		open_step(n);
		ck_assert_uint_eq(away(n), 0);
	}
}
END_TEST

/* Who takes, and becomes overloaded itself, gets rid of that first. */
START_TEST(overloaded_receiver)
{
	unsigned before;

	all_at(4, 100);
	loads[0].busy = 1000;
	loads[0].accepted = 50000;
	for (int i = 0; i < 6; i++)
		load_step(4);
	before = b.share[1].gain;
	ck_assert_uint_gt(before, 100);
	/* Others have room: to them. */
	all_at(4, 500);
	loads[0].busy = 800;
	loads[1].busy = 1000;
	for (int i = 0; i < 3; i++)
		load_step(4);
	ck_assert_uint_le(b.share[1].gain, before / 2 + 1);
	ck_assert_uint_eq(b.share[1].away, 0);
	ck_assert_uint_eq(b.share[2].gain, b.share[3].gain);
	ck_assert_uint_gt(b.share[2].gain, before);
	/* Nobody has: home, though home is not idle. */
	before = away(4);
	all_at(4, 1000);
	loads[0].busy = 700;
	for (int i = 0; i < 3; i++)
		load_step(4);
	ck_assert_uint_lt(away(4), before);
}
END_TEST

/* What comes home fits in: a core that is busy with the quarter that it kept does not get a quarter back. */
START_TEST(home_is_not_overfilled)
{
	all_at(4, 500);
	b.by_load[0] = b.share[0].away = 3072;
	for (unsigned i = 1; i < 4; i++)
		b.share[i].gain = 1024;
	loads[0].busy = 590;
	load_step(4);
	ck_assert_uint_lt(b.share[0].away, 3072);
	ck_assert_uint_gt(b.share[0].away, 3072 - 200);
	loads[0].busy = 610;
	loads[0].accepted = 0;
	for (int i = 0; i < 20; i++) {
		unsigned before = away(4);

		load_step(4);
		ck_assert_uint_eq(away(4), before);
	}
	/* With little to do, a quarter. */
	loads[0].busy = 20;
	load_step(4);
	ck_assert_uint_lt(b.share[0].away, 2400);
}
END_TEST

/* Steering passes a core by for as long as a request blocks: nothing is known of it then, so nothing changes. */
START_TEST(out_is_left_as_it_is)
{
	struct fs_balance before;

	for (int who = 0; who < 3; who++) {
		start();
		all_at(4, 100);
		loads[0].busy = 1000;
		loads[0].accepted = 50000;
		loads[who].open = 500;
		for (int i = 0; i < 6; i++)
			load_step(4);
		if (who == 2)
			for (int i = 0; i < 6; i++)
				open_step(4);
		all_at(4, 650);
		before = b;
		loads[who].out = true;
		loads[who].busy = who == 1 ? 1000 : 0;
		loads[who].open = who == 2 ? 0 : 1000;
		for (int i = 0; i < 20; i++) {
			ck_assert(!load_step(4));
			ck_assert_uint_eq(b.by_load[who], before.by_load[who]);
			ck_assert_uint_eq(b.share[who].gain, before.share[who].gain);
			if (i % 2)
				continue;
			open_step(4);
			ck_assert_uint_eq(b.by_open[who], before.by_open[who]);
		}
	}
	/* And nobody gives it anything. */
	start();
	all_at(4, 100);
	loads[0].busy = 1000;
	loads[0].open = 1000;
	loads[3].out = true;
	loads[3].busy = 0;
	for (int i = 0; i < 10; i++) {
		load_step(4);
		open_step(4);
	}
	ck_assert_uint_gt(b.share[0].away, 0);
	ck_assert_uint_eq(b.share[3].gain, 0);
}
END_TEST

/* Nonsense from outside does no harm. */
START_TEST(random_loads)
{
	for (int round = 0; round < 2000; round++) {
		unsigned n = unit_random_below(&rng, FS_CORES_MAX + 1);

		if (round % 16 == 0)
			memset(&b, 0, sizeof(b));
		else
			n = FS_CORES_MAX;
		for (unsigned i = 0; i < n; i++) {
			uint64_t bits = unit_random_next(&rng);

			loads[i].able = bits & 7;
			loads[i].out = !(bits >> 56 & 7);
			loads[i].standing = !(bits & 56);
			loads[i].busy = bits & 64 ? UINT32_MAX : (uint32_t)(bits >> 8 & 1023);
			loads[i].accepted = (uint32_t)(bits >> 32);
			loads[i].open = bits & 128 ? (uint32_t)(bits >> 20 & 255) : (uint32_t)(bits >> 33);
		}
		if (round & 1)
			load_step(n);
		else
			open_step(n);
	}
}
END_TEST

/* One reason that ends leaves the other in force. */
START_TEST(two_reasons)
{
	unsigned both;

	all_at(4, 100);
	loads[0].busy = 1000;
	loads[0].accepted = 50000;
	for (int i = 0; i < 10; i++)
		load_step(4);
	both = away(4);
	loads[0].open = 5000;
	open_step(4);
	ck_assert_uint_eq(b.share[0].away, ALL);
	loads[0].open = 0;
	for (int i = 0; i < 100; i++)
		open_step(4);
	ck_assert_uint_eq(away(4), both);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("balance");
	TCase *tc = tcase_create("shares");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, start, NULL);
	tcase_add_test(tc, nothing_moves);
	tcase_add_test(tc, one_cpu_feeds_all);
	tcase_add_test(tc, random_demand);
	tcase_add_test(tc, expensive_requests);
	tcase_add_test(tc, busy_with_stolen);
	tcase_add_test(tc, unable_gives_up);
	tcase_add_test(tc, overloaded_receiver);
	tcase_add_test(tc, home_is_not_overfilled);
	tcase_add_test(tc, out_is_left_as_it_is);
	tcase_add_test(tc, random_loads);
	tcase_add_test(tc, two_reasons);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
