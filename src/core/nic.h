/*
 * What this process knows of the interfaces that its connections leave by: how their
 * receive side can be foretold (rxmap.h), and whether that turns out to be true.
 *
 * A record is filled before anybody sees it, and from then on only its beliefs and counters
 * change, so whoever has got a pointer may use it without a lock. An interface whose
 * description changes gets another record, and no record is ever used for something else: an interface that is
 * described as before gets the record that it had.
 */
#ifndef FS_NIC_H
#define FS_NIC_H

#include "rxmap.h"

struct fs_nic {
	char name[16];
	unsigned ifindex;
	uint32_t xdp;     /* id of its XDP program */
	bool current;     /* describes the interface as it is; guarded, like the next one, by the caller's flag (destination.c) */
	/*
	 * What was observed since the last verdict. Relaxed: whoever completes a window takes
	 * it, and one observation more or less does not matter.
	 */
	_Atomic uint32_t sampled, local;
	_Atomic uint32_t bad;       /* windows in a row that spoke against the map, since it was believed again */
	_Atomic uint32_t offs;      /* times in a row that it was switched off */
	_Atomic uint32_t off_until; /* second; before it, the map is not believed */
	struct fs_rxmap map;
};

/*
 * The interface's record, as of now, in seconds of the caller's clock. NULL when nothing is known
 * of its receive side, the kernel does not tell, or with too many changes of interfaces. One caller at a time. Mostly without a system
 * call; every few seconds some, of which the kernel serves a few under its lock for network configuration.
 */
struct fs_nic *fs_nic_get(unsigned ifindex, uint32_t now);

/* Likewise all interfaces, as long as there is a /sys to read what the kernel tells nowhere else. */
void fs_nic_all(uint32_t now);

/* Whether the map is believed at the moment. */
static inline bool fs_nic_trusted(const struct fs_nic *n, uint32_t now)
{
	return now >= atomic_load_explicit(&n->off_until, memory_order_relaxed);
}

/*
 * A connection that was to arrive on `foretold` arrived on `seen`. Speaks against the map when
 * too few of a window did as foretold, and then has it not believed for a while; says so once a time.
 */
void fs_nic_observed(struct fs_nic *n, unsigned foretold, unsigned seen, uint32_t now);

#endif
