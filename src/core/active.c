#define _GNU_SOURCE
#include "active.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "destination.h"
#include "libc.h"
#include "portbind.h"
#include "process.h"
#include "region_lock.h"
#include "sys/sys.h"

#ifndef IP_LOCAL_PORT_RANGE /* Linux 6.3 */
#define IP_LOCAL_PORT_RANGE 51
#endif

/*
 * What a tag says of an active socket, in its index. A socket without a tag may have been
 * made past the hooks, and is asked.
 */
#define FRESH 0x1000u   /* made by socket(), a TCP socket, and nothing happened to it since that would matter */
#define PLAIN 0x0800u   /* it has an option that sends it another way: left alone */
#define SAMPLED 0x0400u /* connected, from the core in the low bits; its RX CPU is looked at when it is closed */
#define LEARN 0x0200u   /* ... and the kernel chose the port */
#define PINNED 0x0100u  /* in connect(), with one port as its range: left like that by a jump or a cancellation */
#define BOUND 0x0100u   /* (kernels before 6.3, which know no PINNED) its SO_REUSEADDR is ours (portbind.h) */
#define CORE 0x00ffu
/* Nothing is ever mapped below (vm.mmap_min_addr's usual value is higher). */
#define LOWEST_ADDRESS 4096

/* One in so many connections is looked at. */
#define SAMPLE_EVERY 16

void fs_active_socket(int fd, int domain, int type, int protocol)
{
	if (fd < 0 || (unsigned)fd >= FS_FD_MAX || !fs_proc.connects)
		return;
	if ((domain != AF_INET && domain != AF_INET6) || (type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) != SOCK_STREAM ||
	    (protocol != 0 && protocol != IPPROTO_TCP))
		return;
	fs_fd_set_tag(fd, FS_TAG_ACTIVE, FRESH);
}

static unsigned active_tag(int fd)
{
	uint16_t tag = fs_fd_tag(fd);

	return fs_tag_kind(tag) == FS_TAG_ACTIVE ? fs_tag_index(tag) : 0;
}

/* The bit, where it means that. */
static unsigned is_bound(unsigned index)
{
	return fs_portbind_needed() && !(index & FRESH) ? index & BOUND : 0;
}

static void unbind_tag(int fd, unsigned index)
{
	index &= ~BOUND;
	fs_fd_set_tag(fd, index ? FS_TAG_ACTIVE : FS_TAG_NONE, index);
}

bool fs_active_hides_reuse(int fd)
{
	return is_bound(active_tag(fd)) != 0;
}

void fs_active_setsockopt(int fd, int level, int name)
{
	bool elsewhere = (level == SOL_SOCKET && (name == SO_BINDTODEVICE || name == SO_MARK || name == SO_BINDTOIFINDEX)) ||
			 (level == IPPROTO_IP && (name == IP_UNICAST_IF || name == IP_TRANSPARENT)) ||
			 (level == IPPROTO_IPV6 && (name == IPV6_UNICAST_IF || name == IPV6_TRANSPARENT));
	bool matters = (level == SOL_SOCKET && (name == SO_REUSEADDR || name == SO_REUSEPORT)) ||
		       (level == IPPROTO_IP && name == IP_LOCAL_PORT_RANGE);

	if (is_bound(active_tag(fd)) && level == SOL_SOCKET && name == SO_REUSEADDR)
		unbind_tag(fd, active_tag(fd)); /* now it is the application's */
	else if (elsewhere)
		fs_fd_set_tag(fd, FS_TAG_ACTIVE, PLAIN);
	else if (matters && (fs_tag_index(fs_fd_tag(fd)) & FRESH))
		fs_fd_set_tag(fd, FS_TAG_NONE, 0);
}

void fs_active_bound(int fd)
{
	if (fs_tag_index(fs_fd_tag(fd)) & FRESH)
		fs_fd_set_tag(fd, FS_TAG_NONE, 0);
}

/* ---- who calls, and where to ---- */

/*
 * The core of the one CPU that the thread is bound to, or FS_NO_CORE. Looked up once a
 * second: taskset(1) binds threads from outside.
 */
