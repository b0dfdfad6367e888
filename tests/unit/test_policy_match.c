/*
 * Who helps whom. The promises: every thief is woken for a connection that is there, no
 * connection wakes two, nobody is woken who has something to do, and victims take turns.
 * 2 to 256 cores.
 */
#include "lib/unit.h"

#include "core/policy.h"

#define SEED UINT64_C(0x901c4)

static struct fs_policy_core cores[FS_CORES_MAX];
static struct fs_policy_sample samples[FS_CORES_MAX];
static struct fs_policy_pair pairs[FS_CORES_MAX];

static void all_idle(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		cores[i] = (struct fs_policy_core){ 0 };
		samples[i] = (struct fs_policy_sample){ .limit = 511, .served = true, .waiting = true };
	}
}

static void needs(unsigned i, enum fs_help help, uint32_t queue)
{
	cores[i].help = help;
	samples[i].queue = queue;
	samples[i].waiting = false;
}

static void check_pairs(unsigned n, unsigned npairs)
{
	static unsigned thief[FS_CORES_MAX], victim[FS_CORES_MAX];

	memset(thief, 0, sizeof(thief));
	memset(victim, 0, sizeof(victim));
	for (unsigned i = 0; i < npairs; i++) {
		unsigned t = pairs[i].thief, v = pairs[i].victim;

		ck_assert(t < n && v < n && t != v);
		if (thief[t]++)
			ck_abort_msg("core %u is woken twice", t);
		if (++victim[v] > samples[v].queue)
			ck_abort_msg("core %u has %u waiting, and more thieves", v, samples[v].queue);
		if (!samples[t].served || samples[t].parked || samples[t].kicked || samples[t].queue)
			ck_abort_msg("core %u cannot help", t);
		/* Where nobody is idle, one that may be: for connections that have waited for a while. */
		if (samples[t].waiting ? cores[t].help != FS_HELP_NONE :
		    samples[t].moved || (cores[v].help < FS_HELP_PARKED && cores[v].stuck < 4))
			ck_abort_msg("core %u is not idle", t);
		if (cores[v].help == FS_HELP_NONE)
			ck_abort_msg("core %u needs no help", v);
	}
}

/* 2 to 256 cores, one of them stuck with some connections: as many thieves as connections, no more. */
START_TEST(one_thief_a_connection)
{
	for (unsigned n = 2; n <= FS_CORES_MAX; n *= 2) {
		for (unsigned queue = 0; queue < 2 * n; queue += 1 + queue / 2) {
			unsigned turn = 0, got;

			all_idle(n);
			needs(n / 2, FS_HELP_STUCK, queue);
			got = fs_policy_match(cores, samples, n, &turn, pairs, FS_CORES_MAX);
			check_pairs(n, got);
			ck_assert_uint_eq(got, queue < n - 1 ? queue : n - 1);
			ck_assert_uint_le(fs_policy_match(cores, samples, n, &turn, pairs, 1), 1);
		}
	}
}
END_TEST

/*
 * A worker that sleeps in a wait that we do not see is not told from one that is
 * blocked: it is woken only when nobody is idle, and the connection has waited longer
 * than an idle one would need.
 */
START_TEST(perhaps_idle)
{
	unsigned turn = 0;

	all_idle(3);
	needs(0, FS_HELP_STUCK, 2);
	samples[1].waiting = false;
	cores[0].stuck = 100;
	ck_assert_uint_eq(fs_policy_match(cores, samples, 3, &turn, pairs, 3), 1);
	ck_assert_uint_eq(pairs[0].thief, 2);
	samples[2].waiting = false;
	samples[2].moved = true;
	ck_assert_uint_eq(fs_policy_match(cores, samples, 3, &turn, pairs, 3), 1);
	ck_assert_uint_eq(pairs[0].thief, 1);
	cores[0].stuck = 1;
	ck_assert_uint_eq(fs_policy_match(cores, samples, 3, &turn, pairs, 3), 0);
	cores[0].help = FS_HELP_BUSY;
	cores[0].stuck = 0;
	ck_assert_uint_eq(fs_policy_match(cores, samples, 3, &turn, pairs, 3), 0);
	cores[0].help = FS_HELP_DESERTED;
	ck_assert_uint_eq(fs_policy_match(cores, samples, 3, &turn, pairs, 3), 1);
}
END_TEST

