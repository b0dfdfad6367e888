#define _GNU_SOURCE
#include "nic.h"

#include <string.h>

#include "log.h"
#include "nicinfo.h"
#include "portsteer.h"
#include "process.h"
#include "route.h"
#include "rss_text.h"

/* Interfaces, and the descriptions that changed ones had before. A record takes 18 KiB once it is used. */
#define NICS_MAX 64
/* Seconds after which an interface is asked again. */
#define LOOK_AGAIN 5
/* VLANs upon VLANs. */
#define DEPTH_MAX 3
/* Interfaces, VLANs included, that are remembered. */
#define WAYS_MAX 64

/*
 * Connections observed before a verdict: so many for each queue, because a queue whose
 * interrupt moved takes four or five to be learned, and at least the least.
 */
#define WINDOW_QUEUE 8
#define WINDOW_LEAST 64
/* Windows in a row that have to be bad: the first one may be the time in which queues are learned. */
#define BAD_WINDOWS 2
/* Seconds in which a map that was wrong is not used; doubles each time. */
#define OFF_MIN 60
#define OFF_MAX 3600

static struct fs_nic nics[NICS_MAX];
static unsigned nics_end;

/* Which record an interface has: its own, or a VLAN the one of the interface below. */
static struct {
	unsigned ifindex;
	uint32_t looked;
	struct fs_nic *nic;
} ways[WAYS_MAX];

static void guess(unsigned queue, unsigned cpu, void *arg)
{
	fs_rxmap_guess(arg, queue, cpu);
}

/*
 * By XDP, by what the operator says, by what the NIC says; FS_RX_NONE otherwise, or where all goes to one CPU anyway.
 * An XDP program's note never changes, and cannot be read any more in a chroot.
 */