static unsigned bound_core(uint32_t now)
{
	struct fs_cpus allowed;
	unsigned cpu;

	if (FS_LIKELY(fs_self.bound_second == now))
		return fs_self.bound_core;
	fs_self.bound_second = now;
	fs_self.bound_core = FS_NO_CORE;
	if (fs_cpus_allowed(0, &allowed) < 0 || fs_cpus_count(&allowed) != 1)
		return FS_NO_CORE;
	cpu = fs_cpus_next(&allowed, 0);
	for (unsigned c = 0; c < fs_proc.ncores; c++)
		if (fs_proc.cpu[c] == cpu)
			fs_self.bound_core = (uint16_t)c;
	return fs_self.bound_core;
}

/* False for what is no address to connect to over TCP. */
static bool parse(const struct sockaddr *addr, socklen_t len, struct fs_target *t)
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

/* Another machine's address, as far as the address tells: not this machine, "any" (which is this machine), or what no TCP goes to. */
static bool is_elsewhere(const struct fs_target *t)
{
	struct in6_addr to;

	if (!t->v6)
		return t->remote[0] != 127 && t->remote[0] != 0 && t->remote[0] < 224;
	memcpy(&to, t->remote, sizeof(to));
	return !IN6_IS_ADDR_LOOPBACK(&to) && !IN6_IS_ADDR_UNSPECIFIED(&to) && !IN6_IS_ADDR_MULTICAST(&to);
}

union end {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static unsigned port_of(const union end *e)
{
	return ntohs(e->sa.sa_family == AF_INET6 ? e->in6.sin6_port : e->in.sin_port);
}

/* The address that a socket is bound to becomes the target's source. False for an address of another family. */
static bool set_source(struct fs_target *t, const union end *e)
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

static int socket_int(int fd, int level, int name)
{
	int value = 0;
	socklen_t len = sizeof(value);
	int rc = fs_sys_getsockopt(fd, level, name, &value, &len);

	return rc < 0 ? rc : value;
}

/* A socket option that is there and not 0, of whatever sign. */
static bool is_set(int fd, int name)
{
	int value = 0;
	socklen_t len = sizeof(value);

	return fs_sys_getsockopt(fd, SOL_SOCKET, name, &value, &len) == 0 && value;
}

static bool own_range(int fd)
{
	uint32_t range = 0;
	socklen_t len = sizeof(range);

	return !fs_portbind_needed() &&
	       fs_sys_getsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range, &len) == 0 && range;
}

/*
 * A socket of which nothing is known: whether it is a TCP socket that has no port and no
 * wishes of its own about it. Its source address, if it is bound to one, goes into *t.
 */
static bool may_choose(int fd, struct fs_target *t)
{
	union end own;
	socklen_t len = sizeof(own);

	memset(&own, 0, sizeof(own));
	return socket_int(fd, SOL_SOCKET, SO_PROTOCOL) == IPPROTO_TCP && fs_sys_getsockname(fd, &own, &len) == 0 &&
	       port_of(&own) == 0 && set_source(t, &own) && !own_range(fd) && !is_set(fd, SO_MARK) &&
	       !is_set(fd, SO_BINDTOIFINDEX);
}

/* ---- the attempt ---- */

static int set_range(int fd, uint16_t port)
{
	uint32_t range = (uint32_t)port << 16 | port;

	return fs_sys_setsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range, sizeof(range));
}

static void tag_bound(int fd, bool ours)
{
	if ((unsigned)fd < FS_FD_MAX)
		fs_fd_set_tag(fd, ours ? FS_TAG_ACTIVE : FS_TAG_NONE, ours ? BOUND : 0);
}

enum outcome {
	DONE,  /* *rc and errno are connect()'s */
	TAKEN, /* another port may do */
	STOP,  /* this socket takes no port */
};

