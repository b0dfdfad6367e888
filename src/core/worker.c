#define _GNU_SOURCE
#include "worker.h"

#include <errno.h>
#include <string.h>

#include "beat.h"
#include "binding.h"
#include "heir.h"
#include "help.h"
#include "hub.h"
#include "log.h"
#include "libc.h"
#include "parking.h"
#include "sockopt.h"
#include "steering.h"
#include "strangers.h"
#include "sys/sys.h"
#include "worker_rec.h"

/* ---- slots ---- */

/*
 * The worker waits for the group no longer: its core's queue is for the others, and
 * steering passes it by. `steer`: the tree lock is held. Without it, which is when
 * a stopped process keeps it, the others serve the queue all the same, and steering
 * follows with the next change.
 */
static void rec_leave(unsigned slot, unsigned group, bool steer)
{
	struct fs_worker_rec *w = fs_worker_rec(slot);

	fs_rec_clear(w->announced, group);
	fs_rec_clear(w->serving, group);
	fs_rec_clear(w->parked, group);
	if (fs_group_own(group)) {
		fs_parking_left(slot, group);
	} else {
		for (unsigned m = 0; m < fs_group_members(group); m++) {
			struct fs_member_rec *rec = &fs_group_rec(group)->member[m];

			if (atomic_load_explicit(&rec->worker, memory_order_relaxed) != slot + 1)
				continue;
			atomic_store_explicit(&rec->worker, 0, memory_order_relaxed);
			atomic_store_explicit(&rec->core, FS_NO_CORE, memory_order_relaxed);
		}
	}
	if (steer && fs_group_state(group) == FS_GROUP_ACTIVE)
		fs_steering_apply(group);
	fs_epoch_advance();
}

/*
 * Takes a dead worker out of the groups that this process holds. Those that it does not are
 * left to who can steer them, unless nobody is there any more. True when none is left.
 */
static bool bury(unsigned slot)
{
	bool left = false;

	for (unsigned g = 0; g < FS_GROUPS_MAX; g++) {
		if (!fs_rec_has(fs_worker_rec(slot)->announced, g))
			continue;
		if (fs_groups[g].held)
			rec_leave(slot, g, true);
		else
			left |= fs_group_claimed(g);
	}
	return !left;
}

void fs_worker_reap(void)
{
	bool any = false;

	for (unsigned s = 0, end = fs_workers_end(); s < end; s++) {
		if (!fs_worker_rec_live(s) || fs_worker_alive(s))
			continue;
		any = true;
		if (bury(s))
			fs_worker_rec_free(s);
	}
	if (any)
		fs_help_recount();
}

/* A slot for the calling thread. Tree lock held. */
static int claim_slot(void)
{
	static uint32_t serial; /* the process lock guards it */

	for (unsigned s = 0; s < FS_WORKERS_MAX; s++) {
		struct fs_worker_rec *w = fs_worker_rec(s);
		int rc;

		if (fs_worker_rec_live(s))
			continue;
		rc = fs_worker_claim(s, ++serial ? serial : ++serial);
		/* Somebody's who is alive, whatever the record says. */
		if (rc == -EAGAIN || rc == -EACCES)
			continue;
		if (rc < 0)
			return rc;
		fs_worker_rec_free(s);
		atomic_store_explicit(&w->pid, (uint32_t)fs_proc.pid, memory_order_relaxed);
		atomic_store_explicit(&w->tid, (uint32_t)fs_sys_gettid(), memory_order_relaxed);
		/* What an earlier worker of the core left in its eventfd is emptied at the first wait. */
		atomic_store_explicit(&w->flags, FS_WORKER_KICKED, memory_order_relaxed);
		fs_self.core = fs_binding_choose();
		fs_self.view = fs_self.core;
		atomic_store_explicit(&w->core, fs_self.core, memory_order_relaxed);
		atomic_store_explicit(&w->state, FS_WORKER_LIVE, memory_order_relaxed);
		if (s >= fs_workers_end())
			atomic_store_explicit(&fs_region_head()->workers_end, s + 1, memory_order_relaxed);
		fs_self.slot = (int)s + 1;
		fs_self.serial = serial;
		if (fs_libc.watch_thread)
			fs_libc.watch_thread();
		return 0;
	}
	return -ENOSPC;
}

