/*
 * The steering compiler's promise: the program that goes into the kernel says
 * the same as the table, for any machine of 1 to 256 CPUs and beyond, and the
 * table gives each worker its even share of what is near it. The programs are
 * run by an interpreter of their own (tests/lib/bpf_interp.c), over packets
 * with and without IPv4 options and IPv6 extension headers.
 */
#include "lib/unit.h"

#include <errno.h>

#include "core/steer.h"
#include "lib/bpf_interp.h"

#define SEED UINT64_C(0x5eed0001)
#define PROG_MAX BPF_MAXINSNS
#define OTHERWISE 0
/*
 * net.core.optmem_max for long, and what the kernel adds to a program: struct
 * bpf_prog, 64 bytes of it at most.
 */
#define OPTMEM_OLD 20480
#define BPF_PROG_HEAD 64

static struct fs_steer_table table;
static struct fs_topology topo;
static struct fs_steer_target targets[FS_CPUS_MAX];
static size_t ntargets;
static struct sock_filter prog[PROG_MAX + 1];
static struct unit_random rng;

static void start_rng(void)
{
	rng = unit_random_from(SEED);
}

/* --- what the table says, read without the compiler --- */

static unsigned lookup(const struct fs_steer_table *t, unsigned cpu, unsigned group)
{
	const struct fs_steer_row *row;

	if (cpu >= t->ncpus)
		return t->otherwise;
	row = &t->row[cpu];
	for (uint32_t i = row->first; i < row->first + row->count; i++)
		if (group < t->seg[i].end)
			return t->seg[i].listener;
	ck_abort_msg("row %u ends before flow group %u, " UNIT_SEED_FMT, cpu, group, rng.seed);
	return 0;
}

static void check_table(void)
{
	for (unsigned cpu = 0; cpu < table.ncpus; cpu++) {
		const struct fs_steer_row *row = &table.row[cpu];
		unsigned end = 0;

		if (!row->count || row->first > table.nsegs || row->count > table.nsegs - row->first)
			ck_abort_msg("row %u: segments %u + %u of %u", cpu, row->first, row->count, table.nsegs);
		for (uint32_t i = row->first; i < row->first + row->count; i++) {
			if (table.seg[i].end <= end)
				ck_abort_msg("row %u: a segment is empty", cpu);
			end = table.seg[i].end;
		}
		if (end != FS_FLOW_GROUPS)
			ck_abort_msg("row %u ends at flow group %u", cpu, end);
	}
}

/* --- packets --- */

struct client {
	uint8_t bytes[160];
	struct bpf_packet packet;
	unsigned group;
};

enum client_kind { CLIENT_IP4, CLIENT_IP6, CLIENT_IP6_EXTENSION, CLIENT_KINDS };

static void make_client(struct client *c, enum client_kind kind, unsigned option_words)
{
	size_t ip_len, tcp_at;
	const uint8_t *low;
	uint16_t port;

	for (size_t i = 0; i < sizeof(c->bytes); i++)
		c->bytes[i] = (uint8_t)unit_random_next(&rng);
	if (kind == CLIENT_IP4) {
		ip_len = tcp_at = 20 + 4 * option_words;
		c->bytes[0] = (uint8_t)(0x40 | (5 + option_words));
		c->bytes[9] = 6;
		low = c->bytes + 12;
	} else {
		ip_len = 40;
		tcp_at = ip_len + (kind == CLIENT_IP6_EXTENSION ? 8 * (1 + option_words) : 0);
		c->bytes[0] = (uint8_t)(0x60 | (c->bytes[0] & 0xf));
		c->bytes[6] = kind == CLIENT_IP6_EXTENSION ? 60 : 6;
		c->bytes[40] = 6;
		low = c->bytes + 20;
	}
	port = (uint16_t)(c->bytes[tcp_at] << 8 | c->bytes[tcp_at + 1]);
	if (kind == CLIENT_IP6_EXTENSION)
		port = 0;
	c->group = fs_steer_flow_group((uint32_t)low[0] << 24 | (uint32_t)low[1] << 16 | (uint32_t)low[2] << 8 | low[3], port);
	memset(&c->packet, 0, sizeof(c->packet));
	c->packet.net = c->bytes;
	c->packet.data = c->packet.net_len = tcp_at + 20;
}

