#define _GNU_SOURCE
#include "reg.h"

#include "log.h"
#include "parking.h"
#include "sys/sys.h"
#include "worker.h"

struct fs_instance fs_instances[FS_INSTANCES_MAX];
struct fs_reg fs_regs[FS_REGS_MAX];

/* ---- bookkeeping ---- */

struct fs_instance *fs_instance_of(int epfd)
{
	uint16_t tag = fs_fd_tag(epfd);

	return fs_tag_kind(tag) == FS_TAG_EPOLL ? &fs_instances[fs_tag_index(tag)] : NULL;
}

struct fs_instance *fs_instance_make(int epfd)
{
	static bool said; /* the process lock guards it */

	for (unsigned i = 0; i < FS_INSTANCES_MAX; i++) {
		struct fs_instance *in = &fs_instances[i];

		if (in->refs)
			continue;
		*in = (struct fs_instance){ .refs = 1, .pid = fs_proc.pid, .fd = epfd, .core = FS_NO_CORE };
		fs_fd_set_tag(epfd, FS_TAG_EPOLL, i);
		return in;
	}
	if (!said)
		fs_log(FS_LOG_WARN, "workers share the global listener, as without libfastsock, in all but the first %d epoll instances"
				    " of a process; use fewer, or set FASTSOCK=off (said once)", FS_INSTANCES_MAX);
	said = true;
	return NULL;
}

struct fs_reg *fs_reg_find(const struct fs_instance *in, int fd)
{
	for (int i = in->first; i; i = fs_regs[i - 1].next)
		if (fs_regs[i - 1].fd == fd && !fs_regs[i - 1].orphan)
			return &fs_regs[i - 1];
	return NULL;
}

void fs_reg_make(struct fs_instance *in, int fd, const struct epoll_event *ev)
{
	static bool said; /* the process lock guards it */

	for (int i = 0; i < FS_REGS_MAX; i++) {
		struct fs_reg *r = &fs_regs[i];

		if (r->used)
			continue;
		*r = (struct fs_reg){ .used = true, .armed = true, .fd = fd, .listener = (uint16_t)fs_tag_index(fs_fd_tag(fd)), .ev = *ev,
				   .next = in->first };
		in->first = i + 1;
		if (ev->events & EPOLLONESHOT)
			in->oneshot = true;
		fs_groups[fs_reg_listener(r)->group].regs++;
		return;
	}
	if (!said)
		fs_log(FS_LOG_WARN, "a worker shares a global listener, as without libfastsock: listeners are registered with epoll more"
				    " than %d times in this process; name those that matter in FASTSOCK_LISTEN (said once)", FS_REGS_MAX);
	said = true;
}

void fs_reg_free(struct fs_instance *in, struct fs_reg *r)
{
	_Atomic int *link = &in->first;

	while (*link != (int)(r - fs_regs) + 1)
		link = &fs_regs[*link - 1].next;
	*link = r->next;
	fs_fd_close_hidden(r->inner);
	fs_groups[fs_reg_listener(r)->group].regs--;
	r->used = false;
}

bool fs_instance_owned(const struct fs_instance *in)
{
	return in->pid == fs_proc.pid && fs_worker_is_ours((unsigned)in->slot - 1, in->serial);
}

/* The thread that waits here, alone, is the calling one: nobody else can be inside epoll_wait() on it now. */
bool fs_instance_mine(const struct fs_instance *in)
{
	return in->pid == fs_proc.pid && fs_self.serial && in->serial == fs_self.serial && !in->shared;
}

bool fs_reg_wants_input(const struct fs_reg *r)
{
	return r->ev.events & (EPOLLIN | EPOLLRDNORM);
}

/* ---- the kernel's side ---- */

struct epoll_event fs_reg_outer_event(const struct fs_reg *r)
{
	struct epoll_event ev = r->ev;

	/* The kernel refuses it for an epoll descriptor. */
	ev.events &= ~(uint32_t)EPOLLEXCLUSIVE;
	return ev;
}

int fs_reg_modify(int epfd, const struct fs_reg *r)
{
	struct epoll_event ev = fs_reg_outer_event(r);

	return fs_sys_epoll_ctl(epfd, EPOLL_CTL_MOD, r->inner, &ev);
}

void fs_reg_set_quiet(const struct fs_instance *in, struct fs_reg *r, bool quiet)
{
	if (r->quiet == quiet)
		return;
	r->quiet = quiet;
	if (!fs_instance_owned(in))
		return;
	if (quiet)
		fs_parking_park((unsigned)in->slot - 1, fs_reg_listener(r)->group);
	else
		fs_parking_unpark((unsigned)in->slot - 1, fs_reg_listener(r)->group);
}

/* A lapsed registration that did not come back: out of what is waited for. */
void fs_reg_silence(const struct fs_instance *in, struct fs_reg *r)
{
	struct epoll_event none = { .events = 0 };

	fs_sys_epoll_ctl(in->fd, EPOLL_CTL_MOD, r->inner, &none);
	fs_reg_set_quiet(in, r, true);
}
