/*
 * Steering, first half: who gets what arrives on which CPU. Pure, with hardly any
 * scratch memory but the table itself, so any thread's stack is deep enough.
 *
 * While a plan is made, a row without segments (count 0) is a CPU still to be
 * placed, and its `first` is the enum reach that is tried next for it.
 */
#include "steer.h"

#include <errno.h>

/* How far from an ownerless CPU its listener may be, nearest first. */
enum reach { REACH_CACHE, REACH_NODE, REACH_ANYWHERE, REACH_NOBODY };

/* Everybody within `reach` of `cpu`. */
struct hood {
	const struct fs_topology *topo;
	enum reach reach;
	unsigned cpu;
};

struct targets {
	const struct fs_steer_target *at;
	size_t count;
};

static bool in_hood(const struct hood *h, unsigned cpu)
{
	switch (h->reach) {
	case REACH_CACHE:
		return h->topo->cache[cpu] == h->topo->cache[h->cpu];
	case REACH_NODE:
		return h->topo->node[cpu] == h->topo->node[h->cpu];
	default:
		return true;
	}
}

static bool to_place(const struct fs_steer_table *table, const struct hood *h, unsigned cpu)
{
	const struct fs_steer_row *row = &table->row[cpu];

	return !row->count && row->first == h->reach && in_hood(h, cpu);
}

/* The hood's next target, round and round, from *cursor on, which moves behind it. The hood must have one. */
static uint16_t next_target(const struct hood *h, const struct targets *t, size_t *cursor)
{
	for (;;) {
		const struct fs_steer_target *target = &t->at[*cursor];

		*cursor = *cursor + 1 == t->count ? 0 : *cursor + 1;
		if (in_hood(h, target->cpu))
			return target->listener;
	}
}

static bool add_seg(struct fs_steer_table *table, struct fs_steer_row *row, unsigned end, uint16_t listener)
{
	if (table->nsegs == FS_STEER_SEGS_MAX)
		return false;
	if (!row->count)
		row->first = table->nsegs;
	row->count++;
	table->seg[table->nsegs].end = (uint16_t)end;
	table->seg[table->nsegs].listener = listener;
	table->nsegs++;
	return true;
}

/* Splits the flow groups among the listeners of `n` segments: sizes differ by one group at most. */
static unsigned share_end(unsigned groups, size_t n, size_t i)
{
	return (unsigned)((uint64_t)groups * (i + 1) / n);
}

/*
 * Deals the hood's CPUs out to its targets: whole CPUs in turn while there is one
 * for each, then what is left over as one line of flow groups, cut into equal
 * parts.
 */
static bool deal(struct fs_steer_table *table, const struct hood *h, const struct targets *t)
{
	unsigned ncpus = 0, whole, line, at = 0, end;
	size_t ntargets = 0, cursor = 0, share = 0;
	uint16_t listener = 0;

	for (size_t i = 0; i < t->count; i++)
		ntargets += in_hood(h, t->at[i].cpu);
	for (unsigned cpu = h->cpu; cpu < table->ncpus; cpu++) {
		if (!to_place(table, h, cpu))
			continue;
		ncpus++;
		if (!ntargets)
			table->row[cpu].first = h->reach + 1;
	}
	if (!ntargets)
		return true;

	whole = ncpus - (unsigned)(ncpus % ntargets);
	line = (ncpus - whole) * FS_FLOW_GROUPS;
	end = 0; /* where the current target's share of the line ends */
	for (unsigned cpu = h->cpu; cpu < table->ncpus; cpu++) {
		struct fs_steer_row *row = &table->row[cpu];
		unsigned row_end = at + FS_FLOW_GROUPS;

		if (!to_place(table, h, cpu))
			continue;
		if (whole) {
			whole--;
			if (!add_seg(table, row, FS_FLOW_GROUPS, next_target(h, t, &cursor)))
				return false;
			continue;
		}
		for (unsigned row_start = at; at < row_end; at = end < row_end ? end : row_end) {
			while (end <= at) {
				listener = next_target(h, t, &cursor);
				end = share_end(line, ntargets, share++);
			}
			if (!add_seg(table, row, (end < row_end ? end : row_end) - row_start, listener))
				return false;
		}
	}
	return true;
}

