/* What the two files of the plan share. */
#ifndef FS_CLI_NIC_PLAN_H
#define FS_CLI_NIC_PLAN_H

#include "nic.h"

struct fs_nic_planner {
	struct fs_pool *pool;
	const struct fs_nic_state *s;
	const struct fs_nic_wish *wish;
	struct fs_nic_plan *plan;
	uint16_t *home; /* by queue */
	unsigned nhomes;
	bool homes_known; /* interrupts are, or will be, where the homes are */
};

void fs_nic_plan_change(struct fs_nic_planner *p, enum fs_nic_kind kind, unsigned number, const char *name, const char *from,
			const char *to, const char *label, const char *what, const char *why);
void fs_nic_plan_left(struct fs_nic_planner *p, const char *label, const char *text);
void fs_nic_plan_advise(struct fs_nic_planner *p, const char *label, const char *text);
/* "CPU 0", "CPUs 0-3", "no CPU". */
const char *fs_nic_cpus_text(struct fs_pool *pool, const struct fs_cpus *cpus);

void fs_nic_plan_xps(struct fs_nic_planner *p);
void fs_nic_plan_rps(struct fs_nic_planner *p);

#endif
