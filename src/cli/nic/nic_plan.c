/*
 * What would be better for servers that have one listener per CPU: the packets of a flow are
 * handled by one CPU, and all CPUs get their share. Pure: decides about what was read.
 *
 * Every queue has a *home*, the CPU of its interrupt; each of the other CPUs belongs to one of
 * the queues, for sending and for RPS.
 */
#include <string.h>

#include "nic_plan.h"

static unsigned fewer(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* As many queues as there are CPUs, where the NIC has them; never fewer than now. */
static void plan_channels(struct fs_nic_planner *p)
{
	const struct ethtool_channels *now = &p->s->channels;
	struct ethtool_channels want = *now;
	unsigned n = p->s->ncpus;
	const char *what;

	if (!p->s->has_channels)
		return;
	if (now->max_combined) {
		if (now->combined_count && now->combined_count < n)
			want.combined_count = fewer(now->max_combined, n);
	} else {
		if (now->rx_count && now->rx_count < n)
			want.rx_count = fewer(now->max_rx, n);
		if (now->tx_count && now->tx_count < n)
			want.tx_count = fewer(now->max_tx, n);
	}
	if (want.combined_count <= now->combined_count && want.rx_count <= now->rx_count && want.tx_count <= now->tx_count)
		return;
	what = now->max_combined ? fs_pool_printf(p->pool, "%u -> %u", now->combined_count, want.combined_count) :
				   fs_pool_printf(p->pool, "%u -> %u to receive, %u -> %u to transmit", now->rx_count,
						  want.rx_count, now->tx_count, want.tx_count);
	if (!p->wish->channels) {
		fs_nic_plan_advise(p, "queues",
		       fs_pool_printf(p->pool, "%s is possible, with --channels: a queue for more of the %u CPUs. Many drivers "
				      "take the link down for a moment as they do it", what, n));
		return;
	}
	fs_nic_plan_change(p, FS_NIC_CHANNELS, 0, "", fs_nic_channels_text(p->pool, now), fs_nic_channels_text(p->pool, &want), "queues",
	       what, "so that more CPUs have a queue of their own");
	p->plan->more = true;
}

/* ---- interrupts ---- */

/* The queue that the interrupt serves, of the ones in use; receive queues first. -1 if none. */
static int queue_of(const struct fs_nic_state *s, const struct fs_nic_irq *irq)
{
	if (irq->rx >= 0 && (unsigned)irq->rx < s->nrx)
		return irq->rx;
	return irq->tx >= 0 && (unsigned)irq->tx < s->ntx ? irq->tx : -1;
}

/* "eth1-rx-0" names eth1, "eth10-rx-0" does not. */
static bool names_interface(const char *irq, const char *interface)
{
	size_t len = strlen(interface);

	for (const char *at = irq; (at = strstr(at, interface)); at++)
		if (at[len] < '0' || at[len] > '9')
			return true;
	return false;
}

/*
 * Two interrupts for one queue: another port of the card, which the kernel shows at the same device. The one
 * that names the interface is meant, if there is one.
 */
static bool is_anothers(const struct fs_nic_state *s, const struct fs_nic_irq *irq)
{
	bool doubted = false;

	if (names_interface(irq->name, s->interface))
		return false;
	for (unsigned i = 0; i < s->nirqs; i++)
		if (&s->irq[i] != irq && s->irq[i].rx == irq->rx && s->irq[i].tx == irq->tx)
			doubted = true;
	return doubted;
}

static bool is_queues(const struct fs_nic_state *s, const struct fs_nic_irq *irq)
{
	return queue_of(s, irq) >= 0 && !is_anothers(s, irq);
}

static void set_default_homes(struct fs_nic_planner *p)
{
	for (unsigned q = 0; q < p->nhomes; q++)
		p->home[q] = p->s->cpu[q % p->s->ncpus];
}

/* The receive queues' CPUs as they are, in home[]; false when one has not got a single one, or is not known. */
static bool present_homes(struct fs_nic_planner *p)
{
	bool *known = fs_pool_alloc(p->pool, p->s->nrx, sizeof(*known));
	unsigned count = 0;

	for (unsigned i = 0; i < p->s->nirqs; i++) {
		const struct fs_nic_irq *irq = &p->s->irq[i];
		struct fs_cpus cpus;

		if (irq->rx < 0 || !is_queues(p->s, irq) || known[irq->rx])
			continue;
		if (!irq->cpus || fs_cpus_parse(irq->cpus, &cpus) < 0 || fs_cpus_count(&cpus) != 1)
			return false;
		p->home[irq->rx] = (uint16_t)fs_cpus_next(&cpus, 0);
		known[irq->rx] = true;
		count++;
	}
	return count == p->s->nrx && count > 0;
}

/*
 * Whether the receive queues are dealt out evenly over the best of the CPUs: then they stay where they are, in
 * whatever order somebody put them.
 */
static bool homes_are_good(struct fs_nic_planner *p)
{
	unsigned used = fewer(p->s->ncpus, p->s->nrx), most = (p->s->nrx + used - 1) / used;
	unsigned *load = fs_pool_alloc(p->pool, used, sizeof(*load));

	for (unsigned q = 0; q < p->s->nrx; q++) {
		unsigned at = 0;

		while (at < used && p->s->cpu[at] != p->home[q])
			at++;
		if (at == used || ++load[at] > most)
			return false;
	}
	for (unsigned at = 0; at < used; at++)
		if (!load[at])
			return false;
	return true;
}

static void find_homes(struct fs_nic_planner *p)
{
	p->nhomes = p->s->nrx > p->s->ntx ? p->s->nrx : p->s->ntx;
	p->home = fs_pool_alloc(p->pool, p->nhomes, sizeof(*p->home));
	set_default_homes(p);
	if (present_homes(p) && homes_are_good(p))
		return;
	set_default_homes(p);
}

static const char *irq_label(struct fs_nic_planner *p, const struct fs_nic_irq *irq)
{
	return fs_pool_printf(p->pool, "%s-%d", irq->rx >= 0 && (unsigned)irq->rx < p->s->nrx ? "rx" : "tx",
			      queue_of(p->s, irq));
}

/* Whether the interrupt is, or will be, where it should be. */
static bool plan_irq(struct fs_nic_planner *p, const struct fs_nic_irq *irq)
{
	const char *label = irq_label(p, irq);
	unsigned home = p->home[queue_of(p->s, irq)];
	struct fs_cpus cpus;
	const char *why = irq->rx < 0 ? "so that what was sent is cleaned up on the CPU that sends through this queue" :
			  p->s->nrx < 2 ? "so that one CPU handles all packets of a flow" :
			  "so that one CPU handles all packets of a flow, and each CPU its share of the flows";

	if (!irq->cpus || fs_cpus_parse(irq->cpus, &cpus) < 0) {
		fs_nic_plan_left(p, label, fs_pool_printf(p->pool, "interrupt %u: it cannot be read where it is handled", irq->number));
		return false;
	}
	if (fs_cpus_count(&cpus) == 1 && fs_cpus_has(&cpus, home))
		return true;
	if (irq->fixed) {
		fs_nic_plan_left(p, label, fs_pool_printf(p->pool, "interrupt %u on %s: the kernel places it and lets nobody move it",
					      irq->number, fs_nic_cpus_text(p->pool, &cpus)));
		return false;
	}
	fs_nic_plan_change(p, FS_NIC_IRQ, irq->number, irq->name, irq->cpus, fs_pool_printf(p->pool, "%u", home), label,
	       fs_pool_printf(p->pool, "interrupt %u on %s -> CPU %u", irq->number, fs_nic_cpus_text(p->pool, &cpus), home), why);
	return true;
}

static void plan_irqs(struct fs_nic_planner *p)
{
	unsigned before = (unsigned)p->plan->nchanges, served = 0, fine = 0;
	const char *others = NULL;

	for (unsigned i = 0; i < p->s->nirqs; i++) {
		const struct fs_nic_irq *irq = &p->s->irq[i];

		if (!is_queues(p->s, irq)) {
			others = fs_pool_printf(p->pool, "%s%s%u (%s)", others ? others : "", others ? ", " : "", irq->number,
						irq->name);
			continue;
		}
		if (plan_irq(p, irq)) {
			fine++;
			served += irq->rx >= 0;
		}
	}
	p->homes_known = served >= p->s->nrx;
	if (fine && p->plan->nchanges == before)
		fs_nic_plan_left(p, "interrupts", "each queue has one CPU already");
	if (others)
		fs_nic_plan_left(p, "interrupts", fs_pool_printf(p->pool, "%s: of no queue in use, as far as their names tell", others));
	if (!p->s->nirqs)
		fs_nic_plan_left(p, "interrupts", p->s->hardware ? "the device shows none of its own" :
						       "none: there is no hardware behind this interface");
	if (p->s->nrx > p->s->ncpus)
		fs_nic_plan_left(p, "queues", fs_pool_printf(p->pool, "%u for %u CPUs: several share a CPU, which does no harm", p->s->nrx,
						 p->s->ncpus));
}

/* ---- the rest ---- */

static void plan_table(struct fs_nic_planner *p)
{
	const struct fs_nic_state *s = p->s;
	unsigned *share, least = s->table_len, most = 0;
	uint32_t *want;

	if (!s->table) {
		fs_nic_plan_left(p, "RSS table", s->hardware ? "this NIC shows none" : "none: there is no hardware behind this interface");
		return;
	}
	share = fs_pool_alloc(p->pool, s->nrings, sizeof(*share));
	for (unsigned i = 0; i < s->table_len; i++) {
		if (s->table[i] >= s->nrings) {
			fs_nic_plan_left(p, "RSS table", "it names queues that are not in use");
			return;
		}
		share[s->table[i]]++;
	}
	for (unsigned q = 0; q < s->nrings; q++) {
		least = fewer(least, share[q]);
		most = share[q] > most ? share[q] : most;
	}
	if (most - least <= 1) {
		fs_nic_plan_left(p, "RSS table", "each queue has its share already");
		return;
	}
	want = fs_pool_alloc(p->pool, s->table_len, sizeof(*want));
	for (unsigned i = 0; i < s->table_len; i++)
		want[i] = i % s->nrings;
	fs_nic_plan_change(p, FS_NIC_TABLE, 0, "", fs_nic_table_text(p->pool, s->table, s->table_len),
	       fs_nic_table_text(p->pool, want, s->table_len), "RSS table",
	       fs_pool_printf(p->pool, "%u to %u of %u entries for a queue -> the same for each of %u queues", least, most,
			      s->table_len, s->nrings),
	       "so that each queue gets its share of the flows");
}

static void plan_untouched(struct fs_nic_planner *p)
{
	bool flows = false;

	for (unsigned q = 0; q < p->s->nrx; q++)
		flows = flows || (p->s->rx[q].more && strcmp(p->s->rx[q].more, "0") != 0);
	if (flows)
		fs_nic_plan_left(p, "RFS", "on (rps_flow_cnt): it leads packets to the CPU that reads them, which with libfastsock is where they arrive");
	if (p->s->has_coalesce)
		fs_nic_plan_left(p, "coalescing", "how long interrupts may wait is latency against CPU time, which is for you to weigh (ethtool -C)");
}

static void advise_irqbalance(struct fs_nic_planner *p)
{
	const char *bans = "";

	if (!p->s->irqbalance)
		return;
	for (unsigned i = 0; i < p->s->nirqs; i++)
		if (is_queues(p->s, &p->s->irq[i]))
			bans = fs_pool_printf(p->pool, "%s --banirq=%u", bans, p->s->irq[i].number);
	if (!*bans)
		return;
	fs_nic_plan_advise(p, "irqbalance",
	       fs_pool_printf(p->pool, "it runs (process %u) and moves interrupts as it sees fit. Have it leave these alone: add to "
			      "IRQBALANCE_ARGS in /etc/default/irqbalance or /etc/sysconfig/irqbalance\n"
			      "     %s\n"
			      "and then: systemctl restart irqbalance; or switch it off: systemctl disable --now irqbalance",
			      p->s->irqbalance, bans));
}

void fs_nic_plan(struct fs_pool *pool, const struct fs_nic_state *state, const struct fs_nic_wish *wish,
		 struct fs_nic_plan *plan)
{
	struct fs_nic_planner p = {.pool = pool, .s = state, .wish = wish, .plan = plan};
	/* A change or a note for each thing there is, and a few of each kind for all of them. */
	size_t most = (size_t)state->nirqs + state->nrx + state->ntx + 16;

	*plan = (struct fs_nic_plan){
		.change = fs_pool_alloc(pool, most, sizeof(*plan->change)),
		.left = fs_pool_alloc(pool, most, sizeof(*plan->left)),
		.advice = fs_pool_alloc(pool, most, sizeof(*plan->advice)),
	};
	plan_channels(&p);
	if (!plan->more) {
		find_homes(&p);
		plan_table(&p);
		plan_irqs(&p);
		fs_nic_plan_xps(&p);
		fs_nic_plan_rps(&p);
		plan_untouched(&p);
	}
	advise_irqbalance(&p);
}
