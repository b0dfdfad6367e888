/*
 * Where the library connects to, core by core: for each destination whether the way back
 * can be steered, and the next source port to try. Each core walks its own ports, from a
 * place that a keyed hash of the destination gives (RFC 6056, algorithm 4).
 */
#ifndef FS_DESTINATION_H
#define FS_DESTINATION_H

#include "region.h"
#include "target.h"

enum fs_port_walk {
	FS_PORT_BIND = 1, /* the port will be bound (portbind.h) */
	FS_PORT_LEAP = 2, /* the one before was taken: somewhere else */
};

struct fs_port_choice {
	uint16_t port;  /* to try; host order */
	uint8_t tries;  /* how many ports may be tried in all */
	bool crowded;   /* ports were taken lately: fs_destination_tried() wants to know how it went this time */
};

/* Seconds of the clock that the functions below take. Starts at 1 or above. A few nanoseconds. */
uint32_t fs_destination_now(void);

/*
 * The port to try for a connection from `core`'s CPU, or why there is none. The first call for
 * a destination, and one each second, asks the kernel for the route, which takes some ten
 * microseconds; all others take no system call. Never waits: who finds somebody else at work
 * gets FS_FALLBACK_BUSY. Signal-safe. fs_destination_known() asks without choosing a port.
 */
enum fs_fallback fs_destination_port(unsigned core, const struct fs_target *t, uint32_t now, enum fs_port_walk how,
				     struct fs_port_choice *out);
enum fs_fallback fs_destination_known(unsigned core, const struct fs_target *t, uint32_t now);
/* How many ports were tried, and whether the last one was free, so that a crowded range is not searched in vain. */
void fs_destination_tried(unsigned core, const struct fs_target *t, uint32_t now, unsigned tries, bool found);
/*
 * A connection from `core` with this source address and port had its packets on `cpu`. Teaches which
 * queue is where, and whether the map is right: about `core`'s CPU, if the port was `chosen` for that.
 * False: the destination is not known (any more).
 */
bool fs_destination_seen(unsigned core, const struct fs_target *t, uint16_t port, bool chosen, unsigned cpu, uint32_t now);

/*
 * The range of source ports as it is now, or was when it could be read last; false when it never could, or
 * somebody else is asking. Signals blocked.
 */
bool fs_destination_range(unsigned *low, unsigned *high);

/* Before /proc, /sys and /run get out of sight: what has to be read there is read now, and kept. */
void fs_destination_before_chroot(void);

/* In a forked child: nothing is known, and the ports are others than the parent's. */
void fs_destination_forget(void);

#endif
