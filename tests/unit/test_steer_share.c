/*
 * Shares of a CPU's flow groups that go to other listeners. The promises: each gets as
 * much as it gains, nothing is lost, the program in the kernel says the same, few
 * segments are needed for it, and a little more given away moves little. 2 to 256 CPUs.
 */
#include "lib/unit.h"

#include "steer_check.h"

#define SEED UINT64_C(0x5eed0002)

static void start_rng(void)
{
	rng = unit_random_from(SEED);
}

/* Flow groups of all CPUs with targets that each listener gets. */
static const unsigned *tally_owned(void)
{
	static unsigned share[FS_CPUS_MAX + 1];

	memset(share, 0, sizeof(share));
	for (unsigned cpu = 0; cpu < table.ncpus; cpu++)
		if (is_target_cpu(cpu))
			tally(share, cpu);
	return share;
}

/* How many flow groups go elsewhere now than in `before`. */
static unsigned changes_from(const struct fs_steer_table *before)
{
	unsigned n = 0;

	for (unsigned cpu = 0; cpu < table.ncpus; cpu++)
		for (unsigned group = 0; group < FS_FLOW_GROUPS; group++)
			n += lookup(before, cpu, group) != lookup(&table, cpu, group);
	return n;
}

/* One target a CPU, what is gained is what is given away: each gets exactly that, and the kernel the same. */
static void check_shares(unsigned packets)
{
	const unsigned *share;
	size_t cuts = 0, segs = 0;

	ck_assert_int_eq(fs_steer_plan(&table, &topo, targets, ntargets, OTHERWISE, false), 0);
	share = tally_owned();
	for (size_t i = 0; i < ntargets; i++) {
		unsigned want = FS_FLOW_GROUPS - targets[i].away + targets[i].gain;

		if (share[targets[i].listener] != want)
			ck_abort_msg("%zu targets: listener %u of CPU %u has %u flow groups, not %u, " UNIT_SEED_FMT, ntargets,
				     targets[i].listener, targets[i].cpu, share[targets[i].listener], want, rng.seed);
	}
	/* One more segment for each CPU that gives and each that gains, and no others. */
	for (size_t i = 0; i < ntargets; i++) {
		cuts += (targets[i].away > 0) + (targets[i].gain > 0);
		segs += table.row[targets[i].cpu].count;
	}
	ck_assert_uint_le(segs, ntargets + cuts);
	check_program(packets);
}

/* One CPU gets everything, and all others take their parts of it: 2 to 256 cores. */
START_TEST(one_cpu_feeds_all)
{
	for (unsigned n = 2; n <= 256; n += n < 16 ? 1 : 48) {
		unsigned away;

		make_machine(n, 1, 1);
		for (unsigned cpu = 0; cpu < n; cpu++)
			add_target(cpu);
		shuffle_listeners();
		away = FS_FLOW_GROUPS - FS_FLOW_GROUPS / n;
		targets[n / 2].away = (uint16_t)away;
		for (unsigned i = 0, taken = 0, cpu = 0; cpu < n; cpu++) {
			if (cpu == n / 2)
				continue;
			targets[cpu].gain = (uint16_t)(away * (i + 1) / (n - 1) - taken);
			taken += targets[cpu].gain;
			i++;
		}
		check_shares(n > 64 ? 4 : 16);
		/* The whole of it. */
		targets[n / 2].away = FS_FLOW_GROUPS;
		targets[n / 2 ? 0 : 1].gain = (uint16_t)(targets[n / 2 ? 0 : 1].gain + FS_FLOW_GROUPS - away);
		check_shares(4);
		ck_assert_uint_le(bpf_interp_ebpf_len(prog, (size_t)compile_checked()) * 8 + BPF_PROG_HEAD, OPTMEM_OLD);
	}
}
END_TEST

/* Any part of any CPU, as long as somebody takes it. */
START_TEST(random_shares)
{
	for (unsigned round = 0; round < 60; round++) {
		unsigned n = 2 + unit_random_below(&rng, 255), left = 0;

		make_machine(n, 1 + unit_random_below(&rng, 16), 1 + unit_random_below(&rng, 4));
		for (unsigned cpu = 0; cpu < n; cpu++) {
			/* Some CPUs without a target: they are dealt out as ever. */
			if (unit_random_below(&rng, 8) || ntargets < 2)
				add_target(cpu);
		}
		shuffle_listeners();
		for (size_t i = 0; i < ntargets; i++) {
			if (unit_random_below(&rng, 4))
				continue;
			targets[i].away = (uint16_t)unit_random_below(&rng, FS_FLOW_GROUPS + 1);
			left += targets[i].away;
		}
		for (size_t i = 0; left; i = (i + 1) % ntargets) {
			unsigned some = unit_random_below(&rng, (left < FS_FLOW_GROUPS ? left : FS_FLOW_GROUPS) + 1);

			/* A gain is a weight as well, and may be more than a CPU's; but not than it can hold. */
			if (targets[i].gain + some > UINT16_MAX)
				continue;

			targets[i].gain = (uint16_t)(targets[i].gain + some);
			left -= some;
		}
		check_shares(3);
	}
}
END_TEST

