#define _GNU_SOURCE
#include "address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "sockopt.h"
#include "sys/sys.h"

bool fs_address_of(int fd, struct fs_group_rec *rec)
{
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} a;
	socklen_t len = sizeof(a);

	memset(&a, 0, sizeof(a));
	if (fs_sys_getsockname(fd, &a, &len) < 0)
		return false;
	memset(rec->address, 0, sizeof(rec->address));
	rec->family = a.sa.sa_family;
	rec->v6only = 0;
	rec->scope = 0;
	if (a.sa.sa_family == AF_INET) {
		memcpy(rec->address, &a.in.sin_addr, 4);
		rec->port = ntohs(a.in.sin_port);
	} else if (a.sa.sa_family == AF_INET6) {
		memcpy(rec->address, &a.in6.sin6_addr, 16);
		rec->port = ntohs(a.in6.sin6_port);
		rec->scope = a.in6.sin6_scope_id;
		rec->v6only = (uint32_t)fs_sockopt_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
	} else {
		return false;
	}
	return true;
}
