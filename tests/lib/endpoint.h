/* Addresses for the programs that try connect(): either family, and link-local ones with their interface ("fe80::1%eth0"). */
#ifndef FS_TESTS_ENDPOINT_H
#define FS_TESTS_ENDPOINT_H

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

union endpoint {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

/* The address's length; 0 for a text that is none. */
static inline socklen_t endpoint_parse(union endpoint *e, const char *text, int port)
{
	char address[INET6_ADDRSTRLEN];
	const char *interface = strchr(text, '%');
	size_t n = interface ? (size_t)(interface - text) : strlen(text);

	memset(e, 0, sizeof(*e));
	if (n >= sizeof(address))
		return 0;
	memcpy(address, text, n);
	address[n] = 0;
	if (!interface && inet_pton(AF_INET, address, &e->in.sin_addr) == 1) {
		e->in.sin_family = AF_INET;
		e->in.sin_port = htons((uint16_t)port);
		return sizeof(e->in);
	}
	if (inet_pton(AF_INET6, address, &e->in6.sin6_addr) != 1)
		return 0;
	e->in6.sin6_family = AF_INET6;
	e->in6.sin6_port = htons((uint16_t)port);
	e->in6.sin6_scope_id = interface ? if_nametoindex(interface + 1) : 0;
	return interface && !e->in6.sin6_scope_id ? 0 : sizeof(e->in6);
}

static inline unsigned endpoint_port(const union endpoint *e)
{
	return ntohs(e->sa.sa_family == AF_INET6 ? e->in6.sin6_port : e->in.sin_port);
}

#endif
