#define _GNU_SOURCE
#include "epoll.h"

#include <errno.h>

#include "binding.h"
#include "inner.h"
#include "log.h"
#include "sys/sys.h"
#include "worker.h"

/*
 * Epoll instances that hold a listener, and listeners in them, in one process.
 * Beyond these, a registration stays the application's own.
 */
#define INSTANCES_MAX 1024
#define REGS_MAX 4096

/* What the kernel lets stand beside EPOLLEXCLUSIVE (fs/eventpoll.c, EPOLLEXCLUSIVE_OK_BITS). */
#define EXCLUSIVE_OK (EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE)

/*
 * A listener in an instance:
 *
 *   plain ----wait, worker serves----> converted ----DEL----> lapsed
 *     |                                    ^                    |  ADD: converted again
 *     +--DEL--> gone                       +--------------------+  wait: quiet
 *
 * A lapsed one still stands in the kernel, because most of them come back
 * before the next wait (nginx removes and adds its listeners every 16
 * accepts): then nothing at all has to be told to the kernel.
 *
 * Invariant: while a worker serves a group, each of its waits either includes
 * the inner instance of its own core, or its core is parked. A converted one
 * that the worker would not hear of is quiet, and then the worker is parked: when it lapsed,
 * when it was changed to no input, when it is one-shot and has fired.
 *
 * The process lock guards all of it, with one exception: the thread that owns
 * an instance flips `lapsed` without the lock (churn() below). It follows
 * links that others may change; they are indices into an array that is never
 * freed, so it may miss an entry and take the lock, no more.
 */
struct reg {
	bool used;
	_Atomic bool lapsed; /* removed by the application, not by us yet */
	bool quiet;   /* its worker would not hear of a connection, and is parked */
	bool armed;   /* if one-shot: it has not fired since it was added or changed */
	bool orphan;  /* its descriptor was closed, while another one keeps the registration alive */
	bool refused; /* the kernel refused an inner instance: stays plain */
	int fd;
	int inner;     /* 0: plain */
	unsigned core; /* whose local listener is in it */
	_Atomic int next; /* next registration of the instance + 1 */
	uint16_t listener;
	struct epoll_event ev; /* as the application gave it */
};

struct fs_instance fs_instances[INSTANCES_MAX];
static struct reg regs[REGS_MAX];

/* ---- bookkeeping ---- */

static struct fs_listener *listener_of(const struct reg *r)
{
	return &fs_listeners[r->listener];
}

static struct fs_instance *instance_of(int epfd)
{
	uint16_t tag = fs_fd_tag(epfd);

	return fs_tag_kind(tag) == FS_TAG_EPOLL ? &fs_instances[fs_tag_index(tag)] : NULL;
}

static struct fs_instance *instance_make(int epfd)
{
	for (unsigned i = 0; i < INSTANCES_MAX; i++) {
		struct fs_instance *in = &fs_instances[i];

		if (in->refs)
			continue;
		*in = (struct fs_instance){ .refs = 1, .pid = fs_proc.pid, .fd = epfd, .core = FS_NO_CORE };
		fs_fd_set_tag(epfd, FS_TAG_EPOLL, i);
		return in;
	}
	fs_log(FS_LOG_WARN, "a listener stays on the global one: more than %d epoll instances", INSTANCES_MAX);
	return NULL;
}

static struct reg *find(const struct fs_instance *in, int fd)
{
	for (int i = in->first; i; i = regs[i - 1].next)
		if (regs[i - 1].fd == fd && !regs[i - 1].orphan)
			return &regs[i - 1];
	return NULL;
}

static void reg_make(struct fs_instance *in, int fd, const struct epoll_event *ev)
{
	for (int i = 0; i < REGS_MAX; i++) {
		struct reg *r = &regs[i];

		if (r->used)
			continue;
		*r = (struct reg){ .used = true, .armed = true, .fd = fd, .listener = (uint16_t)fs_tag_index(fs_fd_tag(fd)), .ev = *ev,
				   .next = in->first };
		in->first = i + 1;
		if (ev->events & EPOLLONESHOT)
			in->oneshot = true;
		fs_groups[listener_of(r)->group].regs++;
		return;
	}
	fs_log(FS_LOG_WARN, "a listener stays on the global one: more than %d registrations", REGS_MAX);
}

static void reg_free(struct fs_instance *in, struct reg *r)
{
	_Atomic int *link = &in->first;

	while (*link != (int)(r - regs) + 1)
		link = &regs[*link - 1].next;
	*link = r->next;
	fs_fd_close_hidden(r->inner);
	fs_groups[listener_of(r)->group].regs--;
	r->used = false;
}

