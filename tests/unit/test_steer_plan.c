/*
 * The steering compiler's promise, seen from the machine: the table gives each worker its even share of
 * what is near it, and the program that goes into the kernel says the same as the
 * table, for any machine of 1 to 256 CPUs and beyond. Tables of no machine are test_steer_program.c's.
 */
#include "lib/unit.h"

#include <errno.h>

#include "steer_check.h"

#define SEED UINT64_C(0x5eed0001)

static void start_rng(void)
{
	rng = unit_random_from(SEED);
}

/* --- the plan's evenness --- */

enum { NEAR_CACHE, NEAR_NODE, NEAR_ALL };

static bool near(int level, unsigned a, unsigned b)
{
	return level == NEAR_CACHE ? topo.cache[a] == topo.cache[b] : level == NEAR_NODE ? topo.node[a] == topo.node[b] : true;
}

/* The nearest level at which the CPU has a target. */
static int level_of(unsigned cpu)
{
	for (int level = NEAR_CACHE; level < NEAR_ALL; level++)
		for (size_t i = 0; i < ntargets; i++)
			if (near(level, targets[i].cpu, cpu))
				return level;
	return NEAR_ALL;
}

/*
 * Listeners are distinct here. Each set of CPUs that share out the same
 * targets gives each of those targets the same number of flow groups, one more
 * or less, and nobody else any.
 */
static void check_even(void)
{
	static unsigned share[FS_CPUS_MAX + 1];
	static bool done[FS_CPUS_MAX];
	static int level[FS_CPUS_MAX];

	memset(done, 0, sizeof(done));
	for (unsigned cpu = 0; cpu < table.ncpus; cpu++)
		level[cpu] = is_target_cpu(cpu) ? -1 : level_of(cpu);
	for (unsigned cpu = 0; cpu < table.ncpus; cpu++) {
		bool owned = level[cpu] < 0;
		unsigned cpus = 0, split = 0, takers = 0, least, most = 0;

		if (done[cpu])
			continue;
		memset(share, 0, sizeof(share));
		if (!owned && (cpu >= topo.ncpus || !topo.possible[cpu] || !ntargets)) {
			ck_assert_uint_eq(table.row[cpu].count, 1);
			ck_assert_uint_eq(table.seg[table.row[cpu].first].listener, OTHERWISE);
			continue;
		}
		for (unsigned other = cpu; other < table.ncpus; other++) {
			if (owned ? other != cpu
				  : level[other] != level[cpu] || other >= topo.ncpus || !topo.possible[other] ||
					    !near(level[cpu], cpu, other))
				continue;
			done[other] = true;
			tally(share, other);
			cpus++;
			split += table.row[other].count > 1;
		}
		least = cpus * FS_FLOW_GROUPS;
		for (size_t i = 0; i < ntargets; i++) {
			unsigned *s = &share[targets[i].listener];

			if (owned ? targets[i].cpu != cpu : !near(level[cpu], targets[i].cpu, cpu))
				continue;
			takers++;
			least = *s < least ? *s : least;
			most = *s > most ? *s : most;
			*s = 0;
		}
		for (size_t i = 0; i < FS_COUNT(share); i++)
			if (share[i])
				ck_abort_msg("CPU %u: listener %zu is not near and got %u, " UNIT_SEED_FMT, cpu, i, share[i], rng.seed);
		if (most - least > 1)
			ck_abort_msg("CPU %u (%u CPUs, %u targets): shares from %u to %u, " UNIT_SEED_FMT, cpu, cpus, takers,
				     least, most, rng.seed);
		/* Whole CPUs first: only what does not go round is split. */
		if (!owned && split > cpus % takers)
			ck_abort_msg("CPU %u: %u of %u CPUs are split for %u targets, " UNIT_SEED_FMT, cpu, split, cpus, takers, rng.seed);
	}
}

static int check_plan(unsigned packets)
{
	ck_assert_int_eq(fs_steer_plan(&table, &topo, targets, ntargets, OTHERWISE, false), 0);
	check_even();
	return check_program(packets);
}