static enum outcome try_port(int fd, const struct fs_target *t, const struct sockaddr *addr, socklen_t len, uint16_t port,
			     int *rc)
{
	bool ours;

	if (!fs_portbind_needed()) {
		int set = set_range(fd, port);

		if (set == 0) {
			if ((unsigned)fd < FS_FD_MAX)
				fs_fd_set_tag(fd, FS_TAG_ACTIVE, PINNED);
			*rc = fs_libc.connect(fd, addr, len);
			return *rc < 0 && errno == EADDRNOTAVAIL ? TAKEN : DONE;
		}
		if (set == -ENOPROTOOPT)
			fs_portbind_need(); /* from now on: somebody forbade it */
		return STOP;
	}
	if (is_set(fd, SO_REUSEPORT))
		return STOP;
	switch (fs_portbind(fd, t, addr, port, &ours)) {
	case 0:
		tag_bound(fd, ours);
		*rc = fs_libc.connect(fd, addr, len);
		return DONE;
	case -EADDRINUSE:
		return TAKEN;
	default:
		return STOP;
	}
}

/* The socket is left with no range of its own, as it was. */
static void unpin(int fd)
{
	uint32_t none = 0;

	fs_sys_setsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &none, sizeof(none));
	if ((unsigned)fd < FS_FD_MAX)
		fs_fd_set_tag(fd, FS_TAG_NONE, 0);
}

static void count(_Atomic uint64_t *counter, uint64_t by)
{
	atomic_fetch_add_explicit(counter, by, memory_order_relaxed);
}

/* A program that never listens has no region until something is worth counting. */
static struct fs_core_active *counters(unsigned core, bool worth)
{
	static _Atomic bool failed; /* relaxed: tried once more at worst */
	sigset_t old;

	if (FS_UNLIKELY(!fs_proc.region && worth && !atomic_load_explicit(&failed, memory_order_relaxed)) &&
	    !fs_foreign_process()) {
		fs_enter(&old);
		if (fs_region_make() < 0)
			atomic_store_explicit(&failed, true, memory_order_relaxed);
		fs_leave(&old);
	}
	return fs_proc.region ? fs_core_active(core) : NULL;
}

/*
 * A connection was opened through `core`: every so often one is marked, to be looked at
 * when it is closed. Those that went any port tell as well, as long as queues are unknown.
 */
static void mark(int fd, unsigned core, bool steered)
{
	if ((unsigned)fd >= FS_FD_MAX || ++fs_self.connects % SAMPLE_EVERY || fs_foreign_process())
		return;
	fs_fd_set_tag(fd, FS_TAG_ACTIVE, SAMPLED | (steered ? 0 : LEARN) | is_bound(active_tag(fd)) | core);
}

/*
 * Tries ports until one is free. True: *rc and errno are connect()'s. False: the kernel
 * shall choose, and *why says why.
 */
static bool steer(int fd, unsigned core, const struct fs_target *t, const struct sockaddr *addr, socklen_t len, uint32_t now,
		  struct fs_core_active *c, enum fs_fallback *why, int *rc)
{
	bool binds = fs_portbind_needed_by(fd);
	struct fs_port_choice choice;
	enum outcome outcome = TAKEN;
	unsigned tries = 0, most;
	int saved;

	*why = fs_destination_port(core, t, now, binds, &choice);
	if (*why)
		return false;
	most = choice.tries;
	do {
		tries++;
		outcome = try_port(fd, t, addr, len, choice.port, rc);
	} while (outcome == TAKEN && tries < most && fs_destination_port(core, t, now, binds, &choice) == FS_FALLBACK_NONE);
	saved = errno;
	if (!fs_portbind_needed())
		unpin(fd);
	else if (outcome == TAKEN)
		fs_portbind_restore(fd, t, addr);
	if (c)
		count(&c->tries, tries);
	if (tries > 1 || choice.crowded || outcome != DONE)
		fs_destination_tried(core, t, tries, outcome == DONE);
	errno = saved;
	*why = outcome == DONE ? FS_FALLBACK_NONE : FS_FALLBACK_TAKEN;
	return outcome == DONE;
}

/* The kernel found no port. It is an error only if there is none among those that were bound here, either. */
static int share(int fd, const struct sockaddr *addr, socklen_t len)
{
	struct fs_target t;
	int rc = -1;
	bool ours;

	if (fs_portbind_needed_by(fd) && parse(addr, len, &t) && may_choose(fd, &t) && fs_portbind_share(fd, &t, addr, &ours)) {
		tag_bound(fd, ours);
		return fs_libc.connect(fd, addr, len);
	}
	errno = EADDRNOTAVAIL;
	return rc;
}