static void make_random_client(struct client *c)
{
	enum client_kind kind = unit_random_below(&rng, CLIENT_KINDS);

	make_client(c, kind, unit_random_below(&rng, 11));
}

/* --- the program against the table --- */

static int compile_checked(void)
{
	int len;
	const char *wrong;

	check_table();
	len = fs_steer_compile(&table, prog, PROG_MAX);
	if (len <= 0)
		ck_abort_msg("does not compile: %d, " UNIT_SEED_FMT, len, rng.seed);
	wrong = bpf_interp_check(prog, (size_t)len);
	if (wrong)
		ck_abort_msg("the kernel would refuse it: %s, " UNIT_SEED_FMT, wrong, rng.seed);
	return len;
}

static int check_program(unsigned packets)
{
	int len = compile_checked();
	struct client c;

	for (unsigned cpu = 0; cpu < table.ncpus + 3; cpu++) {
		bool split = cpu < table.ncpus && table.row[cpu].count > 1;

		for (unsigned i = 0; i < packets; i++) {
			struct bpf_trace trace;
			unsigned want, got;

			make_random_client(&c);
			c.packet.cpu = cpu;
			want = lookup(&table, cpu, c.group);
			got = bpf_interp_run(prog, (size_t)len, &c.packet, &trace);
			if (got != want)
				ck_abort_msg("CPU %u of %u, flow group %u: %u, not %u, " UNIT_SEED_FMT, cpu, table.ncpus,
					     c.group, got, want, rng.seed);
			if (!split && trace.packet_reads)
				ck_abort_msg("CPU %u has one listener, yet the packet was read, " UNIT_SEED_FMT, cpu, rng.seed);
		}
	}
	return len;
}

/* --- the plan's evenness --- */

enum { NEAR_CACHE, NEAR_NODE, NEAR_ALL };

static bool is_target_cpu(unsigned cpu)
{
	for (size_t i = 0; i < ntargets; i++)
		if (targets[i].cpu == cpu)
			return true;
	return false;
}

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

static void tally(unsigned *share, unsigned cpu)
{
	unsigned from = 0;

	for (uint32_t i = table.row[cpu].first; i < table.row[cpu].first + table.row[cpu].count; i++) {
		share[table.seg[i].listener] += table.seg[i].end - from;
		from = table.seg[i].end;
	}
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

/* --- machines --- */

static void make_machine(unsigned ncpus, unsigned caches, unsigned nodes)
{
	memset(&topo, 0, sizeof(topo));
	topo.ncpus = ncpus;
	for (unsigned cpu = 0; cpu < ncpus; cpu++) {
		topo.possible[cpu] = 1;
		topo.cache[cpu] = (uint16_t)(cpu * caches / ncpus);
		topo.node[cpu] = (uint16_t)(cpu * nodes / ncpus);
	}
	ntargets = 0;
}

static void add_target(unsigned cpu)
{
	targets[ntargets] = (struct fs_steer_target){ .cpu = (uint16_t)cpu, .listener = (uint16_t)(ntargets + 1) };
	ntargets++;
}

static void shuffle_listeners(void)
{
	for (size_t i = ntargets; i > 1; i--) {
		size_t j = unit_random_below(&rng, (unsigned)i);
		uint16_t tmp = targets[i - 1].listener;

		targets[i - 1].listener = targets[j].listener;
		targets[j].listener = tmp;
	}
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
	len = check_plan(2);
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

/* --- what is given away and gained --- */

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
	ck_assert_int_eq(check_plan(4), fs_steer_compile(&plain, prog, PROG_MAX));
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
	Suite *s = suite_create("steer");
	TCase *tc = tcase_create("plan and program");

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
	tcase_add_test(tc, random_tables);
	tcase_add_test(tc, equal_splits_share_code);
	tcase_add_test(tc, room_is_kept_to);
	tcase_add_test(tc, flow_groups_are_even);
	tcase_add_test(tc, each_kind_of_packet);
	tcase_add_test(tc, checker_refuses);
	tcase_add_test(tc, one_cpu_feeds_all);
	tcase_add_test(tc, random_shares);
	tcase_add_test(tc, gains_are_weights);
	tcase_add_test(tc, nobody_gains);
	tcase_add_test(tc, two_on_a_cpu_give);
	tcase_add_test(tc, small_steps_move_little);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