/* Who is busy itself, parked, running, kicked already, or has something in its own queue, is not woken. */
START_TEST(who_is_no_thief)
{
	unsigned turn = 0;

	all_idle(7);
	needs(0, FS_HELP_STUCK, 10);
	samples[1].waiting = false;
	samples[2].kicked = true;
	samples[3].queue = 1;
	samples[4].parked = true;
	samples[5].served = false;
	cores[6].help = FS_HELP_BUSY;
	ck_assert_uint_eq(fs_policy_match(cores, samples, 7, &turn, pairs, 7), 0);
	cores[6].help = FS_HELP_NONE;
	ck_assert_uint_eq(fs_policy_match(cores, samples, 7, &turn, pairs, 7), 1);
	ck_assert_uint_eq(pairs[0].thief, 6);
	/* Nobody at all, and nobody there. */
	all_idle(7);
	ck_assert_uint_eq(fs_policy_match(cores, samples, 7, &turn, pairs, 7), 0);
	ck_assert_uint_eq(fs_policy_match(cores, samples, 0, &turn, pairs, 7), 0);
}
END_TEST

/* One idle core for many victims: each has its turn, none twice before all had one. */
START_TEST(victims_take_turns)
{
	unsigned turn = 0;

	for (unsigned n = 4; n <= FS_CORES_MAX; n *= 4) {
		unsigned seen[FS_CORES_MAX] = { 0 };

		all_idle(n);
		for (unsigned i = 1; i < n; i++)
			needs(i, i % 2 ? FS_HELP_BUSY : FS_HELP_DESERTED, 100);
		for (unsigned i = 0; i < 3 * (n - 1); i++) {
			ck_assert_uint_eq(fs_policy_match(cores, samples, n, &turn, pairs, FS_CORES_MAX), 1);
			seen[pairs[0].victim]++;
		}
		for (unsigned i = 1; i < n; i++)
			ck_assert_msg(seen[i] == 3, "%u cores: victim %u had %u turns of 3", n, i, seen[i]);
	}
}
END_TEST

/* Any state of any number of cores. */
START_TEST(random_cores)
{
	struct unit_random rng = unit_random_from(SEED);
	unsigned turn = 0;

	for (int round = 0; round < 3000; round++) {
		unsigned n = 1 + unit_random_below(&rng, FS_CORES_MAX), max = unit_random_below(&rng, FS_CORES_MAX + 1);
		unsigned thieves = 0, wanted = 0, got;

		all_idle(n);
		for (unsigned i = 0; i < n; i++) {
			uint64_t bits = unit_random_next(&rng);

			cores[i].help = bits % 3 ? FS_HELP_NONE : (enum fs_help)(bits / 8 % 5);
			samples[i].queue = bits & 64 ? 0 : (uint32_t)(bits >> 8 & 15);
			samples[i].waiting = bits >> 16 & 1;
			samples[i].kicked = !(bits >> 17 & 7);
			samples[i].served = bits >> 20 & 7;
			samples[i].parked = !(bits >> 23 & 7);
			thieves += cores[i].help == FS_HELP_NONE && !samples[i].queue && samples[i].waiting &&
				   !samples[i].kicked && samples[i].served && !samples[i].parked;
			wanted += cores[i].help != FS_HELP_NONE ? samples[i].queue : 0;
		}
		got = fs_policy_match(cores, samples, n, &turn, pairs, max);
		check_pairs(n, got);
		wanted = wanted < thieves ? wanted : thieves;
		/* Without an idle one, those that may be idle. */
		ck_assert_msg(!thieves || got == (wanted < max ? wanted : max), "%u pairs of %u, at most %u, " UNIT_SEED_FMT, got, wanted, max, rng.seed);
		if (got)
			ck_assert_uint_lt(turn, n);
	}
}
END_TEST

/* Busy workers do not steal from busy ones; but who does not serve at all is helped by everybody. */
START_TEST(who_may_steal)
{
	ck_assert(fs_policy_may_steal(FS_HELP_NONE, FS_HELP_BUSY));
	ck_assert(!fs_policy_may_steal(FS_HELP_BUSY, FS_HELP_BUSY));
	ck_assert(!fs_policy_may_steal(FS_HELP_NONE, FS_HELP_NONE));
	for (int victim = FS_HELP_STUCK; victim <= FS_HELP_DESERTED; victim++)
		for (int own = FS_HELP_NONE; own <= FS_HELP_DESERTED; own++)
			ck_assert(fs_policy_may_steal((enum fs_help)own, (enum fs_help)victim));
}
END_TEST

/* Five of its own for each stolen one. */
START_TEST(five_to_one)
{
	unsigned turns = 0;

	for (uint32_t i = 0; i < 6000; i++)
		turns += fs_policy_steal_turn(i, 5);
	ck_assert_uint_eq(turns, 1000);
	ck_assert(!fs_policy_steal_turn(0, 5));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("policy_match");
	TCase *tc = tcase_create("matching");

	tcase_add_test(tc, one_thief_a_connection);
	tcase_add_test(tc, who_is_no_thief);
	tcase_add_test(tc, perhaps_idle);
	tcase_add_test(tc, victims_take_turns);
	tcase_add_test(tc, random_cores);
	tcase_add_test(tc, who_may_steal);
	tcase_add_test(tc, five_to_one);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
