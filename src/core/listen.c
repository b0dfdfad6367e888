#define _GNU_SOURCE
#include "listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "active_socket.h"
#include "address.h"
#include "heir.h"
#include "help.h"
#include "hub.h"
#include "log.h"
#include "siblings.h"
#include "sockopt.h"
#include "steering.h"
#include "strangers.h"
#include "sys/sys.h"
#include "worker.h"
#include "worker_rec.h"

/* ---- which sockets are handled ---- */

static bool same_address(const struct fs_group_rec *a, const struct fs_group_rec *b)
{
	return a->family == b->family && a->port == b->port && a->v6only == b->v6only && a->scope == b->scope &&
	       memcmp(a->address, b->address, sizeof(a->address)) == 0;
}

static bool wanted(const struct fs_group_rec *rec)
{
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} a;

	memset(&a, 0, sizeof(a));
	a.sa.sa_family = (sa_family_t)rec->family;
	if (rec->family == AF_INET) {
		memcpy(&a.in.sin_addr, rec->address, 4);
		a.in.sin_port = htons((uint16_t)rec->port);
	} else {
		memcpy(&a.in6.sin6_addr, rec->address, 16);
		a.in6.sin6_port = htons((uint16_t)rec->port);
	}
	return fs_listen_wanted(&fs_proc.options.listen, &a.sa);
}

/*
 * A TCP stream socket that is not in use yet; MPTCP (protocol 262), UDP, Unix and
 * what is no socket are not for us.
 */
static bool eligible(int fd)
{
	int domain = fs_sockopt_int(fd, SOL_SOCKET, SO_DOMAIN, -1);

	return (domain == AF_INET || domain == AF_INET6) &&
	       fs_sockopt_int(fd, SOL_SOCKET, SO_TYPE, -1) == SOCK_STREAM &&
	       fs_sockopt_int(fd, SOL_SOCKET, SO_PROTOCOL, -1) == IPPROTO_TCP &&
	       fs_sockopt_unused(fd);
}

/* ---- listen() ---- */

/*
 * A listener that the application made with SO_REUSEPORT beside others of its
 * own: it joins their group, whose members then are all the application's.
 * Returns false when there is no such group.
 */
static bool join_own_kind(int fd, const struct fs_group_rec *want)
{
	for (unsigned g = 0; g < FS_GROUPS_MAX; g++) {
		struct fs_group_rec *rec = fs_group_rec(g);
		unsigned n = fs_group_members(g);

		if (!fs_groups[g].held || !rec->reuseport || !same_address(rec, want) ||
		    fs_group_state(g) == FS_GROUP_ABANDONED)
			continue;
		if (n >= FS_MEMBERS_MAX) {
			fs_steering_abandon(g, FS_ABANDON_ROOM, 0);
			return true;
		}
		if (fs_group_own(g)) {
			if (n > 1) {
				/*
				 * Our local listeners already take connections, so not all of the group's sockets
				 * can be theirs.
				 */
				fs_group_set_member(g, n, fs_sockopt_cookie(fd), FS_NO_CORE);
				atomic_store_explicit(&rec->nmembers, n + 1, memory_order_relaxed);
				fs_steering_abandon(g, FS_ABANDON_ADDED, 0);
				return true;
			}
			fs_siblings_close(&fs_groups[g]);
			atomic_store_explicit(&rec->mode, FS_GROUP_ADOPTED, memory_order_relaxed);
		}
		if (fs_listener_make(fd, g, n) == 0) {
			fs_group_set_member(g, n, fs_sockopt_cookie(fd), FS_NO_CORE);
			atomic_store_explicit(&rec->nmembers, n + 1, memory_order_relaxed);
		} else {
			fs_steering_abandon(g, FS_ABANDON_LISTENERS, 0);
		}
		return true;
	}
	return false;
}

