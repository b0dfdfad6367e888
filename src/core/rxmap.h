/*
 * On which CPU the packets of a connection arrive, as a function of its source port: the
 * pure part of choosing one. Two kinds of map (shared design, "connect()"):
 *
 *   ports  the XDP program of `fastsock steer`: the list's entry at port modulo length;
 *   RSS    Toeplitz hash of the 4-tuple -> indirection table -> queue -> CPU. The last step
 *          is a guess, from the interrupts, that what is observed corrects.
 */
#ifndef FS_RXMAP_H
#define FS_RXMAP_H

#include <stdatomic.h>

#include "common.h"

#define FS_NO_CPU 0xffffu
#define FS_RSS_KEY_MAX 256
#define FS_RSS_TABLE_MAX 4096
#define FS_RSS_QUEUES_MAX 1024

enum fs_rx_kind {
	FS_RX_NONE = 0, /* nobody knows */
	FS_RX_PORTS = 1,
	FS_RX_RSS = 2,
};

/* What a NIC, or the operator for it, says about its RSS. */
struct fs_rss {
	uint16_t key_len;   /* bytes */
	uint16_t table_len; /* entries, 1 .. FS_RSS_TABLE_MAX */
	uint8_t key[FS_RSS_KEY_MAX];
	uint16_t table[FS_RSS_TABLE_MAX]; /* queues, each below FS_RSS_QUEUES_MAX */
};

/* The share of our port in the hash, by its bytes. One for each family: it stands elsewhere in the input. */
struct fs_rx_port_hash {
	uint32_t high[256], low[256];
};

struct fs_rxmap {
	enum fs_rx_kind kind;
	uint32_t ncpus; /* of `cpu`, for FS_RX_PORTS */
	uint16_t cpu[FS_CORES_MAX];
	struct fs_rss rss; /* for FS_RX_RSS, as are the following */
	bool ports4, ports6; /* whether the hash covers the ports, for each family; set unless somebody knows better */
	struct fs_rx_port_hash hash4, hash6;
	/*
	 * What is believed of each queue: its CPU, or FS_NO_CPU, below, and above how sure that is.
	 * Any thread writes it; a lost observation is one of many, so relaxed.
	 */
	_Atomic uint32_t queue[FS_RSS_QUEUES_MAX];
	_Atomic uint32_t changes; /* of beliefs: while it stays, so does the answer to which CPUs can be reached. Relaxed, too */
};

/*
 * The two ends of a connection, without our port: addresses in network order (IPv4 in the
 * first four bytes), the remote port in host order.
 */
struct fs_rx_tuple {
	bool v6;
	uint8_t local[16];
	uint8_t remote[16];
	uint16_t remote_port;
};

/* The map of an XDP program, with `ncpus` 1 .. FS_CORES_MAX. */
void fs_rxmap_ports(struct fs_rxmap *m, const uint16_t *cpu, unsigned ncpus);
/*
 * The map of a NIC. Every queue's CPU is unknown until fs_rxmap_guess(). 0, or -EINVAL when the
 * key is too short for IPv4, the table empty, or a queue out of range.
 */
int fs_rxmap_rss(struct fs_rxmap *m, const struct fs_rss *rss);
/* Interrupts say that the queue's packets arrive on `cpu`. */
void fs_rxmap_guess(struct fs_rxmap *m, unsigned queue, unsigned cpu);
/* A connection was seen: packets of this queue arrived on `cpu`. Thread-safe. */
void fs_rxmap_seen(struct fs_rxmap *m, unsigned queue, unsigned cpu);
/* Whether connections of this family can be told apart by their ports. */
bool fs_rxmap_covers(const struct fs_rxmap *m, bool v6);

/* How many CPUs packets are spread over at the most: 1 or more. By chance, one in so many arrives on a given one. */
unsigned fs_rxmap_spread(const struct fs_rxmap *m);

/* The hash of everything but our port, or 0 where that does not matter. */
uint32_t fs_rxmap_base(const struct fs_rxmap *m, const struct fs_rx_tuple *t);
/* The queue of replies to `port`. FS_RX_RSS only. */
unsigned fs_rxmap_queue(const struct fs_rxmap *m, bool v6, uint32_t base, uint16_t port);
/* The CPU where replies to `port` arrive, as far as is known, or FS_NO_CPU. */
unsigned fs_rxmap_cpu(const struct fs_rxmap *m, bool v6, uint32_t base, uint16_t port);

#endif