/* Weights that do not sum up to what is given away: in proportion, whatever they are. */
START_TEST(gains_are_weights)
{
	static const struct {
		uint16_t away, gain[3], want[3];
	} is[] = {
		{ 1024, { 1, 1, 2 }, { 256, 256, 512 } },
		{ 4096, { 65535, 65535, 65535 }, { 1365, 1365, 1366 } },
		{ 3, { 4000, 0, 4000 }, { 1, 0, 2 } },
		{ 60000, { 0, 5, 0 }, { 0, 4096, 0 } },
	};

	for (size_t i = 0; i < FS_COUNT(is); i++) {
		const unsigned *share;

		make_machine(4, 1, 1);
		for (unsigned cpu = 0; cpu < 4; cpu++)
			add_target(cpu);
		targets[0].away = is[i].away;
		for (unsigned k = 0; k < 3; k++)
			targets[k + 1].gain = is[i].gain[k];
		ck_assert_int_eq(fs_steer_plan(&table, &topo, targets, ntargets, OTHERWISE, false), 0);
		check_program(50);
		share = tally_owned();
		for (unsigned k = 0; k < 3; k++)
			ck_assert_uint_eq(share[k + 2], FS_FLOW_GROUPS + is[i].want[k]);
	}
}
END_TEST

/* Steering passes by the only ones that gain: then nothing goes away, or it would go nowhere. */
START_TEST(nobody_gains)
{
	static struct fs_steer_table plain;

	make_machine(8, 2, 1);
	for (unsigned cpu = 0; cpu < 6; cpu++)
		add_target(cpu);
	ck_assert_int_eq(fs_steer_plan(&plain, &topo, targets, ntargets, OTHERWISE, false), 0);
	for (unsigned i = 0; i < 6; i++)
		targets[i].away = 4000;
	ck_assert_int_eq(fs_steer_plan(&table, &topo, targets, ntargets, OTHERWISE, false), 0);
	check_program(4);
	ck_assert_uint_eq(changes_from(&plain), 0);
	/* The hash does not know of CPUs, so it knows of no shares. */
	targets[2].gain = 4096;
	ck_assert_int_eq(fs_steer_plan_hash(&table, targets, ntargets, OTHERWISE), 0);
	for (unsigned i = 0; i < 6; i++)
		targets[i].away = targets[i].gain = 0;
	ck_assert_int_eq(fs_steer_plan_hash(&plain, targets, ntargets, OTHERWISE), 0);
	ck_assert_uint_eq(changes_from(&plain), 0);
}
END_TEST

/* Two workers share a CPU: each gives of its half. */
START_TEST(two_on_a_cpu_give)
{
	const unsigned *share;

	make_machine(3, 1, 1);
	add_target(0);
	add_target(0);
	add_target(1);
	add_target(2);
	targets[0].away = targets[1].away = 1024;
	targets[3].gain = 1024;
	ck_assert_int_eq(fs_steer_plan(&table, &topo, targets, ntargets, OTHERWISE, false), 0);
	check_program(50);
	share = tally_owned();
	ck_assert_uint_eq(share[1], 1536);
	ck_assert_uint_eq(share[2], 1536);
	ck_assert_uint_eq(share[3], 4096);
	ck_assert_uint_eq(share[4], 5120);
	/* One of them gives all that it has. */
	targets[0].away = 4096;
	targets[1].away = 0;
	ck_assert_int_eq(fs_steer_plan(&table, &topo, targets, ntargets, OTHERWISE, false), 0);
	check_program(50);
	share = tally_owned();
	ck_assert_uint_eq(share[1], 0);
	ck_assert_uint_eq(share[2], 2048);
	ck_assert_uint_eq(share[4], 6144);
}
END_TEST

/* The same input gives the same plan, and a little more given away moves little: clients keep their worker. */
START_TEST(small_steps_move_little)
{
	static struct fs_steer_table before;

	for (unsigned n = 2; n <= 256; n *= 2) {
		make_machine(n, 1, 1);
		for (unsigned cpu = 0; cpu < n; cpu++)
			add_target(cpu);
		targets[0].away = (uint16_t)(FS_FLOW_GROUPS / 2);
		targets[n - 1].gain = (uint16_t)(FS_FLOW_GROUPS / 2);
		for (unsigned step = 0; step < 8; step++) {
			ck_assert_int_eq(fs_steer_plan(&before, &topo, targets, ntargets, OTHERWISE, false), 0);
			ck_assert_int_eq(fs_steer_plan(&table, &topo, targets, ntargets, OTHERWISE, false), 0);
			ck_assert_uint_eq(changes_from(&before), 0);
			/* To one that takes already, or to a new one. */
			targets[0].away += 64;
			targets[step % 2 || n < 4 ? n - 1 : 1 + step % (n - 1)].gain += 64;
			ck_assert_int_eq(fs_steer_plan(&table, &topo, targets, ntargets, OTHERWISE, false), 0);
			ck_assert_uint_le(changes_from(&before), 64 * 8);
			ck_assert_uint_ge(changes_from(&before), 64);
		}
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("steer_share");
	TCase *tc = tcase_create("shares");

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, start_rng, NULL);
	tcase_add_test(tc, one_cpu_feeds_all);
	tcase_add_test(tc, random_shares);
	tcase_add_test(tc, gains_are_weights);
	tcase_add_test(tc, nobody_gains);
	tcase_add_test(tc, two_on_a_cpu_give);
	tcase_add_test(tc, small_steps_move_little);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