/* The calling thread's. */
static void release_slot(void)
{
	unsigned s = (unsigned)fs_self.slot - 1;

	fs_worker_rec_free(s);
	fs_worker_unclaim(s);
	fs_self.slot = 0;
	fs_self.serial = 0;
	fs_binding_end();
}

/* ---- joining ---- */

/* The group leaves the stock state: from here on, connections are steered. Tree lock held. */
static bool activate(unsigned group)
{
	int rc = fs_strangers(fs_group_rec(group), fs_group_members(group));

	if (rc != 0) {
		fs_steering_abandon(group, rc < 0 ? FS_ABANDON_UNTOLD : FS_ABANDON_SHARED, rc < 0 ? -rc : 0);
		return false;
	}
	/* Before the first local listener takes a SYN: once it listens, it is in the kernel's group. */
	rc = fs_steering_apply(group);
	if (rc < 0) {
		fs_steering_abandon(group, FS_ABANDON_REFUSED, -rc);
		return false;
	}
	atomic_store_explicit(&fs_group_rec(group)->state, FS_GROUP_ACTIVE, memory_order_relaxed);
	fs_log(FS_LOG_INFO, "the listener on port %u has a second worker: connections are steered to their CPUs from now on",
	       fs_group_rec(group)->port);
	return true;
}

/*
 * The core's local listener starts to listen, and gets the next index of the
 * kernel's group. Tree lock held.
 */
static int open_local(unsigned group, unsigned core)
{
	struct fs_group_rec *rec = fs_group_rec(group);
	struct fs_core_rec *cr = fs_core_rec(group, core);
	int fd = fs_groups[group].local[core];
	unsigned n = fs_group_members(group);
	int rc;

	if (atomic_load_explicit(&cr->member, memory_order_relaxed))
		return 0;
	if (fd <= 0 || n >= FS_MEMBERS_MAX)
		return -ENOSPC;
	rc = fs_sys_listen(fd, (int)atomic_load_explicit(&rec->backlog, memory_order_relaxed));
	if (rc < 0)
		return rc;
	atomic_store_explicit(&rec->member[n].cookie, fs_sockopt_cookie(fd), memory_order_relaxed);
	atomic_store_explicit(&rec->member[n].core, core, memory_order_relaxed);
	atomic_store_explicit(&rec->nmembers, n + 1, memory_order_relaxed);
	atomic_store_explicit(&cr->member, n, memory_order_relaxed);
	return fs_hub_arm(group, core, fd);
}

static bool serve_own(unsigned group)
{
	struct fs_worker_rec *w = fs_worker_rec((unsigned)fs_self.slot - 1);
	unsigned core = fs_self.core;
	int rc;

	if (core >= fs_proc.ncores)
		return false;
	rc = open_local(group, core);
	if (rc < 0) {
		fs_steering_abandon(group, FS_ABANDON_LOCAL, -rc);
		return false;
	}
	fs_rec_set(w->serving, group);
	rc = fs_steering_apply(group);
	if (rc < 0) {
		fs_rec_clear(w->serving, group);
		fs_steering_abandon(group, FS_ABANDON_REFUSED, -rc);
		return false;
	}
	fs_parking_unpark((unsigned)fs_self.slot - 1, group);
	fs_self.view = core;
	fs_proc.stealing_wanted = true;
	fs_heir_listen(group);
	fs_self.local[group] = fs_groups[group].local[core];
	return true;
}

/* Some socket of an adopted group was closed: the kernel moved another one to its index. */
static bool closed_one(unsigned group)
{
	return fs_listeners_missing(fs_group_rec(group), fs_group_members(group)) > 0;
}

static bool serve_adopted(unsigned group)
{
	int rc;

	if (closed_one(group)) {
		fs_steering_abandon(group, FS_ABANDON_CLOSED, 0);
		return false;
	}
	fs_rec_set(fs_worker_rec((unsigned)fs_self.slot - 1)->serving, group);
	rc = fs_steering_apply(group);
	if (rc < 0)
		fs_steering_abandon(group, FS_ABANDON_REFUSED, -rc);
	return fs_group_state(group) == FS_GROUP_ACTIVE;
}