static bool owned(const struct fs_instance *in)
{
	return in->pid == fs_proc.pid && fs_worker_is_ours((unsigned)in->slot - 1, in->serial);
}

/* The thread that waits here, alone, is the calling one: nobody else can be inside epoll_wait() on it now. */
static bool mine(const struct fs_instance *in)
{
	return in->pid == fs_proc.pid && fs_self.serial && in->serial == fs_self.serial && !in->shared;
}

static bool wants_input(const struct reg *r)
{
	return r->ev.events & (EPOLLIN | EPOLLRDNORM);
}

/* ---- the kernel's side ---- */

static struct epoll_event outer_event(const struct reg *r)
{
	struct epoll_event ev = r->ev;

	/* The kernel refuses it for an epoll descriptor. */
	ev.events &= ~(uint32_t)EPOLLEXCLUSIVE;
	return ev;
}

static int modify_inner(int epfd, const struct reg *r)
{
	struct epoll_event ev = outer_event(r);

	return fs_sys_epoll_ctl(epfd, EPOLL_CTL_MOD, r->inner, &ev);
}

static void set_quiet(const struct fs_instance *in, struct reg *r, bool quiet)
{
	if (r->quiet == quiet)
		return;
	r->quiet = quiet;
	if (!owned(in))
		return;
	if (quiet)
		fs_worker_park((unsigned)in->slot - 1, listener_of(r)->group);
	else
		fs_worker_unpark((unsigned)in->slot - 1, listener_of(r)->group);
}

/* A lapsed registration that did not come back: out of what is waited for. */
static void silence(const struct fs_instance *in, struct reg *r)
{
	struct epoll_event none = { .events = 0 };

	fs_sys_epoll_ctl(in->fd, EPOLL_CTL_MOD, r->inner, &none);
	set_quiet(in, r, true);
}

