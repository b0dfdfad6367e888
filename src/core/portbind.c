#define _GNU_SOURCE
#include "portbind.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "destination.h"
#include "netdiag.h"
#include "portrange.h"
#include "route.h"
#include "sockopt.h"
#include "sys/sys.h"

/* A search in vain is not repeated before so many times what it took. */
#define REST 16

/* Found out by the first attempt. Relaxed: at worst, another thread finds it out as well. */
static _Atomic enum { UNKNOWN, NOT_NEEDED, NEEDED } state;

bool fs_portbind_needed(void)
{
	return atomic_load_explicit(&state, memory_order_relaxed) == NEEDED;
}

void fs_portbind_need(void)
{
	atomic_store_explicit(&state, NEEDED, memory_order_relaxed);
}

bool fs_portbind_needed_by(int fd)
{
	uint32_t range;
	socklen_t len = sizeof(range);
	int rc;

	if (FS_UNLIKELY(atomic_load_explicit(&state, memory_order_relaxed) == UNKNOWN)) {
		rc = fs_sys_getsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range, &len);
		if (rc == 0)
			atomic_store_explicit(&state, NOT_NEEDED, memory_order_relaxed);
		else if (rc == -ENOPROTOOPT)
			fs_portbind_need();
	}
	return fs_portbind_needed();
}

static void set_reuse(int fd, int value)
{
	fs_sys_setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &value, sizeof(value));
}

static int bind_to(int fd, const struct fs_target *t, const struct sockaddr *addr, uint16_t port)
{
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} own;

	memset(&own, 0, sizeof(own));
	own.sa.sa_family = addr->sa_family;
	if (addr->sa_family == AF_INET) {
		own.in.sin_port = htons(port);
		memcpy(&own.in.sin_addr, t->source, 4);
		return fs_sys_bind(fd, &own, sizeof(own.in));
	}
	own.in6.sin6_port = htons(port);
	own.in6.sin6_scope_id = t->scope;
	if (t->v6) {
		memcpy(&own.in6.sin6_addr, t->source, 16);
	} else if (t->has_source) {
		memset((char *)&own.in6.sin6_addr + 10, 0xff, 2);
		memcpy((char *)&own.in6.sin6_addr + 12, t->source, 4);
	}
	return fs_sys_bind(fd, &own, sizeof(own.in6));
}

int fs_portbind(int fd, const struct fs_target *t, const struct sockaddr *addr, uint16_t port, bool *ours)
{
	int reuse = fs_sockopt_int(fd, SOL_SOCKET, SO_REUSEADDR, 0), rc;

	/* Without it, so that connect() cannot find the 4-tuple taken: a bound socket could not be given another port. */
	if (reuse)
		set_reuse(fd, 0);
	rc = bind_to(fd, t, addr, port);
	if (rc == 0 || reuse)
		set_reuse(fd, 1);
	*ours = rc == 0 && !reuse;
	return rc;
}

void fs_portbind_restore(int fd, const struct fs_target *t, const struct sockaddr *addr)
{
	/* Without this option, bind() would have given it a port. */
	if (t->has_source && fs_sockopt_int(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 0) > 0)
		bind_to(fd, t, addr, 0);
}

/* ---- sharing ---- */

/* The connection that there would be, but for our port. False when there is no way to the target. */
static bool flow_of(const struct fs_target *t, struct fs_netdiag_flow *f)
{
	struct fs_route route;

	memset(f, 0, sizeof(*f));
	f->v6 = t->v6;
	f->scope = t->scope;
	f->remote_port = t->port;
	memcpy(f->remote, t->remote, sizeof(f->remote));
	memcpy(f->local, t->source, sizeof(f->local));
	if (t->has_source)
		return true;
	if (fs_route_get(t->v6, t->remote, NULL, t->scope, &route) < 0 || !route.has_source)
		return false;
	memcpy(f->local, route.source, sizeof(f->local));
	return true;
}

/* Tries them all, from anywhere on. True: bound. */
static bool search(int fd, const struct fs_target *t, const struct sockaddr *addr, unsigned low, unsigned span, int diag,
		   struct fs_netdiag_flow *f)
{
	uint32_t at = 0;

	fs_sys_getrandom(&at, sizeof(at));
	for (unsigned i = 0; i < span; i++) {
		unsigned port = low + (at + i) % span;
		int rc;

		if (fs_portrange_reserved(port))
			continue;
		f->local_port = (uint16_t)port;
		rc = fs_netdiag_taken(diag, f);
		if (rc == 0)
			rc = bind_to(fd, t, addr, f->local_port);
		else if (rc > 0)
			rc = -EADDRINUSE;
		if (rc != -EADDRINUSE && rc != -EACCES)
			return rc == 0;
	}
	return false;
}

bool fs_portbind_share(int fd, const struct fs_target *t, const struct sockaddr *addr, bool *ours)
{
	static _Atomic uint64_t rested; /* relaxed: at worst, two threads search */
	uint64_t begun = fs_sys_now_us();
	struct fs_netdiag_flow flow;
	unsigned low, high;
	bool found = false;
	int diag, reuse;
	sigset_t old;

	if (begun < atomic_load_explicit(&rested, memory_order_relaxed))
		return false;
	/* A handler that jumps away would leave a descriptor and half of an attempt. */
	fs_sys_block_signals(&old);
	diag = fs_netdiag_open();
	if (diag >= 0 && fs_destination_range(&low, &high) && flow_of(t, &flow)) {
		reuse = fs_sockopt_int(fd, SOL_SOCKET, SO_REUSEADDR, 0);
		if (!reuse)
			set_reuse(fd, 1);
		low = fs_portrange_bindable(low, high);
		found = search(fd, t, addr, low, high + 1 - low, diag, &flow);
		*ours = found && !reuse;
		if (!found) {
			if (!reuse)
				set_reuse(fd, 0);
			fs_portbind_restore(fd, t, addr);
			atomic_store_explicit(&rested, fs_sys_now_us() + REST * (fs_sys_now_us() - begun), memory_order_relaxed);
		}
	}
	if (diag >= 0)
		fs_sys_close(diag);
	fs_sys_restore_signals(&old);
	return found;
}