/* --- tests --- */

START_TEST(no_target_at_all)
{
	make_machine(64, 4, 2);
	ck_assert_int_eq(check_plan(2), 1);
	ck_assert_uint_eq(prog[0].code, BPF_RET | BPF_K);
	ck_assert_uint_eq(prog[0].k, OTHERWISE);
	/* A machine about which nothing is known. */
	make_machine(0, 1, 1);
	ck_assert_int_eq(check_plan(2), 1);
}
END_TEST

/* One worker a CPU is the common case and must be the shortest program. */
START_TEST(identity_is_minimal)
{
	for (unsigned n = 2; n <= 256; n++) {
		make_machine(n, 1, 1);
		for (unsigned cpu = 0; cpu < n; cpu++)
			add_target(cpu);
		/* ld cpu; beyond the table?; add #1; ret a; ret #otherwise */
		ck_assert_int_eq(check_plan(1), 5);
		for (size_t i = 0; i < ntargets; i++)
			targets[i].listener--;
		ck_assert_int_eq(check_plan(1), 4);
	}
}
END_TEST

/* Two workers for a large machine: a boundary for each CPU, and returns that are shared. */
START_TEST(dealt_in_turn_is_small)
{
	make_machine(256, 1, 1);
	add_target(0);
	add_target(1);
	ck_assert_int_le(check_plan(2), 256 + 20);
}
END_TEST

/* CPU numbers with a hole: two runs, two sums. */
START_TEST(runs_around_a_hole)
{
	make_machine(96, 1, 1);
	for (unsigned cpu = 0; cpu < 96; cpu++) {
		topo.possible[cpu] = cpu < 32 || cpu >= 64;
		if (topo.possible[cpu])
			add_target(cpu);
	}
	ck_assert_int_le(check_plan(2), 11);
}
END_TEST

static void each_machine_size(unsigned ncpus)
{
	static const struct {
		unsigned caches, nodes;
	} shape[] = { { 1, 1 }, { 2, 1 }, { 8, 4 } };

	for (size_t s = 0; s < FS_COUNT(shape); s++) {
		/* One target, at either end and in the middle. */
		for (unsigned where = 0; where < 3; where++) {
			make_machine(ncpus, shape[s].caches, shape[s].nodes);
			add_target(where * (ncpus - 1) / 2);
			check_plan(1);
		}
		/* Every CPU, every second, every third, every seventh; the first half alone. */
		for (unsigned step = 1; step <= 7; step += step < 3 ? 1 : 4) {
			make_machine(ncpus, shape[s].caches, shape[s].nodes);
			for (unsigned cpu = 0; cpu < ncpus; cpu += step)
				add_target(cpu);
			check_plan(1);
			shuffle_listeners();
			check_plan(1);
		}
		make_machine(ncpus, shape[s].caches, shape[s].nodes);
		for (unsigned cpu = 0; cpu < (ncpus + 1) / 2; cpu++)
			add_target(cpu);
		check_plan(1);
		/* Two workers a CPU, and one more on some. */
		make_machine(ncpus, shape[s].caches, shape[s].nodes);
		for (unsigned i = 0; i < 2 * ncpus + ncpus / 3; i++)
			add_target(i % ncpus);
		shuffle_listeners();
		check_plan(1);
	}
}

START_TEST(every_size)
{
	/* A slice of the sizes each, so that each slice has its own time limit. */
	for (unsigned ncpus = (unsigned)_i + 1; ncpus <= 256; ncpus += 8)
		each_machine_size(ncpus);
}
END_TEST