/* It may happen again at every wait, and is said once in a process. The process lock guards it. */
static void no_record(int err)
{
	static bool said;

	if (!said)
		fs_log(FS_LOG_WARN, "a worker shares the global listener, as without libfastsock: there is no record for it (%s);"
				    " start %d workers at most, and raise the limit of descriptors (said once)", fs_errtext(err),
		       FS_WORKERS_MAX);
	said = true;
}

static void no_lock(int err)
{
	static bool said;

	if (!said)
		fs_log(FS_LOG_WARN, "a worker shares the global listener, as without libfastsock, until it waits again: the lock on what"
				    " the processes share is taken (%s); see whether one is stopped (ps, state T) (said once)",
		       fs_errtext(err));
	said = true;
}

static bool join_locked(unsigned group, unsigned member, bool announce)
{
	struct fs_worker_rec *w;
	bool own = fs_group_own(group);
	bool serves;

	fs_worker_reap();
	if (!fs_self.slot) {
		int rc = claim_slot();

		if (rc < 0) {
			no_record(-rc);
			return false;
		}
	}
	w = fs_worker_rec((unsigned)fs_self.slot - 1);
	if (!own && member < FS_MEMBERS_MAX) {
		struct fs_member_rec *m = &fs_group_rec(group)->member[member];

		atomic_store_explicit(&m->core, fs_self.core, memory_order_relaxed);
		atomic_store_explicit(&m->worker, (uint32_t)fs_self.slot, memory_order_relaxed);
	}
	if (!fs_rec_has(w->announced, group)) {
		fs_rec_set(w->announced, group);
		fs_epoch_advance();
	}
	if (announce || atomic_load_explicit(&fs_group_rec(group)->stopped, memory_order_relaxed))
		return false;
	/* Two at least, and a core for one of them: with FASTSOCK_PIN=app there may be none. */
	if (fs_group_state(group) == FS_GROUP_PASSIVE &&
	    (fs_workers_of(group) < 2 || fs_self.core == FS_NO_CORE || !activate(group)))
		return false;
	serves = fs_group_state(group) == FS_GROUP_ACTIVE && (own ? serve_own(group) : serve_adopted(group));
	if (serves) {
		fs_binding_begin();
		fs_epoch_advance();
	}
	return serves;
}

bool fs_worker_join(unsigned group, unsigned member, bool announce)
{
	bool serves;
	int rc;

	if (fs_group_state(group) == FS_GROUP_ABANDONED || fs_proc.stealing_failed)
		return false;
	if (fs_self.slot && fs_rec_has(fs_worker_rec((unsigned)fs_self.slot - 1)->serving, group) &&
	    (fs_self.local[group] || !fs_group_own(group)))
		return true;
	rc = fs_tree_lock();
	if (rc < 0) {
		no_lock(-rc);
		return false;
	}
	serves = join_locked(group, member, announce);
	fs_tree_unlock();
	return serves;
}

/* ---- stuck, and back ---- */

void fs_worker_back(void)
{
	unsigned core = fs_self.core;
	sigset_t old;

	if (core >= fs_proc.ncores || fs_foreign_process())
		return;
	fs_enter(&old);
	if (fs_tree_trylock() == 0) {
		atomic_fetch_and_explicit(&fs_worker_rec((unsigned)fs_self.slot - 1)->flags, ~FS_WORKER_OUT, memory_order_relaxed);
		for (unsigned g = 0; g < FS_GROUPS_MAX; g++) {
			if (!fs_groups[g].held || !atomic_exchange_explicit(&fs_core_rec(g, core)->out, 0, memory_order_relaxed))
				continue;
			fs_help_change(g, core, FS_HELP_STUCK, FS_HELP_NONE);
			if (fs_group_state(g) == FS_GROUP_ACTIVE)
				fs_steering_apply(g);
		}
		fs_tree_unlock();
	}
	fs_leave(&old);
}

/* ---- leaving ---- */

bool fs_worker_is_ours(unsigned slot, uint32_t serial)
{
	return serial && fs_worker_serial(slot) == serial;
}