/* After a successful listen(): records the group. Tree lock held. `p` holds the siblings already. */
static int record(int fd, int backlog, const struct fs_group_rec *want, const struct fs_group *p, unsigned group)
{
	struct fs_group_rec *rec = fs_group_rec(group);
	int rc;

	memcpy(rec->address, want->address, sizeof(rec->address));
	rec->family = want->family;
	rec->port = want->port;
	rec->v6only = want->v6only;
	rec->scope = want->scope;
	rec->reuseport = want->reuseport;
	atomic_store_explicit(&rec->backlog, (uint32_t)backlog, memory_order_relaxed);
	fs_group_set_member(group, 0, fs_sockopt_cookie(fd), FS_NO_CORE);
	atomic_store_explicit(&rec->nmembers, 1, memory_order_relaxed);
	rc = fs_group_claim(group);
	if (rc < 0)
		return rc;
	fs_group_hold(group, p);
	fs_groups[group].claim = rc;
	rc = fs_listener_make(fd, group, 0);
	if (rc < 0) {
		fs_fd_close_hidden(fs_groups[group].claim);
		memset(&fs_groups[group], 0, sizeof(fs_groups[group]));
		return rc;
	}
	atomic_store_explicit(&rec->state, FS_GROUP_PASSIVE, memory_order_relaxed);
	fs_heir_make(group);
	return 0;
}

/* The port of an IPv4 or IPv6 socket, which is at the same place in both kinds of address. */
static unsigned port_of(int fd)
{
	struct sockaddr_in6 a = { .sin6_port = 0 };
	socklen_t len = sizeof(a);

	return fs_sys_getsockname(fd, &a, &len) < 0 ? 0 : ntohs(a.sin6_port);
}

/* listen() as without us. When it fails, that is the application's to tell. */
static int plainly(int fd, int backlog, enum fs_plain why, int err)
{
	int rc = fs_sys_listen(fd, backlog);

	/* Asked now: listen() may have chosen the port. */
	if (rc == 0)
		fs_reason_plain(port_of(fd), why, err);
	return rc;
}

/* Binds a socket that listen() would bind by itself, so that siblings can share the port. */
static int bind_any(int fd, struct fs_group_rec *want)
{
	union {
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} a;
	int rc;

	memset(&a, 0, sizeof(a));
	a.in.sin_family = (sa_family_t)want->family;
	rc = fs_sys_bind(fd, &a, want->family == AF_INET ? sizeof(a.in) : sizeof(a.in6));
	return rc < 0 ? rc : fs_address_of(fd, want) ? 0 : -EINVAL;
}

