/*
 * Steering, second half: the table as classic BPF. Pure, with a small stack.
 *
 * The program is a binary search for the CPU over runs of rows that one leaf
 * can serve: the same listener, or listener = CPU + constant, which is what
 * one worker a CPU comes to. Rows that are split by flow group all lead to one
 * place, where the hash is computed and the CPU looked up again among them:
 * the packet is looked into only for those who need it.
 *
 *	ld cpu; search ------> ret #listener
 *	               ------> add #k; ret a
 *	               ------> hash; tax; ld cpu; search ---> txa; search for the flow group ---> ret #listener
 *
 * It is written from its last instruction to its first. All jumps of classic
 * BPF go forward, so every jump's distance is known when it is written, and
 * what is there already can be jumped to instead of being written again. That
 * matters: the kernel charges the program, translated to eBPF at about one and
 * a half instructions each, to net.core.optmem_max, for long 20 KiB.
 */
#include "steer.h"

#include <errno.h>
#include <string.h>

/*
 * Conditional jumps hold their distance in a byte. The margin is for the
 * trampolines between a target and its jump.
 */
#define JUMP_MAX (255 - 2)
/*
 * How far emit_ret() looks for a return to share. Rows that share one are near each
 * other; on 256 CPUs looking farther took most of the time.
 */
#define RET_WINDOW 64
/* Split rows whose code is remembered for others with the same segments: the ones seen last. */
#define MEMO_MAX 32

/*
 * A client's address and port, mixed into the top bits by multiplication
 * (Knuth, TAOCP 3, 6.4): 2^32 divided by the golden ratio spreads ports that
 * follow each other, even ports alone included, as evenly as can be. The
 * first factor, of MurmurHash3's finalizer, keeps port and address apart.
 */
#define HASH_ADDRESS UINT32_C(0x85ebca6b)
#define HASH_GOLDEN UINT32_C(0x9e3779b1)
#define HASH_SHIFT (32 - 12)

#define IP_VERSION (SKF_NET_OFF + 0)
#define IP4_SOURCE (SKF_NET_OFF + 12)
#define IP6_NEXT_HEADER (SKF_NET_OFF + 6)
#define IP6_SOURCE_LOW (SKF_NET_OFF + 8 + 12)
#define IP6_PAYLOAD (SKF_NET_OFF + 40)
#define NEXT_HEADER_TCP 6

/*
 * What a search is for: all rows, split ones alike; or a split row, where the
 * program is known to be for one.
 */
enum stage { STAGE_CPU, STAGE_SPLIT };

enum leaf_kind { LEAF_ANY, LEAF_CONST, LEAF_ADD, LEAF_SPLIT };

struct run {
	unsigned end; /* first row behind it */
	enum leaf_kind kind;
	uint32_t value; /* LEAF_CONST: listener; LEAF_ADD: listener - CPU; LEAF_SPLIT in the second stage: a row */
};

struct code {
	const struct fs_steer_table *table;
	struct sock_filter *prog;
	unsigned max;
	unsigned start; /* prog[start .. max-1] is written */
	bool full;
	unsigned split_entry; /* where STAGE_CPU sends split rows */
	unsigned memo_used;
	struct {
		unsigned row, entry;
	} memo[MEMO_MAX];
};

unsigned fs_steer_flow_group(uint32_t address_low, uint16_t port)
{
	return ((address_low * HASH_ADDRESS + port) * HASH_GOLDEN) >> HASH_SHIFT;
}

/*
 * Puts an instruction before all others; its index. When there is no room, `full`
 * is set and whatever follows is meaningless but harmless.
 */
static unsigned emit(struct code *c, uint16_t op, uint8_t jt, uint8_t jf, uint32_t k)
{
	if (!c->start) {
		c->full = true;
		c->start = c->max;
	}
	c->prog[--c->start] = (struct sock_filter){ op, jt, jf, k };
	return c->start;
}

static unsigned emit_op(struct code *c, uint16_t op, uint32_t k)
{
	return emit(c, op, 0, 0, k);
}

/* `ret #listener`: one within reach, or a new one. */
static unsigned emit_ret(struct code *c, uint32_t listener)
{
	for (unsigned i = c->start; i < c->max && i - c->start < RET_WINDOW; i++)
		if (c->prog[i].code == (BPF_RET | BPF_K) && c->prog[i].k == listener)
			return i;
	return emit_op(c, BPF_RET | BPF_K, listener);
}

/* A place within reach of a jump written next that is as good as `entry`. */
static unsigned emit_near(struct code *c, unsigned entry)
{
	if (entry - c->start <= JUMP_MAX)
		return entry;
	if (c->prog[entry].code == (BPF_RET | BPF_K))
		return emit_ret(c, c->prog[entry].k);
	return emit_op(c, BPF_JMP | BPF_JA, entry - c->start);
}

/* Makes what is written next fall into `entry`. */
static void emit_fall(struct code *c, unsigned entry)
{
	if (entry != c->start)
		emit_op(c, BPF_JMP | BPF_JA, entry - c->start);
}