static int plain(int fd, const struct sockaddr *addr, socklen_t len)
{
	int rc = fs_libc.connect(fd, addr, len);

	return FS_UNLIKELY(rc < 0 && errno == EADDRNOTAVAIL) ? share(fd, addr, len) : rc;
}

int fs_active_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	unsigned tag = active_tag(fd), core;
	struct fs_core_active *c;
	struct fs_target t;
	enum fs_fallback why;
	uint32_t now;
	int rc = 0, saved;

	/* It has an option that nobody knows, goes another way, or was connected: a repeated call. */
	if (fs_tag_kind(fs_fd_tag(fd)) == FS_TAG_ODD || (tag & (PLAIN | SAMPLED)) || is_bound(tag))
		return fs_libc.connect(fd, addr, len);
	saved = errno;
	if (tag & PINNED)
		unpin(fd);
	else if (tag)
		fs_fd_set_tag(fd, FS_TAG_NONE, 0); /* not fresh any more, whatever becomes of it */
	errno = saved;
	/* The kernel tells who passes a bad pointer; the first page is the usual one. */
	if ((uintptr_t)addr < LOWEST_ADDRESS || !parse(addr, len, &t) || !is_elsewhere(&t))
		return plain(fd, addr, len);
	now = fs_destination_now();
	core = bound_core(now);
	if (core == FS_NO_CORE)
		return plain(fd, addr, len);
	why = fs_destination_known(core, &t, now);
	/* What is asked of the socket is asked only where it is of use. */
	if (why == FS_FALLBACK_NONE && !(tag & FRESH) && !may_choose(fd, &t)) {
		errno = saved;
		return plain(fd, addr, len);
	}
	errno = saved;
	c = counters(core, why == FS_FALLBACK_NONE);
	if (c)
		count(&c->calls, 1);
	if (why == FS_FALLBACK_NONE && steer(fd, core, &t, addr, len, now, c, &why, &rc)) {
		if (c)
			count(&c->steered, 1);
		mark(fd, core, true);
		return rc;
	}
	if (c)
		count(&c->fallback[why], 1);
	rc = plain(fd, addr, len);
	/* What the map lacks, or got wrong, is learned from these. */
	if (why == FS_FALLBACK_CPU || why == FS_FALLBACK_WRONG)
		mark(fd, core, false);
	return rc;
}

/* ---- what became of it ---- */

/* Looks at a connection that was marked, and forgets the mark. */
static void sample(int fd, unsigned index)
{
	unsigned core = index & CORE;
	struct fs_target t;
	union end own, peer;
	socklen_t len = sizeof(own), plen = sizeof(peer);
	struct fs_core_active *c;
	int cpu;

	memset(&own, 0, sizeof(own));
	memset(&peer, 0, sizeof(peer));
	cpu = socket_int(fd, SOL_SOCKET, SO_INCOMING_CPU);
	if (core >= fs_proc.ncores || cpu < 0 || fs_sys_getpeername(fd, &peer, &plen) < 0 ||
	    fs_sys_getsockname(fd, &own, &len) < 0 || !parse(&peer.sa, plen, &t) || !set_source(&t, &own) ||
	    !fs_destination_seen(core, &t, (uint16_t)port_of(&own), (unsigned)cpu, fs_destination_now()))
		return;
	c = counters(core, false);
	if (!c || (index & LEARN))
		return;
	count(&c->rx_sampled, 1);
	if ((unsigned)cpu == fs_proc.cpu[core])
		count(&c->rx_local, 1);
}

void fs_active_shutdown(int fd)
{
	unsigned index = active_tag(fd);

	if (!(index & SAMPLED) || fs_foreign_process())
		return;
	sample(fd, index);
	fs_fd_set_tag(fd, is_bound(index) ? FS_TAG_ACTIVE : FS_TAG_NONE, is_bound(index));
}

void fs_active_dropped(int fd)
{
	fs_fd_set_tag(fd, FS_TAG_NONE, 0);
}

void fs_active_closing(int fd)
{
	unsigned index = active_tag(fd);

	if (fs_foreign_process())
		return;
	if (index & SAMPLED)
		sample(fd, index);
	fs_active_dropped(fd);
}
