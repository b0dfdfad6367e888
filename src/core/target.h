/* Where a connection goes to, and from, as far as addresses tell. Pure. */
#ifndef FS_TARGET_H
#define FS_TARGET_H

#include <netinet/in.h>
#include <sys/socket.h>

#include "common.h"

struct fs_target {
	bool v6; /* an IPv4-mapped address is IPv4 here */
	bool has_source; /* the socket is bound to an address */
	uint16_t port;  /* host order */
	uint32_t scope; /* interface of a link-local address, else 0 */
	uint8_t remote[16], source[16]; /* network order; IPv4 in the first four bytes, the rest 0 */
};

/* One end of a socket, as the kernel tells it. */
union fs_end {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

/* In host order. */
unsigned fs_end_port(const union fs_end *e);

/* Fills in *t, without a source. False for what is no address to connect to over TCP. */
bool fs_target_parse(struct fs_target *t, const struct sockaddr *addr, socklen_t len);
/* The address that a socket is bound to becomes the target's source. False for an address of another family. */
bool fs_target_source(struct fs_target *t, const union fs_end *own);
/* Another machine's address: not this machine, "any" (which is this machine), or what no TCP goes to. */
bool fs_target_is_elsewhere(const struct fs_target *t);

#endif