/* if (A op k) goto yes; else goto no */
static unsigned emit_branch(struct code *c, uint16_t op, uint32_t k, unsigned yes, unsigned no)
{
	if (yes == no)
		return yes;
	yes = emit_near(c, yes);
	no = emit_near(c, no);
	return emit(c, BPF_JMP | op | BPF_K, (uint8_t)(yes - c->start), (uint8_t)(no - c->start), k);
}

static const struct fs_steer_seg *segs_of(const struct fs_steer_table *t, unsigned row)
{
	return &t->seg[t->row[row].first];
}

static bool is_split(const struct fs_steer_table *t, unsigned row)
{
	return row < t->ncpus && t->row[row].count > 1;
}

/* Row `ncpus` stands for all CPUs beyond the table. */
static uint32_t whole_listener(const struct fs_steer_table *t, unsigned row)
{
	return row < t->ncpus ? segs_of(t, row)->listener : t->otherwise;
}

static bool same_split(const struct fs_steer_table *t, unsigned a, unsigned b)
{
	const struct fs_steer_row *ra = &t->row[a], *rb = &t->row[b];

	return ra->count == rb->count &&
	       (ra->first == rb->first || !memcmp(segs_of(t, a), segs_of(t, b), ra->count * sizeof(struct fs_steer_seg)));
}

/*
 * The run that starts at `row`: the longest, with which there are fewest, because
 * any part of a run is one.
 */
static struct run cpu_run(const struct fs_steer_table *t, unsigned row)
{
	uint32_t listener = whole_listener(t, row);
	struct run r = { row + 1, LEAF_CONST, listener };

	if (is_split(t, row)) {
		r.kind = LEAF_SPLIT;
		while (is_split(t, r.end))
			r.end++;
		return r;
	}
	/* The row beyond the table is many CPUs: one listener can serve it, a sum cannot. */
	while (r.end < t->ncpus && !is_split(t, r.end) && whole_listener(t, r.end) == listener + (r.end - row))
		r.end++;
	/*
	 * CPUs dealt out between two listeners look like pairs of this kind: shared returns
	 * make those shorter.
	 */
	if (r.end == row + 2 && r.end < t->ncpus && !is_split(t, r.end) && whole_listener(t, r.end) - listener <= 1)
		r.end = row + 1;
	if (r.end > row + 1) {
		r.kind = LEAF_ADD;
		r.value = listener - row;
		return r;
	}
	while (r.end <= t->ncpus && !is_split(t, r.end) && whole_listener(t, r.end) == listener)
		r.end++;
	return r;
}

/* The same among split rows: the others do not come here, so a run may cover them. */
static struct run split_run(const struct fs_steer_table *t, unsigned row)
{
	struct run r = { row, LEAF_ANY, 0 };

	for (; r.end <= t->ncpus; r.end++) {
		if (!is_split(t, r.end))
			continue;
		if (r.kind == LEAF_ANY) {
			r.kind = LEAF_SPLIT;
			r.value = r.end;
		} else if (!same_split(t, r.value, r.end)) {
			break;
		}
	}
	return r;
}

static struct run next_run(const struct code *c, enum stage stage, unsigned row)
{
	return stage == STAGE_CPU ? cpu_run(c->table, row) : split_run(c->table, row);
}

/* Search for the flow group in A among n segments. */
static unsigned emit_segs(struct code *c, const struct fs_steer_seg *seg, unsigned n)
{
	unsigned low = n / 2, yes, no;

	if (n == 1)
		return emit_ret(c, seg->listener);
	yes = emit_segs(c, seg + low, n - low);
	no = emit_segs(c, seg, low);
	return emit_branch(c, BPF_JGE, seg[low - 1].end, yes, no);
}

static unsigned emit_row(struct code *c, unsigned row)
{
	return emit_segs(c, segs_of(c->table, row), c->table->row[row].count);
}

/* A split row's leaf in the second search: the flow group waits in X. */
static unsigned emit_split(struct code *c, unsigned row)
{
	unsigned entry, slot = c->memo_used % MEMO_MAX;

	for (unsigned i = 0; i < c->memo_used && i < MEMO_MAX; i++)
		if (same_split(c->table, c->memo[i].row, row))
			return c->memo[i].entry;
	emit_fall(c, emit_row(c, row));
	entry = emit_op(c, BPF_MISC | BPF_TXA, 0);
	c->memo[slot].row = row;
	c->memo[slot].entry = entry;
	c->memo_used++;
	return entry;
}

static unsigned emit_add(struct code *c, uint32_t k)
{
	if (!k) {
		for (unsigned i = c->start; i < c->max && i - c->start < JUMP_MAX; i++)
			if (c->prog[i].code == (BPF_RET | BPF_A))
				return i;
		return emit_op(c, BPF_RET | BPF_A, 0);
	}
	for (unsigned i = c->start; i + 1 < c->max && i - c->start < JUMP_MAX; i++)
		if (c->prog[i].code == (BPF_ALU | BPF_ADD | BPF_K) && c->prog[i].k == k)
			return i;
	emit_op(c, BPF_RET | BPF_A, 0);
	return emit_op(c, BPF_ALU | BPF_ADD | BPF_K, k);
}

