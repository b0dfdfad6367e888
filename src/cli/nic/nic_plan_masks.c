/*
 * The part of the plan that is about CPU masks of queues: which CPUs send through a transmit queue (XPS), and
 * which ones share the work of a receive queue (RPS). Pure.
 */
#include <string.h>

#include "nic_plan.h"

static bool is_empty(const char *mask)
{
	return mask[strspn(mask, "0,")] == '\0';
}

/* want[q]: the queue's home, and its share of the CPUs that are no queue's home. */
static struct fs_cpus *deal_cpus(struct fs_nic_planner *p, unsigned nqueues)
{
	struct fs_cpus *want = fs_pool_alloc(p->pool, nqueues, sizeof(*want)), homes;
	unsigned next = 0;

	memset(&homes, 0, sizeof(homes));
	for (unsigned q = 0; q < nqueues; q++) {
		fs_cpus_add(&want[q], p->home[q]);
		fs_cpus_add(&homes, p->home[q]);
	}
	for (unsigned i = 0; i < p->s->ncpus; i++)
		if (!fs_cpus_has(&homes, p->s->cpu[i]))
			fs_cpus_add(&want[next++ % nqueues], p->s->cpu[i]);
	return want;
}

static const char *mask_text(struct fs_nic_planner *p, enum fs_nic_kind kind, const struct fs_cpus *cpus)
{
	if (kind == FS_NIC_RPS && !fs_cpus_count(cpus))
		return "off";
	return fs_pool_printf(p->pool, "%s %s", kind == FS_NIC_RPS ? "to" : "from", fs_nic_cpus_text(p->pool, cpus));
}

/* Changes a queue's mask if it is not that. */
static void want_mask(struct fs_nic_planner *p, enum fs_nic_kind kind, unsigned queue, const char *now, const struct fs_cpus *want,
		      const char *why)
{
	bool receive = kind == FS_NIC_RPS;
	struct fs_cpus cpus;

	if (!fs_nic_parse_mask(now, &cpus) || !memcmp(&cpus, want, sizeof(cpus)))
		return;
	fs_nic_plan_change(p, kind, queue, "", now, fs_nic_format_mask(p->pool, want),
	       fs_pool_printf(p->pool, "%s-%u", receive ? "rx" : "tx", queue),
	       fs_pool_printf(p->pool, "%s %s -> %s", receive ? "RPS" : "XPS", mask_text(p, kind, &cpus), mask_text(p, kind, want)),
	       why);
}

void fs_nic_plan_xps(struct fs_nic_planner *p)
{
	size_t before = p->plan->nchanges;
	const struct fs_cpus *want;

	if (p->s->ntx < 2) {
		fs_nic_plan_left(p, "XPS", "there is one transmit queue, so nothing to choose");
		return;
	}
	for (unsigned q = 0; q < p->s->ntx; q++) {
		const struct fs_nic_queue *tx = &p->s->tx[q];

		if (!tx->cpus) {
			fs_nic_plan_left(p, "XPS", "cannot be read");
			return;
		}
		if (tx->more && !is_empty(tx->more)) {
			fs_nic_plan_left(p, "XPS", "transmit queues are chosen by receive queue here (xps_rxqs), which comes before CPUs");
			return;
		}
	}
	want = deal_cpus(p, p->s->ntx);
	for (unsigned q = 0; q < p->s->ntx; q++)
		want_mask(p, FS_NIC_XPS, q, p->s->tx[q].cpus, &want[q],
			  p->s->ntx < p->s->ncpus ? "so that as few CPUs as possible share a queue to send through" :
						    "so that each CPU sends through a queue of its own");
	if (p->plan->nchanges == before)
		fs_nic_plan_left(p, "XPS", "each CPU has its transmit queue already");
}

static void plan_rps_spread(struct fs_nic_planner *p)
{
	const struct fs_cpus *want = deal_cpus(p, p->s->nrx);

	for (unsigned q = 0; q < p->s->nrx; q++)
		want_mask(p, FS_NIC_RPS, q, p->s->rx[q].cpus, &want[q],
			  "so that CPUs without a queue get their share of the flows, at the price of waking them");
}

static void plan_rps_off(struct fs_nic_planner *p)
{
	static const struct fs_cpus none;

	for (unsigned q = 0; q < p->s->nrx; q++)
		want_mask(p, FS_NIC_RPS, q, p->s->rx[q].cpus, &none,
			  "so that packets stay where they arrive: each CPU has a queue");
}

void fs_nic_plan_rps(struct fs_nic_planner *p)
{
	size_t before = p->plan->nchanges;
	bool enough = p->s->nrx >= p->s->ncpus, set = false;

	for (unsigned q = 0; q < p->s->nrx; q++) {
		if (!p->s->rx[q].cpus) {
			fs_nic_plan_left(p, "RPS", "cannot be read, or this kernel has none");
			return;
		}
		set = set || !is_empty(p->s->rx[q].cpus);
	}
	if (!p->s->nrx)
		return;
	if (!enough && p->wish->rps)
		plan_rps_spread(p);
	else if (enough && set && (p->homes_known || !p->s->hardware))
		plan_rps_off(p);
	else if (enough && set)
		fs_nic_plan_left(p, "RPS", "on, and it is not known which interrupts are the queues', so it may be what spreads packets");
	else if (set)
		fs_nic_plan_left(p, "RPS", fs_pool_printf(p->pool, "on: it spreads the packets of %u receive queue%s over more CPUs",
					      p->s->nrx, p->s->nrx == 1 ? "" : "s"));
	else
		fs_nic_plan_left(p, "RPS", "off: packets stay where they arrive");
	if (!enough && !p->wish->rps && !set && p->s->hardware)
		fs_nic_plan_advise(p, "RPS", fs_pool_printf(p->pool, "%u receive queue%s for %u CPUs: with --rps the kernel spreads packets "
						"over all of them, which costs CPU time and helps where a queue's CPU is at its limit",
						p->s->nrx, p->s->nrx == 1 ? "" : "s", p->s->ncpus));
	if (!enough && p->wish->rps && p->plan->nchanges == before)
		fs_nic_plan_left(p, "RPS", "each CPU gets its share already");
}
