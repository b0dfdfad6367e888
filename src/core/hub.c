#define _GNU_SOURCE
#include "hub.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include "fdtab.h"
#include "sys/sys.h"

/* The watchdog is set for so many pauses at a time, not at every one. */
#define LEASE_TICKS 4
/* Longer than any lease: the longest pause is 16 ticks of 100 ms (tick.c, FASTSOCK_STEAL_TICK). */
#define LEASE_MAX_US UINT64_C(10000000)
#define WATCHDOG_EVENT UINT64_MAX

struct fs_hub fs_hub;

static int hide_in(int fd, int *slot)
{
	if (fd < 0)
		return fd;
	fd = fs_fd_hide(fd);
	if (fd < 0)
		return fd;
	*slot = fd;
	return 0;
}

static void drop(void)
{
	fs_fd_close_hidden(fs_hub.hub);
	fs_fd_close_hidden(fs_hub.watchdog);
	fs_hub.hub = 0;
	fs_hub.watchdog = 0;
	for (unsigned c = 0; c < FS_CORES_MAX; c++) {
		fs_fd_close_hidden(fs_hub.watch[c]);
		fs_fd_close_hidden(fs_hub.kick[c]);
		fs_hub.watch[c] = 0;
		fs_hub.kick[c] = 0;
	}
}

static int make_core(unsigned core)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = core };
	int rc = hide_in(fs_sys_epoll_create(EPOLL_CLOEXEC), &fs_hub.watch[core]);

	if (rc == 0)
		rc = hide_in(fs_sys_eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), &fs_hub.kick[core]);
	return rc < 0 ? rc : fs_sys_epoll_ctl(fs_hub.hub, EPOLL_CTL_ADD, fs_hub.watch[core], &ev);
}

int fs_hub_make(void)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = WATCHDOG_EVENT };
	int rc;

	if (fs_hub.hub)
		return 0;
	rc = hide_in(fs_sys_epoll_create(EPOLL_CLOEXEC), &fs_hub.hub);
	if (rc == 0)
		rc = hide_in(fs_sys_timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC), &fs_hub.watchdog);
	if (rc == 0)
		rc = fs_sys_epoll_ctl(fs_hub.hub, EPOLL_CTL_ADD, fs_hub.watchdog, &ev);
	for (unsigned c = 0; rc == 0 && c < fs_proc.ncores; c++)
		rc = make_core(c);
	if (rc < 0)
		drop();
	return rc;
}

int fs_hub_arm(unsigned group, unsigned core, int listener)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLONESHOT, .data.u64 = group };
	int rc;

	/* Before the kernel is told: it may fire at once, and whoever wakes takes it back. */
	atomic_store_explicit(&fs_core_rec(group, core)->armed, 1, memory_order_seq_cst);
	rc = fs_sys_epoll_ctl(fs_hub.watch[core], EPOLL_CTL_MOD, listener, &ev);
	if (rc == -ENOENT)
		rc = fs_sys_epoll_ctl(fs_hub.watch[core], EPOLL_CTL_ADD, listener, &ev);
	if (rc < 0)
		atomic_store_explicit(&fs_core_rec(group, core)->armed, 0, memory_order_seq_cst);
	return rc;
}

void fs_hub_heir(unsigned group, int fd)
{
	/* Edge-triggered: who cannot answer, because he does not hold it (any more), cannot silence it either. */
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET, .data.u64 = FS_HUB_HEIR + group };

	fs_sys_epoll_ctl(fs_hub.hub, EPOLL_CTL_ADD, fd, &ev);
}

void fs_hub_no_heir(int fd)
{
	fs_sys_epoll_ctl(fs_hub.hub, EPOLL_CTL_DEL, fd, NULL);
}

int fs_hub_sleep(void)
{
	struct epoll_event ev;
	int rc = fs_sys_epoll_wait(fs_hub.hub, &ev, 1, -1);

	if (rc <= 0)
		return rc < 0 ? rc : -EINTR;
	if (ev.data.u64 == WATCHDOG_EVENT)
		return FS_HUB_WATCHDOG;
	if (ev.data.u64 >= FS_HUB_HEIR && ev.data.u64 < FS_HUB_HEIR + FS_GROUPS_MAX)
		return (int)ev.data.u64;
	return ev.data.u64 < fs_proc.ncores ? (int)ev.data.u64 : -EINTR;
}

static void fired(unsigned group, unsigned core)
{
	atomic_store_explicit(&fs_core_rec(group, core)->armed, 0, memory_order_seq_cst);
}

void fs_hub_take(unsigned core)
{
	struct fs_core_load *load = fs_core_load(core);
	struct epoll_event ev[8];
	unsigned rounds = 0; /* who wrote something else into the instance shall not keep us here */
	int n;

	/* Sequentially consistent, like `armed`: see fs_lease_release(). */
	atomic_store_explicit(&load->taking, 1, memory_order_seq_cst);
	do {
		n = fs_sys_epoll_wait(fs_hub.watch[core], ev, FS_COUNT(ev), 0);
		for (int i = 0; i < n; i++)
			if (ev[i].data.u64 < FS_GROUPS_MAX)
				fired((unsigned)ev[i].data.u64, core);
	} while (n == FS_COUNT(ev) && ++rounds < FS_GROUPS_MAX);
	atomic_store_explicit(&load->taking, 0, memory_order_seq_cst);
}