START_TEST(beyond_256)
{
	static const unsigned size[] = { 257, 300, 511, 512, 513, 640 };

	for (size_t i = 0; i < FS_COUNT(size); i++) {
		make_machine(size[i], 16, 4);
		for (unsigned cpu = 0; cpu < size[i]; cpu++)
			add_target(cpu);
		shuffle_listeners();
		check_plan(1);
	}
	make_machine(FS_CPUS_MAX, 64, 8);
	for (unsigned cpu = 0; cpu < FS_CPUS_MAX; cpu++)
		add_target(cpu);
	ck_assert_int_eq(check_plan(1), 5);
	/* More leaves than the kernel takes instructions. */
	shuffle_listeners();
	ck_assert_int_eq(fs_steer_plan(&table, &topo, targets, ntargets, OTHERWISE, false), 0);
	ck_assert_int_eq(fs_steer_compile(&table, prog, PROG_MAX), -E2BIG);
}
END_TEST

START_TEST(permutation_of_256_is_small)
{
	for (unsigned round = 0; round < 20; round++) {
		int len;

		make_machine(256, 32, 4);
		for (unsigned cpu = 0; cpu < 256; cpu++)
			add_target(cpu);
		shuffle_listeners();
		len = check_plan(1);
		ck_assert_int_le(len, 540);
		ck_assert_uint_le(bpf_interp_ebpf_len(prog, (size_t)len) * 8 + BPF_PROG_HEAD, OPTMEM_OLD);
	}
}
END_TEST

/*
 * 255 listeners for 256 CPUs in one neighbourhood: the last CPU is split 255 ways,
 * and still the program fits.
 */
START_TEST(widest_split)
{
	int len;

	make_machine(256, 1, 1);
	for (unsigned cpu = 0; cpu < 255; cpu++)
		add_target(cpu);
	shuffle_listeners();
	len = check_plan(200);
	ck_assert_uint_le(bpf_interp_ebpf_len(prog, (size_t)len) * 8 + BPF_PROG_HEAD, OPTMEM_OLD);
}
END_TEST

/* Holes, offline CPUs about which sysfs says nothing, targets anywhere, several on a CPU. */
START_TEST(random_machines)
{
	for (unsigned round = 0; round < 60; round++) {
		unsigned n = 1 + unit_random_below(&rng, 256);
		unsigned caches = 1 + unit_random_below(&rng, 16), holes = unit_random_below(&rng, 4);
		unsigned offline = unit_random_below(&rng, 4), want = unit_random_below(&rng, n + n / 4 + 1);

		make_machine(n, caches, 1 + unit_random_below(&rng, 4));
		for (unsigned cpu = 0; cpu < n; cpu++) {
			/* Sibling threads are often numbered n/2 apart. */
			if (round % 2)
				topo.cache[cpu] = (uint16_t)(cpu % caches);
			if (holes && unit_random_below(&rng, 8) < holes)
				topo.possible[cpu] = 0;
			if (offline && unit_random_below(&rng, 8) < offline)
				topo.cache[cpu] = topo.node[cpu] = FS_TOPOLOGY_UNKNOWN;
		}
		while (ntargets < want)
			add_target(unit_random_below(&rng, n));
		shuffle_listeners();
		check_plan(3);
	}
}
END_TEST

/*
 * Locality: who has a target behind its cache never goes farther, who has one on
 * its node never leaves that.
 */
START_TEST(nearest_first)
{
	make_machine(32, 8, 4);
	add_target(1);  /* cache 0, node 0: listener 1 */
	add_target(9);  /* cache 2, node 1: listener 2 */
	add_target(13); /* cache 3, node 1: listener 3 */
	check_plan(4);
	for (unsigned cpu = 0; cpu < 8; cpu++)
		ck_assert_uint_eq(lookup(&table, cpu, 0), 1);
	for (unsigned cpu = 8; cpu < 12; cpu++)
		ck_assert_uint_eq(lookup(&table, cpu, 4095), 2);
	for (unsigned cpu = 12; cpu < 16; cpu++)
		ck_assert_uint_eq(lookup(&table, cpu, 4095), 3);
}
END_TEST

