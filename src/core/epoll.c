#define _GNU_SOURCE
#include "epoll.h"

#include <errno.h>

#include "epollinfo.h"
#include "reg.h"
#include "sys/sys.h"
#include "worker.h"

/* What the kernel lets stand beside EPOLLEXCLUSIVE (fs/eventpoll.c, EPOLLEXCLUSIVE_OK_BITS). */
#define EXCLUSIVE_OK (EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE)

/* lapsed, and back. The thread that did it says so to the kernel at its next wait. */
static void lapse(struct fs_reg *r, bool lapsed)
{
	if (atomic_exchange_explicit(&r->lapsed, lapsed, memory_order_relaxed) != lapsed)
		fs_self.pending += lapsed ? 1 : -1;
}

/* ---- epoll_ctl() ---- */

static int add(int epfd, struct fs_instance *in, int fd, struct epoll_event *ev)
{
	struct fs_reg *r = in ? fs_reg_find(in, fd) : NULL;
	int rc;

	if (!r) {
		rc = fs_sys_epoll_ctl(epfd, EPOLL_CTL_ADD, fd, ev);
		if (rc < 0)
			return rc;
		if (!in)
			in = fs_instance_make(epfd);
		if (in) {
			fs_reg_make(in, fd, ev);
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
		rc = fs_reg_modify(epfd, r);
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
	fs_reg_set_quiet(in, r, !fs_reg_wants_input(r));
	return 0;
}

static int mod(int epfd, struct fs_instance *in, int fd, struct epoll_event *ev)
{
	struct fs_reg *r = in ? fs_reg_find(in, fd) : NULL;
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
	rc = fs_reg_modify(epfd, r);
	fs_reg_set_quiet(in, r, !fs_reg_wants_input(r));
	return rc;
}

static int del(int epfd, struct fs_instance *in, int fd)
{
	struct fs_reg *r = in ? fs_reg_find(in, fd) : NULL;

	if (!r)
		return fs_sys_epoll_ctl(epfd, EPOLL_CTL_DEL, fd, NULL);
	if (r->lapsed)
		return -ENOENT;
	if (!r->inner) {
		int rc = fs_sys_epoll_ctl(epfd, EPOLL_CTL_DEL, fd, NULL);

		fs_reg_free(in, r);
		return rc;
	}
	if (fs_instance_mine(in)) {
		lapse(r, true);
	} else {
		r->lapsed = true;
		fs_reg_silence(in, r);
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
	struct fs_instance *in = fs_instance_of(epfd);
	struct fs_reg *r = in && fs_instance_mine(in) ? fs_reg_find(in, fd) : NULL;

	if (!r || !r->inner || r->quiet || (r->ev.events & (EPOLLONESHOT | EPOLLET)))
		return false;
	if (op == EPOLL_CTL_DEL && !r->lapsed)
		lapse(r, true);
	else if (op == EPOLL_CTL_ADD && r->lapsed && ev && ev->events == r->ev.events &&
		 ev->data.u64 == r->ev.data.u64 && fs_listener_true(fs_reg_listener(r), fd))
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
	in = fs_instance_of(epfd);
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

void fs_epoll_nested(int epfd)
{
	struct fs_instance *in;
	sigset_t old;

	if (fs_foreign_process())
		return;
	fs_enter(&old);
	in = fs_instance_of(epfd);
	if (!in)
		in = fs_instance_make(epfd);
	if (in) {
		in->nests = true;
		atomic_store_explicit(&in->epoch, 0, memory_order_relaxed);
	}
	fs_leave(&old);
}

static bool holds_listener(int fd, void *outer)
{
	const struct fs_instance *in = fs_instance_of(fd);

	return in && in != outer && in->first;
}

void fs_epoll_discover(int epfd)
{
	static bool full;
	struct fs_instance *in;
	sigset_t old;

	if (full || fs_foreign_process())
		return;
	fs_enter(&old);
	if (fs_tag_kind(fs_fd_tag(epfd)) == FS_TAG_NONE) {
		in = fs_instance_make(epfd);
		full = !in;
		if (in && fs_epollinfo_any(epfd, holds_listener, in))
			in->nests = true;
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
	for (unsigned i = 0; i < FS_INSTANCES_MAX; i++) {
		const struct fs_instance *in = &fs_instances[i];

		if (!in->refs || in->slot != slot || !fs_instance_owned(in))
			continue;
		for (int k = in->first; k; k = fs_regs[k - 1].next)
			if (fs_reg_listener(&fs_regs[k - 1])->group == group)
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
		struct fs_reg *r = &fs_regs[in->first - 1];
		unsigned g = fs_reg_listener(r)->group;

		fs_reg_free(in, r);
		if (fs_instance_owned(in) && !still_waits(in->slot, g))
			fs_worker_leave((unsigned)in->slot - 1, g);
	}
}

void fs_epoll_closing(const struct fs_listener *l, int fd)
{
	for (unsigned i = 0; i < FS_INSTANCES_MAX && fs_epoll_has_group(l->group); i++) {
		struct fs_instance *in = &fs_instances[i];
		int k = in->refs ? in->first : 0;

		while (k) {
			struct fs_reg *r = &fs_regs[k - 1];

			k = r->next;
			if (fs_reg_listener(r) != l)
				continue;
			if (l->refs == 1 || (r->fd == fd && r->lapsed))
				fs_reg_free(in, r); /* closing the inner instance takes it out of the outer one */
			else if (r->fd == fd)
				r->orphan = true;
		}
	}
}

int fs_epoll_move(int fd)
{
	for (unsigned i = 0; i < FS_INSTANCES_MAX; i++) {
		struct fs_instance *in = &fs_instances[i];

		for (int k = in->refs ? in->first : 0; k; k = fs_regs[k - 1].next) {
			struct fs_reg *r = &fs_regs[k - 1];
			struct epoll_event ev = fs_reg_outer_event(r);
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
