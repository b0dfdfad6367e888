/*
 * The steering compiler's promise, seen from the program: it says what its table says, for any
 * table, for every kind of packet, in the room that it is given; and flow groups, by which it divides, are even.
 */
#include "lib/unit.h"

#include <errno.h>

#include "steer_check.h"

#define SEED UINT64_C(0x5eed0003)

static void start_rng(void)
{
	rng = unit_random_from(SEED);
}

/*
 * Any table, not only one that the planner makes: rows of 1 to 8 segments, some
 * equal, some not, near and far.
 */
START_TEST(random_tables)
{
	for (unsigned round = 0; round < 60; round++) {
		unsigned n = 1 + unit_random_below(&rng, 256), lists = 1 + unit_random_below(&rng, 50);

		table.ncpus = n;
		table.nsegs = 0;
		table.otherwise = (uint16_t)unit_random_below(&rng, 20);
		for (unsigned cpu = 0; cpu < n; cpu++) {
			struct fs_steer_row *row = &table.row[cpu];
			unsigned copy = unit_random_below(&rng, cpu + lists);

			/* A row equal to an earlier one, in segments of its own. */
			row->first = table.nsegs;
			if (copy < cpu && round % 3) {
				row->count = table.row[copy].count;
				memcpy(&table.seg[row->first], &table.seg[table.row[copy].first],
				       row->count * sizeof(table.seg[0]));
			} else {
				row->count = unit_random_below(&rng, 2) ? 1 : 1 + unit_random_below(&rng, 8);
				for (uint32_t i = 0; i < row->count; i++) {
					unsigned from = i * (FS_FLOW_GROUPS / row->count);

					table.seg[row->first + i].end = (uint16_t)(from + 1 + unit_random_below(&rng, FS_FLOW_GROUPS / row->count));
					table.seg[row->first + i].listener = (uint16_t)unit_random_below(&rng, 256);
				}
				table.seg[row->first + row->count - 1].end = FS_FLOW_GROUPS;
			}
			table.nsegs += row->count;
		}
		check_program(8);
	}
}
END_TEST

/* Rows with the same segments share their code: hundreds of rows cost what their boundaries cost. */
START_TEST(equal_splits_share_code)
{
	static const struct fs_steer_seg list[2][4] = {
		{ { 1024, 1 }, { 2048, 2 }, { 3072, 3 }, { FS_FLOW_GROUPS, 4 } },
		{ { 500, 5 }, { 1000, 6 }, { 4000, 7 }, { FS_FLOW_GROUPS, 8 } },
	};
	int len;

	memset(&table, 0, sizeof(table));
	table.ncpus = 200;
	for (unsigned cpu = 0; cpu < table.ncpus; cpu++) {
		table.row[cpu] = (struct fs_steer_row){ table.nsegs, 4 };
		memcpy(&table.seg[table.nsegs], list[cpu % 2], sizeof(list[0]));
		table.nsegs += 4;
	}
	len = check_program(8);
	ck_assert_int_le(len, 200 + 60);
}
END_TEST

/* With less room than it needs it says so, and writes no further. */
START_TEST(room_is_kept_to)
{
	const struct sock_filter guard = { 0xbeef, 1, 2, 0xdeadbeef };
	int len;

	make_machine(40, 4, 2);
	for (unsigned cpu = 0; cpu < 40; cpu += 3)
		add_target(cpu);
	shuffle_listeners();
	ck_assert_int_eq(fs_steer_plan(&table, &topo, targets, ntargets, OTHERWISE, false), 0);
	len = check_program(2);
	for (int room = 0; room <= len; room++) {
		prog[room] = guard;
		ck_assert_int_eq(fs_steer_compile(&table, prog, (size_t)room), room == len ? len : -E2BIG);
		ck_assert_mem_eq(&prog[room], &guard, sizeof(guard));
	}
	check_program(2);
}
END_TEST

