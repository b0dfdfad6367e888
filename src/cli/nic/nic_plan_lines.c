/* The lines that a plan consists of, and how they tell of CPUs. Pure. */
#define _GNU_SOURCE
#include "nic_plan.h"

void fs_nic_plan_change(struct fs_nic_planner *p, enum fs_nic_kind kind, unsigned number, const char *name, const char *from,
		   const char *to, const char *label, const char *what, const char *why)
{
	p->plan->change[p->plan->nchanges++] = (struct fs_nic_change){
		.to = {.kind = kind, .number = number, .name = name, .value = to},
		.from = from, .label = label, .what = what, .why = why,
	};
}

void fs_nic_plan_left(struct fs_nic_planner *p, const char *label, const char *text)
{
	p->plan->left[p->plan->nleft++] = (struct fs_nic_note){label, text};
}

void fs_nic_plan_advise(struct fs_nic_planner *p, const char *label, const char *text)
{
	p->plan->advice[p->plan->nadvice++] = (struct fs_nic_note){label, text};
}

const char *fs_nic_cpus_text(struct fs_pool *pool, const struct fs_cpus *cpus)
{
	char text[4096];

	if (!fs_cpus_count(cpus))
		return "no CPU";
	fs_cpus_format(cpus, text, sizeof(text));
	return fs_pool_printf(pool, "CPU%s %s", fs_cpus_count(cpus) > 1 ? "s" : "", text);
}

/* ---- the number of queues ---- */