static void leave(unsigned slot, unsigned group, bool steer)
{
	if (fs_rec_has(fs_worker_rec(slot)->announced, group))
		rec_leave(slot, group, steer);
	if ((int)slot + 1 != fs_self.slot) {
		/* Another thread's, which may be running and will not say any more when it waits. */
		if (fs_rec_empty(fs_worker_rec(slot)->announced))
			atomic_store_explicit(&fs_worker_rec(slot)->beat, 0, memory_order_relaxed);
		return;
	}
	fs_self.local[group] = 0;
	if (fs_rec_empty(fs_worker_rec(slot)->announced))
		release_slot();
}

void fs_worker_leave(unsigned slot, unsigned group)
{
	bool locked = fs_tree_lock() == 0;

	leave(slot, group, locked);
	if (locked)
		fs_tree_unlock();
}

/* For each worker of this process that waits for the group, and in an adopted group for that member. */
static void leave_all(unsigned group, int member)
{
	bool locked = fs_tree_lock() == 0;

	for (unsigned s = 0, end = fs_workers_end(); s < end; s++) {
		if (!fs_worker_serial(s) || !fs_rec_has(fs_worker_rec(s)->announced, group))
			continue;
		if (member < 0 || (member < FS_MEMBERS_MAX &&
				   atomic_load_explicit(&fs_group_rec(group)->member[member].worker,
							memory_order_relaxed) == s + 1))
			leave(s, group, locked);
	}
	if (locked)
		fs_tree_unlock();
}

void fs_worker_leave_all(unsigned group)
{
	leave_all(group, -1);
}

void fs_worker_leave_process(unsigned group)
{
	leave_all(group, -1);
	/* Other threads keep the numbers of descriptors that are about to go. */
	atomic_fetch_add_explicit(&fs_proc.views, 1, memory_order_release);
}

void fs_worker_leave_member(unsigned group, unsigned member)
{
	leave_all(group, (int)member);
}

void fs_worker_thread_exit(void)
{
	sigset_t old;

	if (!fs_proc.region || fs_foreign_process())
		return;
	fs_enter(&old);
	for (unsigned g = 0; g < FS_GROUPS_MAX; g++) {
		fs_fd_close_hidden(fs_self.inner[g]);
		fs_self.inner[g] = 0;
	}
	for (unsigned g = 0; g < FS_GROUPS_MAX && fs_self.slot; g++)
		if (fs_rec_has(fs_worker_rec((unsigned)fs_self.slot - 1)->announced, g))
			fs_worker_leave((unsigned)fs_self.slot - 1, g);
	if (fs_self.slot)
		release_slot();
	fs_leave(&old);
}

/* ---- the thread's view ---- */

void fs_worker_view(void)
{
	/* Pairs with the release in fs_worker_leave_process(): what it closed is not used after this. */
	uint32_t views = atomic_load_explicit(&fs_proc.views, memory_order_acquire);
	unsigned core = fs_self.slot ? fs_self.core : FS_NO_CORE;

	for (unsigned g = 0; g < FS_GROUPS_MAX; g++) {
		bool serves = core < fs_proc.ncores && fs_groups[g].held && fs_group_own(g) &&
			      fs_rec_has(fs_worker_rec((unsigned)fs_self.slot - 1)->serving, g);

		fs_self.local[g] = serves && fs_groups[g].local[core] > 0 ? fs_groups[g].local[core] : 0;
		if (fs_self.views != views) {
			/* The sockets in it may be gone, and the group another one. */
			fs_fd_close_hidden(fs_self.inner[g]);
			fs_self.inner[g] = 0;
		}
	}
	fs_self.view = core;
	fs_self.shared = 0;
	if (fs_self.views != views) {
		fs_self.views = views;
		fs_self.plain_epoch = 0;
		fs_self.alone_epoch = 0;
	}
}

void fs_worker_refresh(void)
{
	sigset_t old;

	if (FS_LIKELY(fs_self.views == atomic_load_explicit(&fs_proc.views, memory_order_relaxed)) || fs_foreign_process())
		return;
	fs_enter(&old);
	fs_worker_view();
	fs_leave(&old);
}