static int make(int fd, int backlog)
{
	static struct fs_group_rec want; /* large; the process lock guards it */
	struct fs_group made = { 0 };
	enum fs_plain why;
	int rc, group, strangers;

	if (fs_foreign_process() || !eligible(fd) || !fs_address_of(fd, &want))
		return fs_sys_listen(fd, backlog);
	if (fs_proc.options.steer == FS_STEER_OFF || !wanted(&want)) {
		fs_log(FS_LOG_INFO, "the listener on port %u is left alone, as FASTSOCK_%s says", want.port,
		       fs_proc.options.steer == FS_STEER_OFF ? "STEER" : "LISTEN");
		return fs_sys_listen(fd, backlog);
	}
	fs_process_say_room();
	if (fs_tag_kind(fs_fd_tag(fd)) == FS_TAG_ODD || fs_active_is_odd(fd))
		return plainly(fd, backlog, FS_PLAIN_ODD, 0);
	if (fd >= FS_FD_MAX)
		return plainly(fd, backlog, FS_PLAIN_NUMBER, 0);
	if (want.port == 0 && bind_any(fd, &want) < 0)
		return fs_sys_listen(fd, backlog);
	rc = fs_region_make();
	if (rc < 0)
		return plainly(fd, backlog, FS_PLAIN_MEMORY, -rc);
	rc = fs_hub_make();
	if (rc < 0)
		return plainly(fd, backlog, FS_PLAIN_WAKE, -rc);
	rc = fs_tree_lock();
	if (rc < 0)
		return plainly(fd, backlog, FS_PLAIN_LOCK, -rc);

	want.reuseport = fs_sockopt_int(fd, SOL_SOCKET, SO_REUSEPORT, 0) != 0;
	if (want.reuseport) {
		rc = fs_sys_listen(fd, backlog);
		if (rc < 0 || join_own_kind(fd, &want))
			goto out;
		/* listen() a second time, below, changes nothing. */
	}

	/* A stranger on the same address: without SO_REUSEPORT, listen() shall fail as it does without us. */
	strangers = want.reuseport ? 0 : fs_strangers(&want, 0);
	if (strangers < 0) {
		rc = plainly(fd, backlog, FS_PLAIN_UNTOLD, -strangers);
		goto out;
	}
	if (strangers) {
		rc = plainly(fd, backlog, FS_PLAIN_STRANGER, 0);
		goto out;
	}
	group = fs_group_alloc();
	if (group < 0) {
		rc = plainly(fd, backlog, FS_PLAIN_ROOM, 0);
		goto out;
	}
	rc = fs_siblings_make(&made, fd, &want, &why);
	if (rc < 0) {
		rc = plainly(fd, backlog, why, -rc);
		goto out;
	}
	rc = fs_sys_listen(fd, backlog);
	if (rc < 0) {
		fs_siblings_undo(&made, fd, &want);
		goto out;
	}
	rc = record(fd, backlog, &want, &made, (unsigned)group);
	if (rc < 0) {
		fs_siblings_undo(&made, fd, &want);
		rc = plainly(fd, backlog, FS_PLAIN_RECORD, -rc);
	} else {
		fs_log(FS_LOG_INFO, "the listener on port %u can have %u local listeners; they wait for its second worker", want.port,
		       fs_proc.ncores);
	}
out:
	fs_tree_unlock();
	return rc;
}

/* listen() on a listener: another backlog, or back to life after shutdown(). */
static int again(struct fs_listener *l, int fd, int backlog)
{
	unsigned g = l->group;
	struct fs_group_rec *rec = fs_group_rec(g);
	int rc = fs_sys_listen(fd, backlog);

	if (rc < 0 || !fs_group_own(g))
		return rc;
	atomic_store_explicit(&rec->backlog, (uint32_t)backlog, memory_order_relaxed);
	for (unsigned c = 0; c < fs_proc.ncores; c++)
		if (fs_groups[g].local[c] > 0 && atomic_load_explicit(&fs_core_rec(g, c)->member, memory_order_relaxed))
			fs_sys_listen(fs_groups[g].local[c], backlog);
	if (atomic_exchange_explicit(&rec->stopped, 0, memory_order_relaxed))
		fs_epoch_advance();
	return rc;
}

/* Another process of the same server is there already: HAProxy's reload. */
static bool join_another(int fd)
{
	static struct fs_group_rec want; /* large; the process lock guards it */
	int domain = fs_sockopt_int(fd, SOL_SOCKET, SO_DOMAIN, -1);

	return fs_proc.options.steer != FS_STEER_OFF && !fs_foreign_process() && fd < FS_FD_MAX &&
	       (domain == AF_INET || domain == AF_INET6) &&
	       fs_sockopt_int(fd, SOL_SOCKET, SO_PROTOCOL, -1) == IPPROTO_TCP &&
	       fs_sockopt_int(fd, SOL_SOCKET, SO_REUSEPORT, 0) && fs_address_of(fd, &want) && want.port && wanted(&want) &&
	       fs_heir_join(fd, &want);
}

void fs_listen_received(int fd)
{
	sigset_t old;

	/* Most of what is passed is no listener: one system call. */
	if (!fs_proc.on || !fs_sockopt_int(fd, SOL_SOCKET, SO_ACCEPTCONN, 0) || fs_foreign_process())
		return;
	fs_enter(&old);
	if (!fs_proc.region || !fs_listener_recognise(fd))
		join_another(fd);
	fs_leave(&old);
}