/* An inner instance for this thread's core, in the application's instance. A hidden descriptor, or -errno. */
static int inner_in(int epfd, const struct reg *r)
{
	struct epoll_event ev = outer_event(r);
	unsigned group = listener_of(r)->group;
	int inner = fs_inner_make(group, fs_self.core, false);
	int rc;

	if (inner < 0)
		return inner;
	rc = fs_sys_epoll_ctl(epfd, EPOLL_CTL_ADD, inner, &ev);
	if (rc == -EINVAL && fs_inner_drop_parked(inner, group) == 0)
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
static void convert(int epfd, struct reg *r)
{
	int inner = inner_in(epfd, r);

	if (inner < 0) {
		r->refused = true;
		fs_worker_leave((unsigned)fs_self.slot - 1, listener_of(r)->group);
		fs_log(FS_LOG_WARN, "a worker keeps to the global listener: no inner epoll instance (%s)", fs_errname(-inner));
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

/* lapsed, and back. The thread that did it says so to the kernel at its next wait. */
static void lapse(struct reg *r, bool lapsed)
{
	if (atomic_exchange_explicit(&r->lapsed, lapsed, memory_order_relaxed) != lapsed)
		fs_self.pending += lapsed ? 1 : -1;
}

/* ---- epoll_ctl() ---- */

static int add(int epfd, struct fs_instance *in, int fd, struct epoll_event *ev)
{
	struct reg *r = in ? find(in, fd) : NULL;
	int rc;

	if (!r) {
		rc = fs_sys_epoll_ctl(epfd, EPOLL_CTL_ADD, fd, ev);
		if (rc < 0)
			return rc;
		if (!in)
			in = instance_make(epfd);
		if (in) {
			reg_make(in, fd, ev);
			atomic_store_explicit(&in->epoch, 0, memory_order_relaxed);
		}
		return 0;
	}
	if (!r->lapsed)
		return -EEXIST;
	if ((ev->events & EPOLLEXCLUSIVE) && (ev->events & ~(uint32_t)EXCLUSIVE_OK))
		return -EINVAL;
	/* One-shot and edge-triggered ones have a state in the kernel that adding anew resets. */
	if (r->quiet || r->ev.events != ev->events || r->ev.data.u64 != ev->data.u64 ||
	    (ev->events & (EPOLLONESHOT | EPOLLET))) {
		r->ev = *ev;
		rc = modify_inner(epfd, r);
		if (rc < 0)
			return rc;
	}
	if (ev->events & EPOLLONESHOT)
		in->oneshot = true;
	r->armed = true;
	if (r->quiet)
		r->lapsed = false; /* flushed: it is pending no longer */
	else
		lapse(r, false);
	set_quiet(in, r, !wants_input(r));
	return 0;
}

static int mod(int epfd, struct fs_instance *in, int fd, struct epoll_event *ev)
{
	struct reg *r = in ? find(in, fd) : NULL;
	int rc;

	if (!r)
		return fs_sys_epoll_ctl(epfd, EPOLL_CTL_MOD, fd, ev);
	if (r->lapsed)
		return -ENOENT;
	if (!r->inner) {
		rc = fs_sys_epoll_ctl(epfd, EPOLL_CTL_MOD, fd, ev);
		if (rc == 0) {
			r->ev = *ev;
			r->armed = true;
			if (ev->events & EPOLLONESHOT)
				in->oneshot = true;
			atomic_store_explicit(&in->epoch, 0, memory_order_relaxed);
		}
		return rc;
	}
	if ((ev->events | r->ev.events) & EPOLLEXCLUSIVE)
		return -EINVAL;
	r->ev = *ev;
	r->armed = true;
	if (ev->events & EPOLLONESHOT)
		in->oneshot = true;
	rc = modify_inner(epfd, r);
	set_quiet(in, r, !wants_input(r));
	return rc;
}

static int del(int epfd, struct fs_instance *in, int fd)
{
	struct reg *r = in ? find(in, fd) : NULL;

	if (!r)
		return fs_sys_epoll_ctl(epfd, EPOLL_CTL_DEL, fd, NULL);
	if (r->lapsed)
		return -ENOENT;
	if (!r->inner) {
		int rc = fs_sys_epoll_ctl(epfd, EPOLL_CTL_DEL, fd, NULL);

		reg_free(in, r);
		return rc;
	}
	if (mine(in)) {
		lapse(r, true);
	} else {
		r->lapsed = true;
		silence(in, r);
	}
	return 0;
}

/*
 * What nginx does every 16 accepts, without a lock or a system call: a level-
 * triggered listener is removed from the instance of the calling thread, or comes
 * back just as it was. In a vfork child it is right as well: the kernel's instance
 * is its parent's.
 */
static bool churn(int epfd, int op, int fd, const struct epoll_event *ev)
{
	struct fs_instance *in = instance_of(epfd);
	struct reg *r = in && mine(in) ? find(in, fd) : NULL;

	if (!r || !r->inner || r->quiet || (r->ev.events & (EPOLLONESHOT | EPOLLET)))
		return false;
	if (op == EPOLL_CTL_DEL && !r->lapsed)
		lapse(r, true);
	else if (op == EPOLL_CTL_ADD && r->lapsed && ev && ev->events == r->ev.events &&
		 ev->data.u64 == r->ev.data.u64 && fs_listener_true(listener_of(r), fd))
		lapse(r, false);
	else
		return false;
	return true;
}

int fs_epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev)
{
	struct fs_instance *in;
	sigset_t old;
	int rc;

	if (churn(epfd, op, fd, ev))
		return 0;
	if (fs_foreign_process() || !fs_listener_true(fs_listener_of(fs_fd_tag(fd)), fd))
		return fs_sys_epoll_ctl(epfd, op, fd, ev);
	fs_enter(&old);
	in = instance_of(epfd);
	if (in)
		in->fd = epfd;
	if (op == EPOLL_CTL_DEL)
		rc = del(epfd, in, fd);
	else if (op == EPOLL_CTL_ADD && ev)
		rc = add(epfd, in, fd, ev);
	else if (op == EPOLL_CTL_MOD && ev)
		rc = mod(epfd, in, fd, ev);
	else
		rc = fs_sys_epoll_ctl(epfd, op, fd, ev);
	fs_leave(&old);
	return rc;
}

/* ---- waiting ---- */

/* An instance that another worker owns: accept from what it stands for, be no worker there. */
static void look_over_shoulder(struct fs_instance *in)
{
	fs_self.shared = (int)(in - fs_instances) + 1;
	if (in->core >= fs_proc.ncores)
		return;
	fs_self.view = in->core;
	for (int i = in->first; i; i = regs[i - 1].next) {
		struct reg *r = &regs[i - 1];
		unsigned g = listener_of(r)->group;

		fs_self.local[g] = r->inner && fs_groups[g].local[in->core] > 0 ? fs_groups[g].local[in->core] : 0;
	}
}

/* Whether the registration can be moved to an inner instance now. */
static bool movable(const struct reg *r)
{
	/*
	 * A one-shot one only while it is armed, or it would be armed twice; an orphan's
	 * number may be somebody else's.
	 */
	return !r->refused && !r->orphan && wants_input(r) && (r->armed || !(r->ev.events & EPOLLONESHOT));
}

static void wait_as_owner(int epfd, struct fs_instance *in)
{
	for (int i = in->first; i; i = regs[i - 1].next) {
		struct reg *r = &regs[i - 1];
		struct fs_listener *l = listener_of(r);
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
	for (int i = in->first; i; i = regs[i - 1].next) {
		struct reg *r = &regs[i - 1];

		if (r->inner && (r->lapsed || !wants_input(r) || ((r->ev.events & EPOLLONESHOT) && !r->armed))) {
			r->quiet = false;
			set_quiet(in, r, true);
		}
	}
	/* Bound to one CPU, the threads that share an instance could not run side by side. */
	if (in->shared)
		fs_binding_end();
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
	if (in->pid != fs_proc.pid || (in->serial != fs_self.serial && owned(in))) {
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
}

void fs_epoll_flush(void)
{
	sigset_t old;

	if (fs_foreign_process())
		return;
	fs_enter(&old);
	fs_self.pending = 0;
	for (unsigned i = 0; i < INSTANCES_MAX; i++) {
		struct fs_instance *in = &fs_instances[i];

		if (!in->refs || !mine(in))
			continue;
		for (int k = in->first; k; k = regs[k - 1].next)
			if (regs[k - 1].lapsed && !regs[k - 1].quiet)
				silence(in, &regs[k - 1]);
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
	for (int i = in->first; i; i = regs[i - 1].next) {
		struct reg *r = &regs[i - 1];

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

/* ---- ends ---- */

void fs_instance_ref(unsigned index, int fd)
{
	fs_instances[index].refs++;
	fs_fd_set_tag(fd, FS_TAG_EPOLL, index);
}

/* Another registration through which the same worker waits for the group? */
static bool still_waits(int slot, unsigned group)
{
	if (slot == fs_self.slot && fs_self.inner[group])
		return true;
	for (unsigned i = 0; i < INSTANCES_MAX; i++) {
		const struct fs_instance *in = &fs_instances[i];

		if (!in->refs || in->slot != slot || !owned(in))
			continue;
		for (int k = in->first; k; k = regs[k - 1].next)
			if (listener_of(&regs[k - 1])->group == group)
				return true;
	}
	return false;
}

void fs_instance_unref(unsigned index, int fd)
{
	struct fs_instance *in = &fs_instances[index];

	fs_fd_set_tag(fd, FS_TAG_NONE, 0);
	if (--in->refs)
		return;
	while (in->first) {
		struct reg *r = &regs[in->first - 1];
		unsigned g = listener_of(r)->group;

		reg_free(in, r);
		if (owned(in) && !still_waits(in->slot, g))
			fs_worker_leave((unsigned)in->slot - 1, g);
	}
}

void fs_epoll_closing(const struct fs_listener *l, int fd)
{
	for (unsigned i = 0; i < INSTANCES_MAX && fs_epoll_has_group(l->group); i++) {
		struct fs_instance *in = &fs_instances[i];
		int k = in->refs ? in->first : 0;

		while (k) {
			struct reg *r = &regs[k - 1];

			k = r->next;
			if (listener_of(r) != l)
				continue;
			if (l->refs == 1 || (r->fd == fd && r->lapsed))
				reg_free(in, r); /* closing the inner instance takes it out of the outer one */
			else if (r->fd == fd)
				r->orphan = true;
		}
	}
}

int fs_epoll_move(int fd)
{
	for (unsigned i = 0; i < INSTANCES_MAX; i++) {
		struct fs_instance *in = &fs_instances[i];

		for (int k = in->refs ? in->first : 0; k; k = regs[k - 1].next) {
			struct reg *r = &regs[k - 1];
			struct epoll_event ev = outer_event(r);
			int moved;

			if (r->inner != fd)
				continue;
			/*
			 * The kernel knows an entry by its number, too: in under the new one, out under the
			 * old one.
			 */
			if (r->lapsed)
				ev.events = 0;
			moved = fs_fd_move_hidden(fd);
			if (moved < 0)
				return moved;
			fs_sys_epoll_ctl(in->fd, EPOLL_CTL_ADD, moved, &ev);
			fs_sys_epoll_ctl(in->fd, EPOLL_CTL_DEL, fd, NULL);
			r->inner = moved;
			return 0;
		}
	}
	return -EBUSY;
}