/* A target's part of its CPU, the i-th of n. */
static unsigned part_of(size_t n, size_t i)
{
	return share_end(FS_FLOW_GROUPS, n, i) - (i ? share_end(FS_FLOW_GROUPS, n, i - 1) : 0);
}

/* Of that, what it gives away. */
static unsigned freed_of(const struct fs_steer_target *target, size_t n, size_t i)
{
	unsigned part = part_of(n, i);

	return target->away < FS_FLOW_GROUPS ? part * target->away / FS_FLOW_GROUPS : part;
}

/* The flow groups that targets give away, of all CPUs in turn, as they are dealt out to those that gain. */
struct line {
	unsigned length;
	unsigned at;     /* dealt out so far */
	unsigned end;    /* where the share of the target `taker` ends */
	size_t taker;
	uint64_t gain;   /* of the targets up to `taker` */
	uint64_t gains;  /* of all; 0 when nothing moves */
	uint8_t gives[FS_CPUS_MAX / 8]; /* a bit for each CPU: something of it is in the line */
};

static bool gives(const struct line *line, unsigned cpu)
{
	return line->gives[cpu / 8] >> cpu % 8 & 1;
}

/* Finds what is given away. `count` of a row is the CPU's targets by now. */
static void measure_line(struct fs_steer_table *table, const struct targets *t, struct line *line)
{
	for (size_t i = 0; i < t->count; i++)
		line->gains += t->at[i].gain;
	if (!line->gains)
		return;
	for (size_t i = 0; i < t->count; i++) {
		unsigned cpu = t->at[i].cpu;
		struct fs_steer_row *row = &table->row[cpu];
		unsigned freed = freed_of(&t->at[i], row->count, row->first++);

		line->length += freed;
		if (freed)
			line->gives[cpu / 8] |= (uint8_t)(1 << cpu % 8);
	}
	line->taker = 0;
	line->gain = t->at[0].gain;
	line->end = (unsigned)(line->length * line->gain / line->gains);
}

/*
 * The row of a CPU whose targets give away: what goes first, then what they keep,
 * so that when they give more, the groups that went before stay where they are.
 */
static bool place_giving(struct fs_steer_table *table, const struct targets *t, struct line *line, unsigned cpu)
{
	struct fs_steer_row *row = &table->row[cpu];
	uint32_t n = row->count, i = 0;
	unsigned freed = 0, end = 0;

	for (size_t k = 0; k < t->count; k++)
		if (t->at[k].cpu == cpu)
			freed += freed_of(&t->at[k], n, i++);
	row->count = 0;
	while (end < freed) {
		unsigned start = line->at;

		while (line->end <= start) {
			line->gain += t->at[++line->taker].gain;
			line->end = (unsigned)(line->length * line->gain / line->gains);
		}
		line->at = line->end < start + freed - end ? line->end : start + freed - end;
		end += line->at - start;
		if (!add_seg(table, row, end, t->at[line->taker].listener))
			return false;
	}
	i = 0;
	for (size_t k = 0; k < t->count; k++) {
		unsigned part;

		if (t->at[k].cpu != cpu)
			continue;
		part = part_of(n, i) - freed_of(&t->at[k], n, i);
		i++;
		if (part && !add_seg(table, row, end += part, t->at[k].listener))
			return false;
	}
	return true;
}

