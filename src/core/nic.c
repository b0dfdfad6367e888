#define _GNU_SOURCE
#include "nic.h"

#include <string.h>

#include "log.h"
#include "nicinfo.h"
#include "portsteer.h"
#include "process.h"
#include "route.h"
#include "rss_text.h"

/* Interfaces, and the records that changed ones leave behind. */
#define NICS_MAX 32
/* Seconds after which a NIC is asked again for what is expensive to ask. */
#define LOOK_AGAIN 10
/* Seconds that a replaced record is left alone: threads may still have pointers to it. */
#define GRACE 30
/* VLANs upon VLANs. */
#define DEPTH_MAX 3

/* Connections observed before a verdict. */
#define WINDOW 64
/* Windows in a row that have to be bad: the first one may be the time in which queues are learned. */
#define BAD_WINDOWS 2
/* Seconds in which a map that was wrong is not used; doubles each time. */
#define OFF_MIN 60
#define OFF_MAX 3600

static struct fs_nic nics[NICS_MAX];

static void guess(unsigned queue, unsigned cpu, void *arg)
{
	fs_rxmap_guess(arg, queue, cpu);
}

/* By XDP, by what the operator says, by what the NIC says; FS_RX_NONE otherwise. */
static void describe(struct fs_nic *n)
{
	struct fs_portsteer steer;
	struct fs_rss rss;

	n->map.kind = FS_RX_NONE;
	if (n->xdp && fs_portsteer_read(n->xdp, n->ifindex, &steer) == 0) {
		fs_rxmap_ports(&n->map, steer.cpu, steer.ncpus);
		return;
	}
	if (fs_proc.options.rss[0] && fs_rss_text(fs_proc.options.rss, n->name, &rss) == 1) {
		fs_rxmap_rss(&n->map, &rss);
	} else {
		if (fs_nicinfo_rss(n->name, &rss) < 0 || fs_rxmap_rss(&n->map, &rss) < 0)
			return;
		n->map.ports4 = fs_nicinfo_hashes_ports(n->name, false);
		n->map.ports6 = n->map.ports6 && fs_nicinfo_hashes_ports(n->name, true);
	}
	fs_nicinfo_queues(n->name, guess, &n->map);
}

static bool same_map(const struct fs_rxmap *a, const struct fs_rxmap *b)
{
	if (a->kind != b->kind)
		return false;
	if (a->kind == FS_RX_PORTS)
		return a->ncpus == b->ncpus && memcmp(a->cpu, b->cpu, a->ncpus * sizeof(a->cpu[0])) == 0;
	return a->kind == FS_RX_NONE ||
	       (a->ports4 == b->ports4 && a->ports6 == b->ports6 && a->rss.key_len == b->rss.key_len &&
		a->rss.table_len == b->rss.table_len && memcmp(a->rss.key, b->rss.key, a->rss.key_len) == 0 &&
		memcmp(a->rss.table, b->rss.table, a->rss.table_len * sizeof(a->rss.table[0])) == 0);
}

static struct fs_nic *find(const struct fs_link *link, unsigned ifindex)
{
	for (unsigned i = 0; i < NICS_MAX; i++) {
		struct fs_nic *n = &nics[i];

		if (n->taken && n->current && n->ifindex == ifindex && n->xdp == link->xdp &&
		    strcmp(n->name, link->name) == 0)
			return n;
	}
	return NULL;
}

static struct fs_nic *take(uint32_t now)
{
	struct fs_nic *n = NULL;

	for (unsigned i = 0; i < NICS_MAX && !n; i++)
		if (!nics[i].taken || nics[i].used + GRACE < now)
			n = &nics[i];
	if (!n)
		return NULL;
	n->taken = true;
	n->current = false;
	n->used = now;
	atomic_store_explicit(&n->sampled, 0, memory_order_relaxed);
	atomic_store_explicit(&n->local, 0, memory_order_relaxed);
	atomic_store_explicit(&n->bad, 0, memory_order_relaxed);
	atomic_store_explicit(&n->off_until, 0, memory_order_relaxed);
	return n;
}

static const char *kind_name(const struct fs_nic *n)
{
	return n->map.kind == FS_RX_PORTS ? "its XDP program" : n->map.kind == FS_RX_RSS ? "RSS" : "nothing known";
}

static struct fs_nic *look(const struct fs_link *link, unsigned ifindex, uint32_t now)
{
	struct fs_nic *old = find(link, ifindex), *n;

	if (old && now < old->looked + LOOK_AGAIN) {
		old->used = now;
		return old;
	}
	n = take(now);
	if (!n)
		return old;
	memcpy(n->name, link->name, sizeof(n->name));
	n->ifindex = ifindex;
	n->xdp = link->xdp;
	describe(n);
	if (old && same_map(&old->map, &n->map)) {
		n->taken = false;
		old->used = old->looked = now;
		return old;
	}
	for (unsigned i = 0; i < NICS_MAX; i++)
		if (nics[i].ifindex == ifindex)
			nics[i].current = false;
	n->current = true;
	n->looked = now;
	fs_log(FS_LOG_DEBUG, "%s: source ports by %s", n->name, kind_name(n));
	return n;
}

struct fs_nic *fs_nic_get(unsigned ifindex, uint32_t now)
{
	struct fs_link link;

	for (unsigned depth = 0; depth < DEPTH_MAX; depth++) {
		if (fs_link_get(ifindex, &link) < 0)
			return NULL;
		if (!link.lower)
			return look(&link, ifindex, now);
		ifindex = link.lower;
	}
	return NULL;
}

void fs_nic_observed(struct fs_nic *n, unsigned wanted, unsigned seen, uint32_t now)
{
	uint32_t local = atomic_fetch_add_explicit(&n->local, wanted == seen, memory_order_relaxed) + (wanted == seen);
	uint32_t sampled = atomic_fetch_add_explicit(&n->sampled, 1, memory_order_relaxed) + 1, bad, off = OFF_MIN;
	uint32_t spread = fs_rxmap_spread(&n->map);

	if (sampled % WINDOW)
		return;
	atomic_store_explicit(&n->local, 0, memory_order_relaxed);
	/* Halfway between chance, one in so many CPUs, and certainty. */
	if ((uint64_t)local * 2 * spread >= (uint64_t)WINDOW * (spread + 1)) {
		atomic_store_explicit(&n->bad, 0, memory_order_relaxed);
		return;
	}
	bad = atomic_fetch_add_explicit(&n->bad, 1, memory_order_relaxed) + 1;
	if (bad < BAD_WINDOWS)
		return;
	for (; bad > BAD_WINDOWS && off < OFF_MAX; bad--)
		off *= 2;
	atomic_store_explicit(&n->off_until, now + (off < OFF_MAX ? off : OFF_MAX), memory_order_relaxed);
	fs_log(FS_LOG_WARN,
	       "%s: of %d replies, %u arrived on the CPU that %s promised: for %u s the kernel chooses source ports"
	       " (does FASTSOCK_RSS fit? see libfastsock(7))",
	       n->name, WINDOW, local, kind_name(n), off < OFF_MAX ? off : OFF_MAX);
}