void fs_hub_retake(void)
{
	uint32_t end = atomic_load_explicit(&fs_region_head()->groups_end, memory_order_relaxed);

	for (unsigned c = 0; c < fs_proc.ncores; c++) {
		struct fs_core_load *load = fs_core_load(c);

		if (!atomic_load_explicit(&load->taking, memory_order_seq_cst))
			continue;
		/* Those that did not fire are armed once too often. */
		for (unsigned g = 0; g < end && g < FS_GROUPS_MAX; g++)
			fired(g, c);
		atomic_store_explicit(&load->taking, 0, memory_order_seq_cst);
	}
}

/* ---- the lease ---- */

static uint64_t holder_part(uint64_t lease)
{
	return lease >> 32;
}

/* The calling thread is the process's stealing thread, and there is one. */
static int own_tid;
/* For how long the watchdog is set, less what has passed since. */
static uint64_t covered_us;

static uint64_t own_lease(uint32_t beat)
{
	return (uint64_t)own_tid << 32 | beat;
}

static void set_watchdog(unsigned ms)
{
	struct itimerspec at = { .it_value = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L } };

	fs_sys_timerfd_settime(fs_hub.watchdog, 0, &at);
}

void fs_hub_wake_later(unsigned ms)
{
	set_watchdog(ms);
}

/* The lease runs for so long from now on, and the watchdog with it. */
static void extend(uint64_t us)
{
	atomic_store_explicit(&fs_region_head()->lease_until, fs_sys_now_us() + us, memory_order_relaxed);
	set_watchdog((unsigned)(us / 1000));
}

bool fs_lease_take(void)
{
	struct fs_region_head *head = fs_region_head();
	uint64_t held = atomic_load_explicit(&head->lease, memory_order_seq_cst);
	uint64_t until = atomic_load_explicit(&head->lease_until, memory_order_relaxed), now = fs_sys_now_us();

	/* Nobody believes a time that no holder would have set. */
	if (held && now < until && until < now + LEASE_MAX_US) {
		/* The watchdog may have been set for something else since. */
		set_watchdog((unsigned)((until - now) / 1000) + 1);
		return false;
	}
	own_tid = fs_sys_gettid();
	/* First the watchdog: who dies with the lease in hand shall be missed. */
	covered_us = 0;
	extend(FS_WATCHDOG_MS * 1000);
	return atomic_compare_exchange_strong_explicit(&head->lease, &held, own_lease(1), memory_order_seq_cst,
						       memory_order_seq_cst);
}

bool fs_lease_keep(uint32_t pause_us)
{
	struct fs_region_head *head = fs_region_head();
	uint64_t now = atomic_load_explicit(&head->lease, memory_order_relaxed);
	uint32_t beat = (uint32_t)now + 1;

	if (holder_part(now) != holder_part(own_lease(0)))
		return false;
	if (covered_us < (uint64_t)pause_us + FS_WATCHDOG_MS * 1000) {
		covered_us = LEASE_TICKS * (uint64_t)pause_us + FS_WATCHDOG_MS * 1000;
		extend(covered_us);
	}
	covered_us -= pause_us;
	return atomic_compare_exchange_strong_explicit(&head->lease, &now, own_lease(beat ? beat : 1), memory_order_relaxed,
						       memory_order_relaxed);
}

/*
 * Sequentially consistent, with fs_hub_take(): of who goes to sleep (release, then
 * look for what fired) and who was woken (note that it fired, then try the lease), one
 * sees the other.
 */
void fs_lease_release(void)
{
	uint64_t now = atomic_load_explicit(&fs_region_head()->lease, memory_order_relaxed);

	if (holder_part(now) == holder_part(own_lease(0)))
		atomic_compare_exchange_strong_explicit(&fs_region_head()->lease, &now, 0, memory_order_seq_cst,
							memory_order_relaxed);
}

void fs_hub_rest(void)
{
	struct fs_region_head *head = fs_region_head();

	if (atomic_load_explicit(&head->missed, memory_order_relaxed))
		return;
	set_watchdog(0);
	/* It was the next holder's already. */
	if (atomic_load_explicit(&head->lease, memory_order_relaxed))
		set_watchdog(FS_WATCHDOG_MS);
}

/* ---- kicks ---- */

int fs_hub_kick_fd(unsigned core)
{
	return core < FS_CORES_MAX ? fs_hub.kick[core] : 0;
}

void fs_hub_kick(unsigned core)
{
	uint64_t one = 1;

	fs_sys_write(fs_hub.kick[core], &one, sizeof(one));
}

void fs_hub_unkick(unsigned core)
{
	uint64_t count;

	fs_sys_read(fs_hub.kick[core], &count, sizeof(count));
}

int *fs_hub_holder(int fd)
{
	if (fd <= 0)
		return NULL;
	if (fd == fs_hub.hub)
		return &fs_hub.hub;
	if (fd == fs_hub.watchdog)
		return &fs_hub.watchdog;
	for (unsigned c = 0; c < fs_proc.ncores; c++) {
		if (fs_hub.watch[c] == fd)
			return &fs_hub.watch[c];
		if (fs_hub.kick[c] == fd)
			return &fs_hub.kick[c];
	}
	return NULL;
}
