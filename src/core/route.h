/*
 * rtnetlink(7): which way packets to a destination leave, and what is known of an
 * interface. One question and one answer each, a few microseconds; nothing here waits for
 * anything but the kernel's own locks. Unprivileged.
 */
#ifndef FS_ROUTE_H
#define FS_ROUTE_H

#include "common.h"

struct fs_route {
	unsigned ifindex;  /* of the interface that packets leave by */
	bool local;        /* to this machine itself */
	bool has_source;
	uint8_t source[16]; /* the address that the kernel would choose; network order, IPv4 in the first four bytes */
};

struct fs_link {
	char name[16];
	uint32_t xdp;   /* id of the XDP program that runs on it; 0 without one, or with several */
	unsigned lower; /* of a VLAN: the interface below it; 0 for what is none */
};

/*
 * The route to `to`, from `from` or (NULL) from wherever the kernel likes. `scope`: the
 * interface of a link-local IPv6 address, else 0. 0 or -errno (-ENETUNREACH and the like).
 */
int fs_route_get(bool v6, const uint8_t *to, const uint8_t *from, unsigned scope, struct fs_route *out);
/* One caller at a time. */
int fs_link_get(unsigned ifindex, struct fs_link *out);

#endif
