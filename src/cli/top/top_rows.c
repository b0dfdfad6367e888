/* Rows of `fastsock top`, from two samples. See top.h. */
#include <stdlib.h>

#include "top.h"

/* What shares are made of, before they are. */
struct parts {
	double rx_sampled, rx_local, connects, steered;
};

static const struct parts no_parts = {FS_RATE_UNKNOWN, FS_RATE_UNKNOWN, FS_RATE_UNKNOWN, FS_RATE_UNKNOWN};

static void start_row(struct fs_top_row *row)
{
	*row = (struct fs_top_row){.rate = FS_RATE_UNKNOWN, .queue = -1, .busy = FS_RATE_UNKNOWN, .connects = FS_RATE_UNKNOWN};
	for (unsigned kind = 0; kind < FS_TOP_KINDS; kind++)
		row->accepts[kind] = FS_RATE_UNKNOWN;
}

static void add_group(struct fs_top_row *row, struct parts *parts, const struct fs_rates *rates, unsigned group, unsigned core)
{
	static const enum fs_core_counter counter[FS_TOP_KINDS] = {
		[FS_TOP_LOCAL] = FS_CORE_accepted_local,
		[FS_TOP_GLOBAL] = FS_CORE_accepted_global,
		[FS_TOP_STOLEN] = FS_CORE_stolen,
	};
	const struct fs_sample_core *now = &rates->now->group[group].core[core];

	for (unsigned kind = 0; kind < FS_TOP_KINDS; kind++) {
		double rate = fs_rate_core(rates, group, core, counter[kind]);

		row->accepts[kind] = fs_rate_add(row->accepts[kind], rate);
		row->rate = fs_rate_add(row->rate, rate);
	}
	parts->rx_sampled = fs_rate_add(parts->rx_sampled, fs_rate_core(rates, group, core, FS_CORE_rx_sampled));
	parts->rx_local = fs_rate_add(parts->rx_local, fs_rate_core(rates, group, core, FS_CORE_rx_local));
	if (now->queue >= 0)
		row->queue = (row->queue < 0 ? 0 : row->queue) + now->queue;
	/* The later ones in the enumeration are the graver ones. */
	if (now->help > row->help)
		row->help = now->help;
	row->out |= now->out;
}

static void add_core(struct fs_top_row *row, struct parts *parts, const struct fs_rates *rates, int group, unsigned core)
{
	const struct fs_sample_load *load = &rates->now->load[core];
	double busy_us = fs_rate_load(rates, core, FS_LOAD_busy_us);

	for (unsigned i = 0; i < rates->now->ngroups; i++) {
		if (group == FS_TOP_ALL || (unsigned)group == i)
			add_group(row, parts, rates, i, core);
	}
	row->busy = fs_rate_add(row->busy, busy_us < 0 ? busy_us : busy_us / 1e6);
	parts->connects = fs_rate_add(parts->connects, fs_rate_connect(rates, core, FS_CONNECT_calls));
	parts->steered = fs_rate_add(parts->steered, fs_rate_connect(rates, core, FS_CONNECT_steered));
	row->open += load->open;
	row->away += load->away;
}

static void finish_row(struct fs_top_row *row, const struct parts *parts)
{
	row->locality = fs_rate_share(parts->rx_local, parts->rx_sampled);
	row->connects = parts->connects;
	row->steered = fs_rate_share(parts->steered, parts->connects);
}

void fs_top_rows(struct fs_top_row *rows, const struct fs_rates *rates, int group)
{
	for (unsigned core = 0; core < rates->now->ncores; core++) {
		struct parts parts = no_parts;

		start_row(&rows[core]);
		rows[core].cpu = rates->now->load[core].cpu;
		add_core(&rows[core], &parts, rates, group, core);
		finish_row(&rows[core], &parts);
	}
}

void fs_top_total(struct fs_top_row *total, const struct fs_rates *rates, int group)
{
	struct parts parts = no_parts;

	start_row(total);
	for (unsigned core = 0; core < rates->now->ncores; core++)
		add_core(total, &parts, rates, group, core);
	finish_row(total, &parts);
	/* Of the whole machine's part that the tree has. */
	if (total->busy > 0)
		total->busy /= rates->now->ncores;
}

static int descending(double a, double b)
{
	return (a < b) - (a > b);
}

static int by_cpu(const void *a, const void *b)
{
	const struct fs_top_row *x = a, *y = b;

	return (x->cpu > y->cpu) - (x->cpu < y->cpu);
}

static int by_rate(const void *a, const void *b)
{
	const struct fs_top_row *x = a, *y = b;
	int order = descending(x->rate, y->rate);

	return order ? order : by_cpu(a, b);
}

static int by_queue(const void *a, const void *b)
{
	const struct fs_top_row *x = a, *y = b;
	int order = (x->queue < y->queue) - (x->queue > y->queue);

	return order ? order : by_cpu(a, b);
}

static int by_open(const void *a, const void *b)
{
	const struct fs_top_row *x = a, *y = b;
	int order = (x->open < y->open) - (x->open > y->open);

	return order ? order : by_cpu(a, b);
}

static int by_locality(const void *a, const void *b)
{
	const struct fs_top_row *x = a, *y = b;
	/* What is not known is no worry: it comes last. */
	int order = descending(y->locality < 0 ? 2 : y->locality, x->locality < 0 ? 2 : x->locality);

	return order ? order : by_cpu(a, b);
}

static const struct {
	const char *name;
	int (*compare)(const void *, const void *);
} orders[FS_TOP_SORTS] = {
	[FS_TOP_BY_CPU] = {"cpu", by_cpu},
	[FS_TOP_BY_RATE] = {"rate", by_rate},
	[FS_TOP_BY_QUEUE] = {"queue", by_queue},
	[FS_TOP_BY_OPEN] = {"open", by_open},
	[FS_TOP_BY_LOCALITY] = {"locality", by_locality},
};

void fs_top_sort(struct fs_top_row *rows, unsigned n, enum fs_top_sort sort)
{
	qsort(rows, n, sizeof(*rows), orders[sort].compare);
}

const char *fs_top_sort_name(enum fs_top_sort sort)
{
	return orders[sort].name;
}