START_TEST(unowned_go_to_otherwise_when_asked)
{
	make_machine(16, 2, 1);
	add_target(3);
	add_target(3);
	add_target(9);
	ck_assert_int_eq(fs_steer_plan(&table, &topo, targets, ntargets, 77, true), 0);
	check_program(8);
	for (unsigned cpu = 0; cpu < 20; cpu++) {
		unsigned want = cpu == 3 ? 1 : cpu == 9 ? 3 : 77;

		ck_assert_uint_eq(lookup(&table, cpu, 0), want);
	}
	ck_assert_uint_eq(lookup(&table, 3, 4095), 2);
}
END_TEST

/* A worker may be pinned to a CPU that sysfs did not name. */
START_TEST(target_outside_the_topology)
{
	make_machine(4, 1, 1);
	add_target(0);
	add_target(7);
	check_plan(4);
	ck_assert_uint_eq(table.ncpus, 8);
	ck_assert_uint_eq(lookup(&table, 7, 0), 2);
	ck_assert_uint_eq(lookup(&table, 5, 0), OTHERWISE);
	targets[1].cpu = FS_CPUS_MAX;
	ck_assert_int_eq(fs_steer_plan(&table, &topo, targets, ntargets, OTHERWISE, false), -E2BIG);
}
END_TEST

START_TEST(more_targets_than_flow_groups)
{
	static struct fs_steer_target many[FS_FLOW_GROUPS + 1];

	make_machine(2, 1, 1);
	ck_assert_int_eq(fs_steer_plan(&table, &topo, many, FS_FLOW_GROUPS + 1, OTHERWISE, false), -E2BIG);
	ck_assert_int_eq(fs_steer_plan_hash(&table, many, FS_FLOW_GROUPS + 1, OTHERWISE), -E2BIG);
	ck_assert_int_eq(fs_steer_plan(&table, &topo, many, FS_FLOW_GROUPS, OTHERWISE, false), 0);
	check_table();
	ck_assert_int_eq(fs_steer_plan_hash(&table, many, FS_FLOW_GROUPS, OTHERWISE), 0);
	check_table();
}
END_TEST

START_TEST(hash_plan)
{
	static unsigned share[FS_CPUS_MAX + 1];

	for (unsigned n = 0; n <= 256; n += n < 8 ? 1 : 31) {
		int len;

		make_machine(1, 1, 1);
		for (unsigned i = 0; i < n; i++)
			add_target(i);
		shuffle_listeners();
		ck_assert_int_eq(fs_steer_plan_hash(&table, targets, ntargets, 9999), 0);
		memset(share, 0, sizeof(share));
		for (unsigned group = 0; group < FS_FLOW_GROUPS && n; group++) {
			ck_assert_uint_eq(lookup(&table, 0, group), lookup(&table, FS_CPUS_MAX - 1, group));
			share[lookup(&table, 0, group)]++;
		}
		for (unsigned i = 1; i <= n; i++)
			ck_assert_msg(share[i] == FS_FLOW_GROUPS / n || share[i] == (FS_FLOW_GROUPS + n - 1) / n,
				      "%u targets: one gets %u flow groups", n, share[i]);
		len = check_program(1);
		/* One search, not one for each CPU. */
		ck_assert_int_le(len, (int)(25 + 3 * n));
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("steer plan");
	TCase *tc = tcase_create("plan");

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, start_rng, NULL);
	tcase_add_test(tc, no_target_at_all);
	tcase_add_test(tc, identity_is_minimal);
	tcase_add_test(tc, dealt_in_turn_is_small);
	tcase_add_test(tc, runs_around_a_hole);
	tcase_add_loop_test(tc, every_size, 0, 8);
	tcase_add_test(tc, beyond_256);
	tcase_add_test(tc, permutation_of_256_is_small);
	tcase_add_test(tc, widest_split);
	tcase_add_test(tc, random_machines);
	tcase_add_test(tc, nearest_first);
	tcase_add_test(tc, unowned_go_to_otherwise_when_asked);
	tcase_add_test(tc, target_outside_the_topology);
	tcase_add_test(tc, more_targets_than_flow_groups);
	tcase_add_test(tc, hash_plan);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
