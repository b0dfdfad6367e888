/* What a thread does before and after it waits on epoll instances that hold a listener. */
#define _GNU_SOURCE
#include <errno.h>

#include "beat.h"
#include "binding.h"
#include "inner.h"
#include "log.h"
#include "reg.h"
#include "stealer.h"
#include "sys/sys.h"
#include "worker.h"

/* ---- moving over ---- */

/* An inner instance for this thread's core, in the application's instance. A hidden descriptor, or -errno. */
static int inner_in(int epfd, const struct fs_reg *r)
{
	struct epoll_event ev = fs_reg_outer_event(r);
	unsigned group = fs_reg_listener(r)->group;
	int inner = fs_inner_make(group, fs_self.core, false);
	int rc;

	if (inner < 0)
		return inner;
	rc = fs_sys_epoll_ctl(epfd, EPOLL_CTL_ADD, inner, &ev);
	if (rc < 0) {
		fs_fd_close_hidden(inner);
		return rc;
	}
	return inner;
}

/*
 * From the application's registration, or from the inner instance of another core,
 * to one of this thread's core. On failure the worker leaves the local listener to
 * others, for good.
 */
static void convert(int epfd, struct fs_reg *r)
{
	static bool said; /* the process lock guards it */
	int inner = inner_in(epfd, r);

	if (inner < 0) {
		r->refused = true;
		fs_worker_leave((unsigned)fs_self.slot - 1, fs_reg_listener(r)->group);
		if (!said)
			fs_log(FS_LOG_WARN, "a worker shares the global listener, as without libfastsock: it cannot have an epoll instance of its"
					    " own (%s); raise the limit of descriptors (ulimit -n, LimitNOFILE=) (said once)",
			       fs_errtext(-inner));
		said = true;
		return;
	}
	if (r->inner) {
		fs_sys_epoll_ctl(epfd, EPOLL_CTL_DEL, r->inner, NULL);
		fs_fd_close_hidden(r->inner);
	} else {
		fs_sys_epoll_ctl(epfd, EPOLL_CTL_DEL, r->fd, NULL);
	}
	r->inner = inner;
	r->core = fs_self.core;
}

/* ---- waiting ---- */

/* An instance that another worker owns: accept from what it stands for, be no worker there. */
static void look_over_shoulder(struct fs_instance *in)
{
	fs_self.shared = (int)(in - fs_instances) + 1;
	if (in->core >= fs_proc.ncores)
		return;
	fs_self.view = in->core;
	for (int i = in->first; i; i = fs_regs[i - 1].next) {
		struct fs_reg *r = &fs_regs[i - 1];
		unsigned g = fs_reg_listener(r)->group;

		fs_self.local[g] = r->inner && fs_groups[g].local[in->core] > 0 ? fs_groups[g].local[in->core] : 0;
	}
}

/* Whether the registration can be moved to an inner instance now. */
static bool movable(const struct fs_reg *r)
{
	/*
	 * A one-shot one only while it is armed, or it would be armed twice; an orphan's
	 * number may be somebody else's.
	 */
	return !r->refused && !r->orphan && fs_reg_wants_input(r) && (r->armed || !(r->ev.events & EPOLLONESHOT));
}

static void wait_as_owner(int epfd, struct fs_instance *in)
{
	for (int i = in->first; i; i = fs_regs[i - 1].next) {
		struct fs_reg *r = &fs_regs[i - 1];
		struct fs_listener *l = fs_reg_listener(r);
		bool serves;

		if (r->lapsed)
			continue;
		serves = fs_worker_join(l->group, l->member, !r->inner && !movable(r));
		if (serves && fs_self.local[l->group] && (r->inner ? r->core != fs_self.core : movable(r)))
			convert(epfd, r);
	}
	in->slot = fs_self.slot;
	in->core = fs_self.slot ? fs_self.core : FS_NO_CORE;
	atomic_store_explicit(&in->serial, fs_self.serial, memory_order_relaxed);
	/*
	 * What became quiet under an earlier owner, or has fired and was not armed again,
	 * is so under this one.
	 */
	for (int i = in->first; i; i = fs_regs[i - 1].next) {
		struct fs_reg *r = &fs_regs[i - 1];

		if (r->inner && (r->lapsed || !fs_reg_wants_input(r) || ((r->ev.events & EPOLLONESHOT) && !r->armed))) {
			r->quiet = false;
			fs_reg_set_quiet(in, r, true);
		}
	}
	/* Bound to one CPU, the threads that share an instance could not run side by side. */
	if (in->shared) {
		fs_binding_end();
		fs_beat_stop();
	}
}