static void describe(struct fs_nic *n, const struct fs_nic *old)
{
	/* Not on the stack, which may be a small one. */
	static struct fs_portsteer steer;
	static struct fs_rss rss;

	n->map.kind = FS_RX_NONE;
	if (old && n->xdp && old->xdp == n->xdp && old->map.kind == FS_RX_PORTS) {
		fs_rxmap_ports(&n->map, old->map.cpu, old->map.ncpus);
		return;
	}
	if (n->xdp && fs_portsteer_read(n->xdp, n->ifindex, &steer) == 0) {
		fs_rxmap_ports(&n->map, steer.cpu, steer.ncpus);
	} else if (fs_proc.options.rss[0] && fs_rss_text(fs_proc.options.rss, n->name, &rss) == 1) {
		fs_rxmap_rss(&n->map, &rss);
	} else if (fs_nicinfo_rss(n->name, &rss) == 0 && fs_rxmap_rss(&n->map, &rss) == 0) {
		n->map.ports4 = fs_nicinfo_hashes_ports(n->name, false);
		n->map.ports6 = n->map.ports6 && fs_nicinfo_hashes_ports(n->name, true);
	}
	if (fs_rxmap_spread(&n->map) < 2)
		n->map.kind = FS_RX_NONE;
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

static struct fs_nic *find(unsigned ifindex)
{
	for (unsigned i = 0; i < nics_end; i++)
		if (nics[i].current && nics[i].ifindex == ifindex)
			return &nics[i];
	return NULL;
}

/* What says the same, perhaps of an earlier time. */
static struct fs_nic *find_same(const struct fs_nic *n)
{
	for (unsigned i = 0; i < nics_end; i++)
		if (nics[i].ifindex == n->ifindex && strcmp(nics[i].name, n->name) == 0 && same_map(&nics[i].map, &n->map))
			return &nics[i];
	return NULL;
}

static const char *kind_name(const struct fs_nic *n)
{
	return n->map.kind == FS_RX_PORTS ? "its XDP program" : n->map.kind == FS_RX_RSS ? "RSS" : "nothing known";
}

static struct fs_nic *look(const struct fs_link *link, unsigned ifindex)
{
	struct fs_nic *old = find(ifindex), *n = &nics[nics_end], *same;

	/* Not overwritten by what is tried there: a reader may hold the last one. */
	if (nics_end == NICS_MAX)
		return old;
	/* The free record at the end; it stays free if it says nothing new. */
	memcpy(n->name, link->name, sizeof(n->name));
	n->ifindex = ifindex;
	n->xdp = link->xdp;
	describe(n, old);
	if (old)
		old->current = false;
	/* Interfaces of which nothing is known come and go without using up the records. */
	if (n->map.kind == FS_RX_NONE)
		return NULL;
	same = find_same(n);
	if (same) {
		same->xdp = n->xdp;
		same->current = true;
		return same;
	}
	if (n->map.kind == FS_RX_RSS)
		fs_nicinfo_queues(n->name, guess, &n->map);
	n->current = true;
	if (++nics_end == NICS_MAX)
		fs_log(FS_LOG_WARN, "network interfaces changed too often: on new ones, the kernel chooses the source ports of connect()"
				    " until the program is restarted");
	fs_log(FS_LOG_DEBUG, "%s: source ports by %s", n->name, kind_name(n));
	return n;
}

static struct fs_nic *resolve(unsigned ifindex)
{
	struct fs_link link;

	for (unsigned depth = 0; depth < DEPTH_MAX; depth++) {
		if (fs_link_get(ifindex, &link) < 0)
			return NULL;
		if (!link.lower)
			return look(&link, ifindex);
		ifindex = link.lower;
	}
	return NULL;
}

struct fs_nic *fs_nic_get(unsigned ifindex, uint32_t now)
{
	unsigned at = ifindex % WAYS_MAX;

	if (ways[at].ifindex != ifindex || now >= ways[at].looked + LOOK_AGAIN) {
		ways[at].nic = resolve(ifindex);
		ways[at].ifindex = ifindex;
		ways[at].looked = now;
	}
	return ways[at].nic;
}

static void look_at(unsigned ifindex, void *arg)
{
	fs_nic_get(ifindex, *(uint32_t *)arg);
}

void fs_nic_all(uint32_t now)
{
	fs_nicinfo_interfaces(look_at, &now);
}

void fs_nic_observed(struct fs_nic *n, unsigned foretold, unsigned seen, uint32_t now)
{
	uint32_t spread = fs_rxmap_spread(&n->map), window = spread * WINDOW_QUEUE, local, sampled, offs, off = OFF_MIN;

	/* Connections from before it was switched off. */
	if (!fs_nic_trusted(n, now))
		return;
	if (window < WINDOW_LEAST)
		window = WINDOW_LEAST;
	atomic_fetch_add_explicit(&n->local, foretold == seen, memory_order_relaxed);
	sampled = atomic_fetch_add_explicit(&n->sampled, 1, memory_order_relaxed) + 1;
	/* One thread takes it, the last one or, if that was jumped out of here, another one. */
	if (sampled < window || atomic_exchange_explicit(&n->sampled, 0, memory_order_relaxed) < window)
		return;
	local = atomic_exchange_explicit(&n->local, 0, memory_order_relaxed);
	/* Halfway between chance, one in so many CPUs, and certainty. */
	if ((uint64_t)local * 2 * spread >= (uint64_t)window * (spread + 1)) {
		atomic_store_explicit(&n->bad, 0, memory_order_relaxed);
		atomic_store_explicit(&n->offs, 0, memory_order_relaxed);
		return;
	}
	if (atomic_fetch_add_explicit(&n->bad, 1, memory_order_relaxed) + 1 < BAD_WINDOWS)
		return;
	atomic_store_explicit(&n->bad, 0, memory_order_relaxed);
	for (offs = atomic_fetch_add_explicit(&n->offs, 1, memory_order_relaxed); offs && off < OFF_MAX; offs--)
		off *= 2;
	if (off > OFF_MAX)
		off = OFF_MAX;
	atomic_store_explicit(&n->off_until, now + off, memory_order_relaxed);
	fs_log(FS_LOG_WARN,
	       "%s: of %u replies, %u arrived on the CPU that %s foretold: for %u s the kernel chooses the source ports of"
	       " connect(); see fastsock nic %s, and whether FASTSOCK_RSS fits",
	       n->name, window, local, kind_name(n), off, n->name);
}
