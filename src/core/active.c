#define _GNU_SOURCE
#include "active.h"

#include <errno.h>
#include <linux/in6.h>
#include <netinet/in.h>
#include <string.h>

#include "active_socket.h"
#include "destination.h"
#include "libc.h"
#include "portbind.h"
#include "process.h"
#include "region_lock.h"
#include "sys/sys.h"

/* Nothing is ever mapped below (vm.mmap_min_addr's usual value is higher). */
#define LOWEST_ADDRESS 4096

/* One in so many connections is looked at. */
#define SAMPLE_EVERY 16

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

static int socket_int(int fd, int level, int name)
{
	int value = 0;
	socklen_t len = sizeof(value);
	int rc = fs_sys_getsockopt(fd, level, name, &value, &len);

	return rc < 0 ? rc : value;
}

/* A socket option that is there and not 0, of whatever sign. */
static bool is_set(int fd, int level, int name)
{
	int value = 0;
	socklen_t len = sizeof(value);

	return fs_sys_getsockopt(fd, level, name, &value, &len) == 0 && value;
}

static bool own_range(int fd)
{
	uint32_t range = 0;
	socklen_t len = sizeof(range);

	return !fs_portbind_needed() &&
	       fs_sys_getsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range, &len) == 0 && range;
}

/*
 * A socket of which nothing is known: whether it is a TCP socket that has no port. Its source address, if it is bound to
 * one, goes into *t. Not in a vfork child: there the number's tag may be that of another descriptor of the parent's.
 */
static bool may_connect(int fd, struct fs_target *t)
{
	union fs_end own;
	socklen_t len = sizeof(own);

	memset(&own, 0, sizeof(own));
	return !fs_foreign_process() && socket_int(fd, SOL_SOCKET, SO_PROTOCOL) == IPPROTO_TCP &&
	       fs_sys_getsockname(fd, &own, &len) == 0 && fs_end_port(&own) == 0 && fs_target_source(t, &own);
}

/* ... whether it has wishes of its own about port or way. */
static bool may_choose(int fd)
{
	return !own_range(fd) && !is_set(fd, SOL_SOCKET, SO_MARK) && !is_set(fd, SOL_SOCKET, SO_BINDTOIFINDEX) &&
	       !is_set(fd, IPPROTO_IP, IP_TRANSPARENT) && !is_set(fd, IPPROTO_IP, IP_UNICAST_IF) &&
	       !is_set(fd, IPPROTO_IPV6, IPV6_UNICAST_IF);
}

/* ---- the attempt ---- */

static int set_range(int fd, uint16_t low, uint16_t high)
{
	uint32_t range = (uint32_t)high << 16 | low;

	return fs_sys_setsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range, sizeof(range));
}

/* First the tag: a handler that jumps away right after the system call leaves a socket that says how it is. */
static int pin(int fd, uint16_t port)
{
	fs_fd_set_tag(fd, FS_TAG_ACTIVE, FS_ACTIVE_PINNED);
	return set_range(fd, port, port);
}

/* The socket is left with no range of its own, as it was; if it still is that socket. */
static void unpin(int fd)
{
	uint16_t tag = fs_fd_tag(fd);

	if ((unsigned)fd < FS_FD_MAX && fs_active_index(tag) != FS_ACTIVE_PINNED)
		return;
	set_range(fd, 0, 0);
	fs_fd_swap_tag(fd, tag, FS_TAG_NONE, 0);
}

/* The port is bound, and SO_REUSEADDR may be `ours`. */
static void tag_bound(int fd, bool ours)
{
	fs_fd_set_tag(fd, ours ? FS_TAG_ACTIVE : FS_TAG_NONE, ours ? FS_ACTIVE_BOUND : 0);
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
		int set = pin(fd, port);

		if (set == 0) {
			*rc = fs_libc.connect(fd, addr, len);
			return *rc < 0 && errno == EADDRNOTAVAIL ? TAKEN : DONE;
		}
		unpin(fd);
		if (set == -ENOPROTOOPT)
			fs_portbind_need(); /* from now on: somebody forbade it */
		return STOP;
	}
	if (is_set(fd, SOL_SOCKET, SO_REUSEPORT))
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
	uint16_t tag = fs_fd_tag(fd);
	unsigned index = fs_active_index(tag);

	if ((unsigned)fd >= FS_FD_MAX || ++fs_self.connects % SAMPLE_EVERY || fs_foreign_process())
		return;
	if (fs_tag_kind(tag) == FS_TAG_NONE || fs_tag_kind(tag) == FS_TAG_ODD || (index && index == fs_active_bound_bit(index)))
		fs_fd_swap_tag(fd, tag, FS_TAG_ACTIVE, FS_ACTIVE_SAMPLED | (steered ? 0 : FS_ACTIVE_LEARN) | fs_active_bound_bit(index) | core);
}

/*
 * Tries ports until one is free. True: *rc and errno are connect()'s. False: the kernel
 * shall choose, and *why says why.
 */
static bool steer(int fd, unsigned core, const struct fs_target *t, const struct sockaddr *addr, socklen_t len, uint32_t now,
		  struct fs_core_active *c, enum fs_fallback *why, int *rc)
{
	bool binds = fs_portbind_needed_by(fd);
	enum fs_port_walk walk = binds ? FS_PORT_BIND : 0;
	struct fs_port_choice choice;
	enum outcome outcome = TAKEN;
	unsigned tries = 0, most;
	int saved;

