#include "rxmap.h"

#include <errno.h>
#include <string.h>

#include "toeplitz.h"

/* As in the NIC's input: behind the addresses and the remote port, because replies carry ours as their destination. */
#define PORT_AT4 10
#define PORT_AT6 34

/*
 * How sure one can be of a queue's CPU: each observation that agrees adds one up to the most,
 * each other one takes one away, and at 0 the CPU is replaced. So a moved interrupt is learned
 * after a few connections, while a single odd packet (a retransmission by another path) changes nothing.
 */
#define SURE_MAX 4
#define SURE_GUESS 2

static uint32_t belief(unsigned cpu, uint32_t sure)
{
	return (uint32_t)cpu | sure << 16;
}

void fs_rxmap_ports(struct fs_rxmap *m, const uint16_t *cpu, unsigned ncpus)
{
	m->ncpus = ncpus;
	memcpy(m->cpu, cpu, ncpus * sizeof(*cpu));
	m->kind = FS_RX_PORTS;
}

static void hash_ports(struct fs_rx_port_hash *h, const uint8_t *key, size_t at)
{
	for (unsigned i = 0; i < 256; i++) {
		uint8_t byte = (uint8_t)i;

		h->high[i] = fs_toeplitz(key, at, &byte, 1);
		h->low[i] = fs_toeplitz(key, at + 1, &byte, 1);
	}
}

int fs_rxmap_rss(struct fs_rxmap *m, const struct fs_rss *rss)
{
	if (rss->key_len < FS_TOEPLITZ_KEY(FS_TOEPLITZ_INPUT4) || rss->key_len > FS_RSS_KEY_MAX || rss->table_len < 1 ||
	    rss->table_len > FS_RSS_TABLE_MAX)
		return -EINVAL;
	for (unsigned i = 0; i < rss->table_len; i++)
		if (rss->table[i] >= FS_RSS_QUEUES_MAX)
			return -EINVAL;
	m->rss = *rss;
	m->ports4 = true;
	m->ports6 = rss->key_len >= FS_TOEPLITZ_KEY(FS_TOEPLITZ_INPUT6);
	for (unsigned q = 0; q < FS_RSS_QUEUES_MAX; q++)
		atomic_store_explicit(&m->queue[q], belief(FS_NO_CPU, 0), memory_order_relaxed);
	hash_ports(&m->hash4, rss->key, PORT_AT4);
	if (m->ports6)
		hash_ports(&m->hash6, rss->key, PORT_AT6);
	m->kind = FS_RX_RSS;
	return 0;
}

void fs_rxmap_guess(struct fs_rxmap *m, unsigned queue, unsigned cpu)
{
	if (queue < FS_RSS_QUEUES_MAX)
		atomic_store_explicit(&m->queue[queue], belief(cpu, SURE_GUESS), memory_order_relaxed);
}

void fs_rxmap_seen(struct fs_rxmap *m, unsigned queue, unsigned cpu)
{
	uint32_t now, sure;

	if (queue >= FS_RSS_QUEUES_MAX || cpu >= FS_NO_CPU)
		return;
	now = atomic_load_explicit(&m->queue[queue], memory_order_relaxed);
	sure = now >> 16;
	if ((now & 0xffff) == cpu) {
		sure = sure < SURE_MAX ? sure + 1 : SURE_MAX;
	} else if (sure > 1) {
		sure--;
	} else {
		now = cpu;
		sure = 1;
		atomic_fetch_add_explicit(&m->changes, 1, memory_order_relaxed);
	}
	atomic_store_explicit(&m->queue[queue], belief(now & 0xffff, sure), memory_order_relaxed);
}

bool fs_rxmap_covers(const struct fs_rxmap *m, bool v6)
{
	if (m->kind != FS_RX_RSS)
		return m->kind == FS_RX_PORTS;
	return v6 ? m->ports6 : m->ports4;
}

unsigned fs_rxmap_spread(const struct fs_rxmap *m)
{
	uint64_t seen[FS_RSS_QUEUES_MAX / 64] = { 0 };
	unsigned n = 0;

	if (m->kind == FS_RX_PORTS)
		return m->ncpus;
	for (unsigned i = 0; m->kind == FS_RX_RSS && i < m->rss.table_len; i++) {
		unsigned q = m->rss.table[i];

		n += !(seen[q / 64] >> (q % 64) & 1);
		seen[q / 64] |= UINT64_C(1) << (q % 64);
	}
	return n ? n : 1;
}

uint32_t fs_rxmap_base(const struct fs_rxmap *m, const struct fs_rx_tuple *t)
{
	size_t len = t->v6 ? 16 : 4;
	uint8_t port[2] = { (uint8_t)(t->remote_port >> 8), (uint8_t)t->remote_port };

	if (m->kind != FS_RX_RSS)
		return 0;
	return fs_toeplitz(m->rss.key, 0, t->remote, len) ^ fs_toeplitz(m->rss.key, len, t->local, len) ^
	       fs_toeplitz(m->rss.key, 2 * len, port, 2);
}

unsigned fs_rxmap_queue(const struct fs_rxmap *m, bool v6, uint32_t base, uint16_t port)
{
	const struct fs_rx_port_hash *h = v6 ? &m->hash6 : &m->hash4;
	uint32_t hash = base ^ h->high[port >> 8] ^ h->low[port & 0xff];
	uint32_t len = m->rss.table_len;

	/* Tables are powers of two, but for a few drivers. */
	return m->rss.table[len & (len - 1) ? hash % len : hash & (len - 1)];
}

unsigned fs_rxmap_cpu(const struct fs_rxmap *m, bool v6, uint32_t base, uint16_t port)
{
	if (m->kind == FS_RX_PORTS)
		return m->cpu[port % m->ncpus];
	if (m->kind != FS_RX_RSS)
		return FS_NO_CPU;
	return atomic_load_explicit(&m->queue[fs_rxmap_queue(m, v6, base, port)], memory_order_relaxed) & 0xffff;
}
