/*
 * What the tests of steering share: machines, packets of clients, and that the compiled
 * program says the same as the table. The programs are run by an interpreter of their
 * own (tests/lib/bpf_interp.c), over packets with and without IPv4 options and IPv6
 * extension headers. Static state: one program includes it once.
 */
#ifndef FS_TESTS_STEER_CHECK_H
#define FS_TESTS_STEER_CHECK_H

#include "lib/unit.h"

#include "core/steer.h"
#include "lib/bpf_interp.h"

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

/* --- what the plan gives to whom --- */

static inline bool is_target_cpu(unsigned cpu)
{
	for (size_t i = 0; i < ntargets; i++)
		if (targets[i].cpu == cpu)
			return true;
	return false;
}

static inline void tally(unsigned *share, unsigned cpu)
{
	unsigned from = 0;

	for (uint32_t i = table.row[cpu].first; i < table.row[cpu].first + table.row[cpu].count; i++) {
		share[table.seg[i].listener] += table.seg[i].end - from;
		from = table.seg[i].end;
	}
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

#endif
