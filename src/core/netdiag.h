/*
 * Who listens on a port, and which connections there are, asked of the kernel through sock_diag
 * (NETLINK_SOCK_DIAG, Linux 3.3), which needs no privilege and sees the caller's network namespace.
 * Not for signal handlers or hot paths: it opens a netlink socket.
 */
#ifndef FS_NETDIAG_H
#define FS_NETDIAG_H

#include "common.h"

struct fs_netdiag_listener {
	uint64_t cookie;     /* as SO_COOKIE tells it */
	uint32_t uid;
	uint32_t queue;      /* connections waiting to be accepted */
	uint32_t backlog;
	uint8_t family;      /* AF_INET or AF_INET6 */
	uint8_t address[16]; /* in network order; IPv4 in the first four bytes */
	uint16_t port;       /* in host order */
	bool v6only;         /* as far as the kernel tells (INET_DIAG_SKV6ONLY); false for IPv4 */
};

/*
 * Calls `each` for every TCP listener on `port` (0: on any port), both families.
 * `each` returns false to stop early. Returns 0, or -errno when the kernel cannot
 * be asked (then nobody may be assumed absent).
 */
int fs_netdiag_listeners(uint16_t port, bool (*each)(const struct fs_netdiag_listener *l, void *arg), void *arg);

/* A TCP connection, open or in TIME_WAIT: addresses in network order (IPv4 in the first four bytes), ports in host order. */
struct fs_netdiag_flow {
	bool v6;
	uint32_t scope; /* interface of link-local addresses, else 0 */
	uint8_t local[16], remote[16];
	uint16_t local_port, remote_port;
};

/* A descriptor to ask for several connections by, which the caller closes. -errno when the kernel cannot be asked. */
int fs_netdiag_open(void);
/* 1: there is this connection, or a listener at its local end; 0: neither; or -errno. */
int fs_netdiag_taken(int diag, const struct fs_netdiag_flow *f);

#endif
