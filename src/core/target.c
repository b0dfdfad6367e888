#define _GNU_SOURCE
#include "target.h"

#include <arpa/inet.h>
#include <string.h>

unsigned fs_end_port(const union fs_end *e)
{
	return ntohs(e->sa.sa_family == AF_INET6 ? e->in6.sin6_port : e->in.sin_port);
}

bool fs_target_source(struct fs_target *t, const union fs_end *e)
{
	static const uint8_t any[16];

	if (e->sa.sa_family == AF_INET && !t->v6)
		memcpy(t->source, &e->in.sin_addr, 4);
	else if (e->sa.sa_family == AF_INET6 && t->v6)
		memcpy(t->source, &e->in6.sin6_addr, 16);
	else if (e->sa.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&e->in6.sin6_addr))
		memcpy(t->source, (const char *)&e->in6.sin6_addr + 12, 4);
	else
		return e->sa.sa_family == AF_INET6; /* :: on its way to an IPv4 address */
	t->has_source = memcmp(t->source, any, sizeof(any)) != 0;
	return true;
}

bool fs_target_parse(struct fs_target *t, const struct sockaddr *addr, socklen_t len)
{
	struct sockaddr_in6 in6;
	struct sockaddr_in in;

	memset(t, 0, sizeof(*t));
	if (len >= sizeof(in) && addr->sa_family == AF_INET) {
		memcpy(&in, addr, sizeof(in));
		memcpy(t->remote, &in.sin_addr, 4);
		t->port = ntohs(in.sin_port);
		return true;
	}
	if (len < sizeof(in6) || addr->sa_family != AF_INET6)
		return false;
	memcpy(&in6, addr, sizeof(in6));
	t->port = ntohs(in6.sin6_port);
	t->v6 = !IN6_IS_ADDR_V4MAPPED(&in6.sin6_addr);
	if (t->v6) {
		memcpy(t->remote, &in6.sin6_addr, 16);
		t->scope = IN6_IS_ADDR_LINKLOCAL(&in6.sin6_addr) ? in6.sin6_scope_id : 0;
	} else {
		memcpy(t->remote, (char *)&in6.sin6_addr + 12, 4);
	}
	return true;
}

bool fs_target_is_elsewhere(const struct fs_target *t)
{
	struct in6_addr to;

	if (!t->v6)
		return t->remote[0] != 127 && t->remote[0] != 0 && t->remote[0] < 224;
	memcpy(&to, t->remote, sizeof(to));
	return !IN6_IS_ADDR_LOOPBACK(&to) && !IN6_IS_ADDR_UNSPECIFIED(&to) && !IN6_IS_ADDR_MULTICAST(&to);
}
