#define _GNU_SOURCE
#include "accept.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "beat.h"
#include "epoll.h"
#include "sockopt.h"
#include "steal.h"
#include "sys/sys.h"
#include "waiter.h"
#include "worker.h"

void fs_accept_sample(unsigned group, int fd)
{
	struct fs_core_rec *core;
	int rx = fs_sockopt_int(fd, SOL_SOCKET, SO_INCOMING_CPU, -1);

	if (rx < 0 || fs_self.view >= fs_proc.ncores)
		return;
	core = fs_core_rec(group, fs_self.view);
	atomic_fetch_add_explicit(&core->rx_sampled, 1, memory_order_relaxed);
	if (rx == sched_getcpu())
		atomic_fetch_add_explicit(&core->rx_local, 1, memory_order_relaxed);
}

/* The core to count for: a worker's own or that of the worker over whose shoulder it looks, else that of the CPU it is on. */
static unsigned counted_core(void)
{
	unsigned cpu;

	if ((fs_self.slot || fs_self.shared) && fs_self.view < fs_proc.ncores)
		return fs_self.view;
	cpu = (unsigned)sched_getcpu();
	for (unsigned c = 0; c < fs_proc.ncores; c++)
		if (fs_proc.cpu[c] == cpu)
			return c;
	return 0;
}

static void count(unsigned group, size_t counter)
{
	atomic_fetch_add_explicit((_Atomic uint64_t *)((char *)fs_core_rec(group, counted_core()) + counter), 1,
				  memory_order_relaxed);
}

#define COUNT(group, field) count(group, offsetof(struct fs_core_rec, field))

static bool blocks(int fd)
{
	int flags = fs_sys_fcntl(fd, F_GETFL, 0);

	return flags >= 0 && !(flags & O_NONBLOCK);
}

/* Exactly the plain call, and no other one; counted. */
static int accept_plain(unsigned group, int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	bool adopted = !fs_group_own(group);
	int rc = fs_libc.accept4(fd, addr, len, flags);

	if (rc < 0)
		return rc;
	if (adopted)
		COUNT(group, accepted_local);
	else
		COUNT(group, accepted_global);
	if (fs_self.slot && fs_self.accepts++ % FS_SAMPLE_EVERY == 0 && fs_group_state(group) == FS_GROUP_ACTIVE)
		fs_accept_sample(group, rc);
	return rc;
}

/* ---- the sources, one by one; each returns a descriptor, or -errno with -EAGAIN for "nothing there" ---- */

static int take_local(unsigned group, int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	int rc = fs_sys_accept4(fd, addr, len, flags);

	if (rc >= 0)
		COUNT(group, accepted_local);
	/* A stopped one has nothing; bad flags are the application's to hear of. */
	return rc == -EINVAL && !fs_sockopt_int(fd, SOL_SOCKET, SO_ACCEPTCONN, 1) ? -EAGAIN : rc;
}

/*
 * One thread of one process of the tree at a time: a flag that holds the pid, so
 * that a child does not inherit it as taken, then a lock that dies with its holder.
 * Neither is waited for.
 */
static _Atomic int global_taker;

static bool global_begin(unsigned group)
{
	int taker = atomic_load_explicit(&global_taker, memory_order_relaxed);

	if (taker == fs_proc.pid ||
	    !atomic_compare_exchange_strong_explicit(&global_taker, &taker, fs_proc.pid, memory_order_acquire,
						     memory_order_relaxed))
		return false;
	if (fs_global_trylock(group))
		return true;
	atomic_store_explicit(&global_taker, 0, memory_order_release);
	return false;
}

static void global_end(unsigned group)
{
	fs_global_unlock(group);
	atomic_store_explicit(&global_taker, 0, memory_order_release);
}

/*
 * From the global listener, without sleeping. Where the application's socket
 * blocks, another worker may take what we saw, so only one looks and takes at a
 * time. A worker that does not serve yet knows nothing of this and may still be
 * first; then this one sleeps as without us, until the global listener has another
 * connection.
 */
static int take_global(unsigned group, int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
	int waiting = fs_sockopt_queue(fd);
	int rc = -EAGAIN;

	if (waiting == 0)
		return -EAGAIN;
	/* Stopped (below 0), it does not block either: the kernel has the right errno. */
	if (waiting < 0 || !blocks(fd)) {
		rc = fs_sys_accept4(fd, addr, len, flags);
	} else if (global_begin(group)) {
		if (fs_sockopt_queue(fd) != 0)
			rc = fs_sys_accept4(fd, addr, len, flags);
		global_end(group);
	}
	if (rc >= 0)
		COUNT(group, accepted_global);
	return rc;
}

/* From any local listener that this process serves: for a thread that accepts what another one waited for. */
static int take_any(unsigned group, struct sockaddr *addr, socklen_t *len, int flags)
{
	for (unsigned c = 0; c < fs_proc.ncores; c++) {
		int fd = fs_groups[group].local[c];
		int rc;

		if (fd <= 0 || !atomic_load_explicit(&fs_core_rec(group, c)->member, memory_order_relaxed) ||
		    fs_sockopt_queue(fd) <= 0)
			continue;
		rc = take_local(group, fd, addr, len, flags);
		if (rc != -EAGAIN)
			return rc;
	}
	return -EAGAIN;
}

/* ---- sleeping ---- */

/*
 * A sleeping accept() is restarted after a signal handler with SA_RESTART, but
 * no call that waits for several descriptors ever is. If all handlers that the
 * program has installed want a restart, that is what it gets; a program with
 * one that does not has to expect EINTR here anyway. Handlers for faults do not
 * count: no fault happens in a thread that sleeps.
 */