void fs_epoll_before_wait(int epfd, unsigned index)
{
	struct fs_instance *in = &fs_instances[index];
	uint32_t epoch = fs_epoch(); /* what changes from here on, the next wait looks at */
	sigset_t old;

	if (fs_foreign_process())
		return;
	fs_enter(&old);
	in->fd = epfd;
	if (fs_self.shared || fs_self.views != atomic_load_explicit(&fs_proc.views, memory_order_relaxed))
		fs_worker_view();
	if (in->pid != fs_proc.pid || (in->serial != fs_self.serial && fs_instance_owned(in))) {
		/* Its owner has to hear of the first one who shares it. */
		if (!in->shared)
			atomic_store_explicit(&in->epoch, 0, memory_order_relaxed);
		in->shared = true;
		look_over_shoulder(in);
		fs_self.shared_epoch = epoch;
	} else {
		wait_as_owner(epfd, in);
		atomic_store_explicit(&in->epoch, epoch, memory_order_relaxed);
	}
	fs_leave(&old);
	fs_stealer_ensure();
}

static void look_in(const struct fs_instance *in, uint64_t *groups)
{
	for (int i = in->first; i; i = fs_regs[i - 1].next) {
		const struct fs_reg *r = &fs_regs[i - 1];

		if (r->inner && !r->quiet && !r->lapsed) {
			unsigned g = fs_reg_listener(r)->group;

			fs_steal_look(g);
			groups[g / 64] |= UINT64_C(1) << (g % 64);
		}
	}
}

/*
 * Without the lock: the thread that waits here follows links that others may change,
 * but they are indices into an array that is never freed (reg.h).
 */
void fs_epoll_look(unsigned index)
{
	struct fs_instance *in = &fs_instances[index];
	uint64_t groups[FS_GROUPS_MAX / 64] = { 0 };
	bool told;

	if (fs_foreign_process())
		return;
	if (fs_beat_flags() & FS_WORKER_OUT)
		fs_worker_back();
	told = fs_beat_flags() & FS_WORKER_KICKED;
	fs_beat_clear(FS_WORKER_KICKED);
	look_in(in, groups);
	for (unsigned i = 0; in->nests && i < FS_INSTANCES_MAX; i++)
		if (fs_instances[i].refs && fs_instance_mine(&fs_instances[i]))
			look_in(&fs_instances[i], groups);
	if (told)
		fs_steal_tidy(groups);
}

void fs_epoll_flush(void)
{
	sigset_t old;

	if (fs_foreign_process())
		return;
	fs_enter(&old);
	fs_self.pending = 0;
	for (unsigned i = 0; i < FS_INSTANCES_MAX; i++) {
		struct fs_instance *in = &fs_instances[i];

		if (!in->refs || !fs_instance_mine(in))
			continue;
		for (int k = in->first; k; k = fs_regs[k - 1].next)
			if (fs_regs[k - 1].lapsed && !fs_regs[k - 1].quiet)
				fs_reg_silence(in, &fs_regs[k - 1]);
	}
	fs_leave(&old);
}

void fs_epoll_fired(unsigned index, const struct epoll_event *events, int n)
{
	struct fs_instance *in = &fs_instances[index];
	sigset_t old;

	if (fs_foreign_process())
		return;
	fs_enter(&old);
	for (int i = in->first; i; i = fs_regs[i - 1].next) {
		struct fs_reg *r = &fs_regs[i - 1];

		if (!(r->ev.events & EPOLLONESHOT) || !r->armed)
			continue;
		/*
		 * Another descriptor may carry the same data: then it counts as fired too early,
		 * which parks it for nothing.
		 */
		for (int k = 0; k < n; k++)
			if (events[k].data.u64 == r->ev.data.u64)
				r->armed = false;
		if (!r->armed)
			atomic_store_explicit(&in->epoch, 0, memory_order_relaxed);
	}
	fs_leave(&old);
}