static unsigned emit_leaf(struct code *c, enum stage stage, const struct run *r)
{
	switch (r->kind) {
	case LEAF_CONST:
		return emit_ret(c, r->value);
	case LEAF_ADD:
		return emit_add(c, r->value);
	default:
		return stage == STAGE_CPU ? c->split_entry : emit_split(c, r->value);
	}
}

/*
 * Search for the CPU in A among the `n` runs from `row` on. The depth of the
 * recursion is log2 of the runs.
 */
static unsigned emit_search(struct code *c, enum stage stage, unsigned row, unsigned n)
{
	unsigned low = n / 2, middle = row, yes, no;

	if (c->full)
		return c->start;
	if (n == 1) {
		const struct run r = next_run(c, stage, row);

		return emit_leaf(c, stage, &r);
	}
	for (unsigned i = 0; i < low; i++)
		middle = next_run(c, stage, middle).end;
	yes = emit_search(c, stage, middle, n - low);
	no = emit_search(c, stage, row, low);
	return emit_branch(c, BPF_JGE, middle, yes, no);
}

static unsigned count_runs(const struct code *c, enum stage stage)
{
	unsigned n = 0;

	for (unsigned row = 0; row <= c->table->ncpus; n++)
		row = next_run(c, stage, row).end;
	return n;
}

static void emit_load_cpu(struct code *c)
{
	emit_op(c, BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_CPU));
}

/* A = the packet's flow group, in front of what is there. As fs_steer_flow_group(). */
static void emit_hash(struct code *c)
{
	unsigned mix, no_port, tail, ip4, ip6;

	emit_op(c, BPF_ALU | BPF_RSH | BPF_K, HASH_SHIFT);
	emit_op(c, BPF_ALU | BPF_MUL | BPF_K, HASH_GOLDEN);
	emit_op(c, BPF_ALU | BPF_ADD | BPF_X, 0);
	mix = emit_op(c, BPF_ALU | BPF_MUL | BPF_K, HASH_ADDRESS); /* A: address, X: port */

	emit_op(c, BPF_LD | BPF_W | BPF_ABS, (uint32_t)IP6_SOURCE_LOW);
	tail = emit_op(c, BPF_MISC | BPF_TAX, 0);
	no_port = emit_op(c, BPF_LD | BPF_IMM, 0);
	emit_fall(c, tail);
	ip6 = emit_op(c, BPF_LD | BPF_H | BPF_ABS, (uint32_t)IP6_PAYLOAD);
	emit_branch(c, BPF_JEQ, NEXT_HEADER_TCP, ip6, no_port);
	ip6 = emit_op(c, BPF_LD | BPF_B | BPF_ABS, (uint32_t)IP6_NEXT_HEADER);

	emit_fall(c, mix);
	emit_op(c, BPF_LD | BPF_W | BPF_ABS, (uint32_t)IP4_SOURCE);
	emit_op(c, BPF_MISC | BPF_TAX, 0);
	emit_op(c, BPF_LD | BPF_H | BPF_IND, (uint32_t)SKF_NET_OFF);
	ip4 = emit_op(c, BPF_LDX | BPF_B | BPF_MSH, (uint32_t)IP_VERSION);

	emit_branch(c, BPF_JEQ, 4, ip4, ip6);
	emit_op(c, BPF_ALU | BPF_RSH | BPF_K, 4);
	emit_op(c, BPF_LD | BPF_B | BPF_ABS, (uint32_t)IP_VERSION);
}

/* The hash and the search among split rows. */
static unsigned emit_split_stage(struct code *c)
{
	unsigned runs = count_runs(c, STAGE_SPLIT);
	struct run only = split_run(c->table, 0);

	if (runs == 1) {
		emit_fall(c, emit_row(c, only.value));
	} else {
		emit_fall(c, emit_search(c, STAGE_SPLIT, 0, runs));
		emit_load_cpu(c);
		emit_op(c, BPF_MISC | BPF_TAX, 0);
	}
	emit_hash(c);
	return c->start;
}

int fs_steer_compile(const struct fs_steer_table *table, struct sock_filter *prog, size_t max)
{
	struct code c = { .table = table, .prog = prog };
	unsigned len, entry, runs;

	/* The kernel takes no longer ones. */
	c.max = c.start = max < BPF_MAXINSNS ? (unsigned)max : BPF_MAXINSNS;
	if (!c.max)
		return -E2BIG;
	for (unsigned row = 0; row < table->ncpus; row++) {
		if (is_split(table, row)) {
			c.split_entry = emit_split_stage(&c);
			break;
		}
	}
	runs = count_runs(&c, STAGE_CPU);
	entry = emit_search(&c, STAGE_CPU, 0, runs);
	emit_fall(&c, entry);
	if (runs > 1)
		emit_load_cpu(&c);
	if (c.full)
		return -E2BIG;
	len = c.max - c.start;
	memmove(prog, prog + c.start, len * sizeof(*prog));
	return (int)len;
}