int fs_listen(int fd, int backlog)
{
	struct fs_listener *l;
	sigset_t old;
	int rc;

	fs_enter(&old);
	l = fs_listener_of(fs_fd_tag(fd));
	/* A listener that came from the program before this one, or from another process of the tree. */
	if (!l && fs_proc.region && !fs_foreign_process() && fs_listener_recognise(fd))
		l = fs_listener_of(fs_fd_tag(fd));
	if (!l && join_another(fd))
		l = fs_listener_of(fs_fd_tag(fd));
	rc = l ? again(l, fd, backlog) : make(fd, backlog);
	fs_leave(&old);
	return rc;
}

/* ---- what happens to a listener ---- */

void fs_listener_unref(struct fs_listener *l, int fd)
{
	struct fs_group *p = &fs_groups[l->group];
	unsigned group = l->group;

	fs_fd_set_tag(fd, FS_TAG_NONE, 0);
	if (--l->refs) {
		/* Any other one will do. */
		for (unsigned i = 0; l->fd == fd || fs_listener_of(fs_fd_tag(l->fd)) != l; i++) {
			int next = fs_fd_next_tagged(i, FS_FD_MAX - 1);

			if (next < 0)
				return;
			i = (unsigned)next;
			if (fs_listener_of(fs_fd_tag(next)) == l)
				l->fd = next;
		}
		return;
	}
	if (!fs_group_own(group))
		fs_worker_leave_member(group, l->member);
	if (--p->listeners)
		return;
	fs_worker_leave_process(group);
	fs_siblings_give_up(group);
}

void fs_listen_setsockopt(struct fs_listener *l, int level, int name, const void *value, socklen_t len)
{
	struct fs_group *p = &fs_groups[l->group];
	sigset_t old;
	int rc = 0;

	fs_enter(&old);
	for (unsigned c = 0; rc == 0 && c < fs_proc.ncores; c++)
		if (p->local[c])
			rc = fs_sys_setsockopt(p->local[c], level, name, value, len);
	if (rc < 0)
		fs_log(FS_LOG_WARN, "setsockopt(level %d, option %d) reached the listener on port %u, but not its local listeners (%s):"
				    " new connections may lack it; restart the program, or leave that port out with FASTSOCK_LISTEN",
		       level, name, fs_group_rec(l->group)->port, fs_errtext(-rc));
	fs_leave(&old);
}

/*
 * The kernel's group is empty then: the global listener comes first again at the
 * next listen(). Tree lock held.
 */
static void stop_locals(unsigned g)
{
	struct fs_group_rec *rec = fs_group_rec(g);

	for (unsigned c = 0; c < fs_proc.ncores; c++) {
		if (atomic_exchange_explicit(&fs_core_rec(g, c)->member, 0, memory_order_relaxed) &&
		    fs_groups[g].local[c] > 0)
			fs_sys_shutdown(fs_groups[g].local[c], SHUT_RDWR);
		fs_help_set(g, c, FS_HELP_NONE);
	}
	atomic_store_explicit(&rec->nmembers, 1, memory_order_relaxed);
	atomic_store_explicit(&rec->stopped, 1, memory_order_relaxed);
	if (fs_group_state(g) == FS_GROUP_ACTIVE)
		atomic_store_explicit(&rec->state, FS_GROUP_PASSIVE, memory_order_relaxed);
	fs_workers_unserve(g);
	fs_self.local[g] = 0;
	fs_epoch_advance();
}

void fs_listen_stopped(struct fs_listener *l)
{
	sigset_t old;

	if (fs_foreign_process())
		return;
	fs_enter(&old);
	if (fs_tree_lock() == 0) {
		if (fs_group_own(l->group))
			stop_locals(l->group);
		else
			fs_steering_abandon(l->group, FS_ABANDON_STOPPED, 0);
		fs_tree_unlock();
	}
	fs_leave(&old);
}

void fs_listen_leave_alone(struct fs_listener *l, enum fs_abandon why)
{
	sigset_t old;

	fs_enter(&old);
	if (fs_tree_lock() == 0) {
		fs_steering_abandon(l->group, why, 0);
		fs_tree_unlock();
	}
	fs_leave(&old);
}