	*why = fs_destination_port(core, t, now, walk, &choice);
	if (*why)
		return false;
	most = choice.tries;
	do {
		tries++;
		outcome = try_port(fd, t, addr, len, choice.port, rc);
	} while (outcome == TAKEN && tries < most && fs_destination_port(core, t, now, walk | FS_PORT_LEAP, &choice) == FS_FALLBACK_NONE);
	saved = errno;
	if (!binds)
		unpin(fd);
	else if (outcome != DONE)
		fs_portbind_restore(fd, t, addr);
	if (c)
		count(&c->tries, tries);
	if (tries > 1 || choice.crowded || outcome == TAKEN)
		fs_destination_tried(core, t, now, tries - (outcome == STOP), outcome == DONE);
	errno = saved;
	*why = outcome == DONE ? FS_FALLBACK_NONE : outcome == TAKEN ? FS_FALLBACK_TAKEN : FS_FALLBACK_SOCKET;
	return outcome == DONE;
}

/* The kernel found no port. It is an error only if there is none among those that were bound here, either. */
static int share(int fd, const struct sockaddr *addr, socklen_t len)
{
	struct fs_target t;
	int rc = -1;
	bool ours;

	if (fs_portbind_needed_by(fd) && fs_target_parse(&t, addr, len) && may_connect(fd, &t) && may_choose(fd) &&
	    fs_portbind_share(fd, &t, addr, &ours)) {
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

/*
 * Whether a port may be chosen, as far as the socket and its target are concerned, with the core whose
 * CPU is to get the replies and why it cannot be done there. errno is left alone.
 */
static bool to_be_steered(int fd, unsigned index, struct fs_target *t, uint32_t now, unsigned *core, enum fs_fallback *why)
{
	*core = bound_core(now);
	if (*core == FS_NO_CORE)
		return false;
	*why = fs_destination_known(*core, t, now);
	/* In a vfork child the tag is about another socket. */
	if (index & FS_ACTIVE_FRESH)
		return *why || !fs_foreign_process();
	/* What is asked of one that is not known is asked only where it is of use. */
	if (*why || !may_connect(fd, t) || !may_choose(fd))
		return false;
	if (t->has_source)
		*why = fs_destination_known(*core, t, now);
	return true;
}

int fs_active_connect(int fd, const struct sockaddr *addr, socklen_t len)
{
	uint16_t tag = fs_fd_tag(fd);
	unsigned index = fs_active_index(tag), core;
	struct fs_core_active *c;
	struct fs_target t;
	enum fs_fallback why = FS_FALLBACK_NONE;
	uint32_t now;
	int rc = 0, saved;

	/* It goes another way, or was connected: a repeated call. */
	if ((index & (FS_ACTIVE_PLAIN | FS_ACTIVE_SAMPLED)) || fs_active_bound_bit(index))
		return fs_libc.connect(fd, addr, len);
	saved = errno;
	if (index == FS_ACTIVE_PINNED)
		unpin(fd);
	else if (index)
		fs_active_retag(fd, tag, 0); /* not fresh any more, whatever becomes of it */
	errno = saved;
	/* The kernel tells who passes a bad pointer; the first page is the usual one. */
	if ((uintptr_t)addr < LOWEST_ADDRESS || !fs_target_parse(&t, addr, len) || !fs_target_is_elsewhere(&t))
		return plain(fd, addr, len);
	now = fs_destination_now();
	if (!to_be_steered(fd, index, &t, now, &core, &why))
		return plain(fd, addr, len);
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
	unsigned core = index & FS_ACTIVE_CORE;
	struct fs_target t;
	union fs_end own, peer;
	socklen_t len = sizeof(own), plen = sizeof(peer);
	struct fs_core_active *c;
	int cpu;

	memset(&own, 0, sizeof(own));
	memset(&peer, 0, sizeof(peer));
	cpu = socket_int(fd, SOL_SOCKET, SO_INCOMING_CPU);
	if (core >= fs_proc.ncores || cpu < 0 || fs_sys_getpeername(fd, &peer, &plen) < 0 ||
	    fs_sys_getsockname(fd, &own, &len) < 0 || !fs_target_parse(&t, &peer.sa, plen) || !fs_target_source(&t, &own) ||
	    !fs_destination_seen(core, &t, (uint16_t)fs_end_port(&own), !(index & FS_ACTIVE_LEARN), (unsigned)cpu, fs_destination_now()))
		return;
	c = counters(core, false);
	if (!c || (index & FS_ACTIVE_LEARN))
		return;
	count(&c->rx_sampled, 1);
	if ((unsigned)cpu == fs_proc.cpu[core])
		count(&c->rx_local, 1);
}

void fs_active_shutdown(int fd)
{
	uint16_t tag = fs_fd_tag(fd);
	unsigned index = fs_active_index(tag);

	if (!(index & FS_ACTIVE_SAMPLED) || fs_foreign_process())
		return;
	sample(fd, index);
	fs_active_retag(fd, tag, fs_active_bound_bit(index));
}

void fs_active_dropped(int fd)
{
	fs_fd_set_tag(fd, FS_TAG_NONE, 0);
}

void fs_active_closing(int fd)
{
	unsigned index = fs_active_index(fs_fd_tag(fd));

	if (fs_foreign_process())
		return;
	if (index & FS_ACTIVE_SAMPLED)
		sample(fd, index);
	fs_active_dropped(fd);
}