static bool restart_wanted(void)
{
	for (int sig = 1; sig < NSIG; sig++) {
		struct sigaction sa;

		if (sig == SIGSEGV || sig == SIGBUS || sig == SIGFPE || sig == SIGILL || sig == SIGTRAP ||
		    sig == SIGSYS || sig == SIGABRT)
			continue;
		if (sigaction(sig, NULL, &sa) == 0 && sa.sa_handler != SIG_DFL && sa.sa_handler != SIG_IGN &&
		    !(sa.sa_flags & SA_RESTART))
			return false;
	}
	return true;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* SO_RCVTIMEO in ms, rounded up; -1 for none. */
static int receive_timeout(int fd)
{
	struct timeval tv = { 0, 0 };
	socklen_t len = sizeof(tv);
	int64_t ms;

	if (fs_sys_getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, &len) < 0)
		return -1;
	ms = (int64_t)tv.tv_sec * 1000 + (tv.tv_usec + 999) / 1000;
	return ms <= 0 || ms > 0x7fffffff ? -1 : (int)ms;
}

static int fail(int err)
{
	errno = err;
	return -1;
}

/* From all of them, the global listener first. `local` is 0 when it has just been found empty. */
static int take(unsigned g, int fd, int local, struct sockaddr *addr, socklen_t *len, int flags)
{
	int rc = take_global(g, fd, addr, len, flags);

	if (rc == -EAGAIN && local)
		rc = take_local(g, local, addr, len, flags);
	if (rc == -EAGAIN)
		rc = fs_steal_take(g, addr, len, flags);
	return rc;
}

/* A thread that serves a local listener, and whose listener may block. */
static int accept_serving(struct fs_listener *l, int fd, struct sockaddr *addr, socklen_t *len, int flags, bool try_local)
{
	unsigned g = l->group;
	uint64_t only[FS_GROUPS_MAX / 64] = { 0 };
	int timeout, inner, rc;
	int64_t deadline = 0;
	struct epoll_event ev;

	rc = take(g, fd, try_local ? fs_self.local[g] : 0, addr, len, flags);
	if (rc != -EAGAIN || !blocks(fd))
		return rc < 0 ? fail(-rc) : rc;
	timeout = receive_timeout(fd);
	if (timeout >= 0)
		deadline = now_ms() + timeout;
	for (;;) {
		int saved = errno;
		int left = timeout;

		inner = fs_waiter_inner(g, l->member);
		only[g / 64] = UINT64_C(1) << (g % 64);
		if (memcmp(only, fs_self.waiting, sizeof(only)) != 0)
			fs_waiter_absent(only);
		if (!inner || !blocks(fd)) /* left alone, or non-blocking by now */
			return accept_plain(g, fd, addr, len, flags);
		if (timeout >= 0) {
			int64_t rest = deadline - now_ms();

			left = rest > 0 ? (int)rest : 0;
		}
		fs_beat_wait();
		rc = fs_libc.epoll_wait(inner, &ev, 1, left);
		fs_beat_run();
		if (rc == 0)
			return fail(EAGAIN);
		if (rc < 0) {
			if (errno != EINTR || timeout >= 0 || !restart_wanted())
				return -1;
			errno = saved;
			continue;
		}
		rc = take(g, fd, fs_self.local[g], addr, len, flags);
		if (rc != -EAGAIN)
			return rc < 0 ? fail(-rc) : rc;
		if (timeout >= 0 && now_ms() >= deadline)
			return fail(EAGAIN);
	}
}

static bool plain_known(unsigned group)
{
	return fs_self.plain_epoch == fs_epoch() && fs_self.plain[group / 64] >> (group % 64) & 1;
}

static void plain_learn(unsigned group)
{
	if (fs_self.plain_epoch != fs_epoch()) {
		fs_self.plain_epoch = fs_epoch();
		for (unsigned i = 0; i < FS_COUNT(fs_self.plain); i++)
			fs_self.plain[i] = 0;
	}
	fs_self.plain[group / 64] |= UINT64_C(1) << (group % 64);
}

int fs_accept_else(struct fs_listener *l, int fd, struct sockaddr *addr, socklen_t *len, int flags, bool try_local)
{
	unsigned g = l->group;
	int rc;

	fs_worker_refresh();
	if (fs_self.local[g])
		return accept_serving(l, fd, addr, len, flags, try_local);
	if (plain_known(g) || fs_foreign_process())
		return accept_plain(g, fd, addr, len, flags);
	if (fs_epoll_has_group(g)) {
		/*
		 * Somebody waits for it with epoll, perhaps another thread, and hands the accepting
		 * to this one.
		 */
		if (fs_group_state(g) != FS_GROUP_ACTIVE || !fs_group_own(g)) {
			plain_learn(g);
			return accept_plain(g, fd, addr, len, flags);
		}
		rc = take_any(g, addr, len, flags);
		/* Or it is a worker that began to wait before the group was active, and counts like any other. */
		return rc >= 0 ? rc : accept_plain(g, fd, addr, len, flags);
	}
	/*
	 * A socket that does not block is waited for in some way that we do not see: no
	 * reason to move anything.
	 */
	if (!blocks(fd) || !fs_waiter_inner(g, l->member)) {
		plain_learn(g);
		return accept_plain(g, fd, addr, len, flags);
	}
	return accept_serving(l, fd, addr, len, flags, true);
}