/*
 * Clients as they come: one host counting its ports up, in ones and in twos, and
 * hosts counted up. None of four workers is left behind.
 */
START_TEST(flow_groups_are_even)
{
	static const struct {
		uint32_t address_step;
		uint16_t port_step;
	} pattern[] = { { 0, 1 }, { 0, 2 }, { 1, 0 }, { 256, 0 }, { 65536, 0 }, { 1, 2 }, { 1, 1 } };
	const unsigned flows = 16000, parts = 4;

	for (size_t p = 0; p < FS_COUNT(pattern); p++) {
		unsigned share[4] = { 0 };

		for (unsigned i = 0; i < flows; i++) {
			unsigned group = fs_steer_flow_group(0x0a000001 + i * pattern[p].address_step,
							     (uint16_t)(32768 + i * pattern[p].port_step));

			ck_assert_uint_lt(group, FS_FLOW_GROUPS);
			share[group * parts / FS_FLOW_GROUPS]++;
		}
		for (unsigned i = 0; i < parts; i++)
			ck_assert_msg(share[i] > flows / parts * 9 / 10 && share[i] < flows / parts * 11 / 10,
				      "pattern %zu: part %u got %u of %u", p, i, share[i], flows);
	}
}
END_TEST

/* Both address and port count, in every kind of packet where the port can be seen. */
START_TEST(each_kind_of_packet)
{
	int len;

	make_machine(1, 1, 1);
	for (unsigned i = 0; i < 512; i++)
		add_target(0);
	ck_assert_int_eq(fs_steer_plan(&table, &topo, targets, ntargets, OTHERWISE, false), 0);
	len = compile_checked();
	for (int kind = 0; kind < CLIENT_KINDS; kind++) {
		for (unsigned words = 0; words <= 10; words++) {
			struct client c;

			for (unsigned i = 0; i < 100; i++) {
				make_client(&c, (enum client_kind)kind, words);
				ck_assert_uint_eq(bpf_interp_run(prog, (size_t)len, &c.packet, NULL), lookup(&table, 0, c.group));
			}
		}
	}
}
END_TEST

/* The checker that all this leans on refuses what the kernel refuses. */
START_TEST(checker_refuses)
{
	static const struct sock_filter bad[][2] = {
		{ BPF_STMT(BPF_LD | BPF_IMM, 1), BPF_STMT(BPF_LD | BPF_IMM, 1) },
		{ BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 0), BPF_STMT(BPF_RET | BPF_K, 0) },
		{ BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 32), BPF_STMT(BPF_RET | BPF_K, 0) },
		{ BPF_STMT(BPF_JMP | BPF_JA, 1), BPF_STMT(BPF_RET | BPF_K, 0) },
		{ BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 1, 0, 1), BPF_STMT(BPF_RET | BPF_K, 0) },
		{ BPF_STMT(BPF_LD | BPF_MEM, 3), BPF_STMT(BPF_RET | BPF_A, 0) },
		{ BPF_STMT(BPF_ST, BPF_MEMWORDS), BPF_STMT(BPF_RET | BPF_A, 0) },
		{ BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)SKF_AD_OFF + SKF_AD_MAX), BPF_STMT(BPF_RET | BPF_A, 0) },
		{ BPF_STMT(0xff, 0), BPF_STMT(BPF_RET | BPF_A, 0) },
	};

	for (size_t i = 0; i < FS_COUNT(bad); i++)
		ck_assert_msg(bpf_interp_check(bad[i], 2), "program %zu passes", i);
	ck_assert_ptr_nonnull(bpf_interp_check(bad[0], 0));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("steer program");
	TCase *tc = tcase_create("program");

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, start_rng, NULL);
	tcase_add_test(tc, random_tables);
	tcase_add_test(tc, equal_splits_share_code);
	tcase_add_test(tc, room_is_kept_to);
	tcase_add_test(tc, flow_groups_are_even);
	tcase_add_test(tc, each_kind_of_packet);
	tcase_add_test(tc, checker_refuses);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
