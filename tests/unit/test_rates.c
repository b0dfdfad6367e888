/*
 * Samples and their differences: what `fastsock stat --watch` and `fastsock top` say of
 * the time between two looks. A server may have been reloaded, replaced or be hostile
 * meanwhile; then a rate is unknown, never wrong.
 */
#include "lib/unit.h"

#include "cli/tree/rates.h"

#define CORES 2

static struct fs_sample_load loads[2][CORES];
static struct fs_sample_core cores[2][2][CORES];
static struct fs_sample_group groups[2][2];
static struct fs_sample before, now;
static struct fs_rates rates;

static void make(struct fs_sample *sample, unsigned which, uint64_t time_us)
{
	*sample = (struct fs_sample){.dev = 1, .ino = 2, .time_us = time_us, .ncores = CORES, .ngroups = 2,
				     .load = loads[which], .group = groups[which]};
	for (unsigned i = 0; i < CORES; i++)
		loads[which][i] = (struct fs_sample_load){.cpu = (uint16_t)(3 * i)};
	for (unsigned i = 0; i < 2; i++) {
		groups[which][i] = (struct fs_sample_group){.slot = i, .core = cores[which][i]};
		snprintf(groups[which][i].address, sizeof(groups[which][i].address), "127.0.0.1:%u", 80 + i);
		memset(cores[which][i], 0, sizeof(cores[which][i]));
	}
}

/* Half a second apart. */
static void setup(void)
{
	make(&before, 0, 1000000);
	make(&now, 1, 1500000);
}

static double local(unsigned group, unsigned core)
{
	fs_rates_set(&rates, &now, &before);
	return fs_rate_core(&rates, group, core, FS_CORE_accepted_local);
}

static bool is(double value, double expected)
{
	return value > expected - 1e-9 && value < expected + 1e-9;
}

START_TEST(differences_are_per_second)
{
	cores[0][1][1].counter[FS_CORE_accepted_local] = 100;
	cores[1][1][1].counter[FS_CORE_accepted_local] = 150;
	loads[0][0].counter[FS_LOAD_busy_us] = 7;
	loads[1][0].counter[FS_LOAD_busy_us] = 250007;
	loads[1][1].connect[FS_CONNECT_calls] = 1;
	loads[1][1].connect[FS_CONNECT_NCOUNTERS - 1] = 2;
	ck_assert(is(local(1, 1), 100));
	ck_assert(is(local(0, 1), 0));
	ck_assert(is(rates.seconds, 0.5));
	ck_assert(is(fs_rate_load(&rates, 0, FS_LOAD_busy_us), 500000));
	ck_assert(is(fs_rate_connect(&rates, 1, FS_CONNECT_calls), 2));
	ck_assert(is(fs_rate_connect(&rates, 1, FS_CONNECT_NCOUNTERS - 1), 4));
}
END_TEST

START_TEST(large_counters_keep_their_difference)
{
	cores[0][0][0].counter[FS_CORE_accepted_local] = UINT64_MAX - 10;
	cores[1][0][0].counter[FS_CORE_accepted_local] = UINT64_MAX;
	ck_assert(is(local(0, 0), 20));
}
END_TEST

START_TEST(a_counter_that_went_back_is_unknown)
{
	cores[0][0][0].counter[FS_CORE_accepted_local] = 5;
	cores[1][0][0].counter[FS_CORE_accepted_local] = 4;
	cores[1][0][1].counter[FS_CORE_accepted_local] = 4;
	ck_assert(is(local(0, 0), FS_RATE_UNKNOWN));
	/* The others are not touched by it. */
	ck_assert(is(local(0, 1), 8));
}
END_TEST

START_TEST(without_an_earlier_sample_all_is_unknown)
{
	fs_rates_set(&rates, &now, NULL);
	ck_assert_ptr_null(rates.before);
	ck_assert(is(fs_rate_core(&rates, 0, 0, FS_CORE_stolen), FS_RATE_UNKNOWN));
	ck_assert(is(fs_rate_load(&rates, 0, FS_LOAD_busy_us), FS_RATE_UNKNOWN));
	ck_assert(is(fs_rate_connect(&rates, 0, FS_CONNECT_calls), FS_RATE_UNKNOWN));
}
END_TEST

START_TEST(another_tree_has_no_rates)
{
	before.ino = 3;
	ck_assert(is(local(0, 0), FS_RATE_UNKNOWN));
	before.ino = 2;
	before.dev = 7;
	ck_assert(is(local(0, 0), FS_RATE_UNKNOWN));
	before.dev = 1;
	ck_assert(is(local(0, 0), 0));
}
END_TEST

START_TEST(no_time_no_rate)
{
	before.time_us = now.time_us;
	ck_assert(is(local(0, 0), FS_RATE_UNKNOWN));
	before.time_us = now.time_us + 1;
	ck_assert(is(local(0, 0), FS_RATE_UNKNOWN));
}
END_TEST