/* Each CPU with targets of its own is split among them, but for what they give away. */
static bool place_owned(struct fs_steer_table *table, const struct targets *t)
{
	struct line line = { 0 };

	for (size_t i = 0; i < t->count; i++)
		table->row[t->at[i].cpu].count++;
	measure_line(table, t, &line);
	for (unsigned cpu = 0; cpu < table->ncpus; cpu++) {
		struct fs_steer_row *row = &table->row[cpu];
		uint32_t n = row->count;

		if (gives(&line, cpu)) {
			if (!place_giving(table, t, &line, cpu))
				return false;
			continue;
		}
		row->count = 0;
		for (uint32_t i = 0; i < n; i++)
			if (!add_seg(table, row, share_end(FS_FLOW_GROUPS, n, i), 0))
				return false;
	}
	/* `first` walks over the row's segments as its targets come by, and then back. */
	for (size_t i = 0; i < t->count; i++)
		if (!gives(&line, t->at[i].cpu))
			table->seg[table->row[t->at[i].cpu].first++].listener = t->at[i].listener;
	for (unsigned cpu = 0; cpu < table->ncpus; cpu++)
		if (!gives(&line, cpu))
			table->row[cpu].first -= table->row[cpu].count;
	return true;
}

/* Rows still without segments go to `otherwise`, through one segment that they share. */
static bool fill_rest(struct fs_steer_table *table)
{
	struct fs_steer_row rest = { 0, 0 };

	for (unsigned cpu = 0; cpu < table->ncpus; cpu++) {
		if (table->row[cpu].count)
			continue;
		if (!rest.count && !add_seg(table, &rest, FS_FLOW_GROUPS, table->otherwise))
			return false;
		table->row[cpu] = rest;
	}
	return true;
}

static void start_table(struct fs_steer_table *table, unsigned ncpus, uint16_t otherwise)
{
	table->ncpus = ncpus;
	table->nsegs = 0;
	table->otherwise = otherwise;
	for (unsigned cpu = 0; cpu < ncpus; cpu++)
		table->row[cpu] = (struct fs_steer_row){ 0, 0 };
}

int fs_steer_plan(struct fs_steer_table *table, const struct fs_topology *topo,
		  const struct fs_steer_target *targets, size_t ntargets,
		  uint16_t otherwise, bool otherwise_unowned)
{
	const struct targets t = { targets, ntargets };
	unsigned ncpus = topo->ncpus;

	/* A segment cannot be smaller than one flow group, and a row needs a number. */
	if (ntargets > FS_FLOW_GROUPS)
		return -E2BIG;
	for (size_t i = 0; i < ntargets; i++) {
		if (targets[i].cpu >= FS_CPUS_MAX)
			return -E2BIG;
		if (targets[i].cpu >= ncpus)
			ncpus = targets[i].cpu + 1u;
	}

	start_table(table, ncpus, otherwise);
	if (!place_owned(table, &t))
		return -E2BIG;
	for (unsigned cpu = 0; cpu < ncpus; cpu++) {
		struct fs_steer_row *row = &table->row[cpu];

		if (!row->count)
			row->first = cpu < topo->ncpus && topo->possible[cpu] && !otherwise_unowned ? REACH_CACHE :
												      REACH_NOBODY;
	}
	for (enum reach reach = REACH_CACHE; reach < REACH_NOBODY; reach++) {
		for (unsigned cpu = 0; cpu < ncpus; cpu++) {
			const struct hood h = { topo, reach, cpu };

			if (to_place(table, &h, cpu) && !deal(table, &h, &t))
				return -E2BIG;
		}
	}
	return fill_rest(table) ? 0 : -E2BIG;
}

int fs_steer_plan_hash(struct fs_steer_table *table, const struct fs_steer_target *targets,
		       size_t ntargets, uint16_t otherwise)
{
	struct fs_steer_row all = { 0, 0 };

	if (ntargets > FS_FLOW_GROUPS)
		return -E2BIG;
	/* Whatever CPUs there are, all rows are the same one. */
	start_table(table, FS_CPUS_MAX, otherwise);
	for (size_t i = 0; i < ntargets; i++)
		add_seg(table, &all, share_end(FS_FLOW_GROUPS, ntargets, i), targets[i].listener);
	for (unsigned cpu = 0; cpu < FS_CPUS_MAX; cpu++)
		table->row[cpu] = all;
	return fill_rest(table) ? 0 : -E2BIG;
}