/* A slot that another listener has now, one that was not there, and one that is elsewhere in the list. */
START_TEST(groups_are_known_by_slot_and_address)
{
	snprintf(groups[1][0].address, sizeof(groups[1][0].address), "[::]:80");
	cores[0][1][0].counter[FS_CORE_accepted_local] = 1;
	cores[1][1][0].counter[FS_CORE_accepted_local] = 2;
	ck_assert(is(local(0, 0), FS_RATE_UNKNOWN));
	ck_assert(is(local(1, 0), 2));

	setup();
	before.ngroups = 1;
	ck_assert(is(local(0, 0), 0));
	ck_assert(is(local(1, 0), FS_RATE_UNKNOWN));

	setup();
	cores[1][1][0].counter[FS_CORE_accepted_local] = 3;
	now.group = &groups[1][1];
	now.ngroups = 1;
	ck_assert(is(local(0, 0), 6));
}
END_TEST

START_TEST(cores_that_were_not_there_are_unknown)
{
	before.ncores = 1;
	cores[1][0][0].counter[FS_CORE_accepted_local] = 1;
	cores[1][0][1].counter[FS_CORE_accepted_local] = 1;
	ck_assert(is(local(0, 0), 2));
	ck_assert(is(local(0, 1), FS_RATE_UNKNOWN));
	ck_assert(is(fs_rate_load(&rates, 1, FS_LOAD_busy_us), FS_RATE_UNKNOWN));
	/* Beyond what there is now, also if there was more before. */
	before.ncores = CORES;
	now.ncores = 1;
	ck_assert(is(local(0, 1), FS_RATE_UNKNOWN));
	/* The same place, another CPU. */
	now.ncores = CORES;
	loads[1][1].cpu = 4;
	ck_assert(is(local(0, 1), FS_RATE_UNKNOWN));
	ck_assert(is(local(0, 0), 2));
}
END_TEST

START_TEST(samples_are_found_by_their_tree)
{
	struct fs_sample both[2] = {before, now};

	both[1].ino = 9;
	ck_assert_ptr_eq(fs_sample_find(both, 2, 1, 9), &both[1]);
	ck_assert_ptr_eq(fs_sample_find(both, 2, 1, 2), &both[0]);
	ck_assert_ptr_null(fs_sample_find(both, 2, 1, 3));
	ck_assert_ptr_null(fs_sample_find(NULL, 0, 1, 2));
}
END_TEST

START_TEST(shares_and_sums_know_the_unknown)
{
	ck_assert(is(fs_rate_share(1, 4), 0.25));
	/* The counters are not read at one instant. */
	ck_assert(is(fs_rate_share(5, 4), 1));
	ck_assert(is(fs_rate_share(0, 0), FS_RATE_UNKNOWN));
	ck_assert(is(fs_rate_share(FS_RATE_UNKNOWN, 4), FS_RATE_UNKNOWN));
	ck_assert(is(fs_rate_share(1, FS_RATE_UNKNOWN), FS_RATE_UNKNOWN));
	ck_assert(is(fs_rate_add(FS_RATE_UNKNOWN, FS_RATE_UNKNOWN), FS_RATE_UNKNOWN));
	ck_assert(is(fs_rate_add(FS_RATE_UNKNOWN, 2), 2));
	ck_assert(is(fs_rate_add(2, FS_RATE_UNKNOWN), 2));
	ck_assert(is(fs_rate_add(2, 3), 5));
}
END_TEST

/* The table says of each metric once what it is, in its first row. */
static void check_table(const struct fs_counter *table, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		bool first = !i || strcmp(table[i].metric, table[i - 1].metric);

		ck_assert_msg(first == (table[i].help != NULL), "%s: help where it does not belong, or none", table[i].key);
		ck_assert_msg(table[i].divisor != 0, "%s: no divisor", table[i].key);
		for (unsigned j = 0; first && j < i; j++)
			ck_assert_msg(strcmp(table[i].metric, table[j].metric), "%s: rows apart", table[i].metric);
	}
}

START_TEST(the_table_of_counters_is_whole)
{
	check_table(fs_core_counter, FS_CORE_NCOUNTERS);
	check_table(fs_load_counter, FS_LOAD_NCOUNTERS);
	check_table(fs_connect_counter, FS_CONNECT_NCOUNTERS);
	ck_assert_str_eq(fs_connect_counter[FS_CONNECT_fallback].key, "route");
	ck_assert_uint_eq(FS_CONNECT_NCOUNTERS - FS_CONNECT_fallback, FS_FALLBACKS - 1);
	ck_assert_ptr_nonnull(fs_connect_counter[FS_CONNECT_NCOUNTERS - 1].key);
	ck_assert_str_eq(fs_help_name(FS_HELP_DESERTED), "deserted");
	ck_assert_str_eq(fs_help_name(99), "unknown");
}
END_TEST

int main(void)
{
	Suite *s = suite_create("rates");
	TCase *tc = tcase_create("two samples");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, differences_are_per_second);
	tcase_add_test(tc, large_counters_keep_their_difference);
	tcase_add_test(tc, a_counter_that_went_back_is_unknown);
	tcase_add_test(tc, without_an_earlier_sample_all_is_unknown);
	tcase_add_test(tc, another_tree_has_no_rates);
	tcase_add_test(tc, no_time_no_rate);
	tcase_add_test(tc, groups_are_known_by_slot_and_address);
	tcase_add_test(tc, cores_that_were_not_there_are_unknown);
	tcase_add_test(tc, samples_are_found_by_their_tree);
	tcase_add_test(tc, shares_and_sums_know_the_unknown);
	tcase_add_test(tc, the_table_of_counters_is_whole);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
