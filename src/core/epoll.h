/*
 * Epoll instances of the application that hold a listener. Until its worker
 * serves a local listener, the registration is the application's own. Then an
 * inner instance (inner.h) takes its place, with the same events and data;
 * what the application sees of epoll_ctl() and epoll_wait() stays the same.
 */
#ifndef FS_EPOLL_H
#define FS_EPOLL_H

#include <sys/epoll.h>

#include "group.h"

struct fs_instance {
	uint32_t refs; /* descriptors; 0: free */
	int pid;       /* process that made it: a child inherits the kernel's object and must leave its entries alone */
	/* Written by a thread that waits, under the lock; read by each before it waits, without: relaxed, a thread knows its own slot. */
	_Atomic int slot;    /* worker slot + 1 of the thread that waits on it; 0 while none did */
	_Atomic bool shared; /* more than one thread waits on it */
	unsigned core;       /* that worker's */
	_Atomic int first; /* first registration + 1 */
	/*
	 * Region epoch at which the registrations were last looked at; 0: look
	 * again. Relaxed: the thread that waits is the one that changes it, or
	 * it will wait once more.
	 */
	_Atomic uint32_t epoch;
	_Atomic int32_t pending; /* registrations that the application removed since, to be silenced by a wait */
};

extern struct fs_instance fs_instances[];

static inline bool fs_instance_settled(unsigned index)
{
	const struct fs_instance *in = &fs_instances[index];

	return FS_LIKELY(atomic_load_explicit(&in->epoch, memory_order_relaxed) == fs_epoch()) &&
	       atomic_load_explicit(&in->pending, memory_order_relaxed) == 0 &&
	       (atomic_load_explicit(&in->slot, memory_order_relaxed) == fs_self.slot || fs_self.shared == (int)index + 1) &&
	       fs_self.views == atomic_load_explicit(&fs_proc.views, memory_order_relaxed);
}

/* epoll_ctl() on a listener. 0 or -errno. Takes the process lock. */
int fs_epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev);

/* The calling thread is about to wait on the instance: it joins, moves over to its local listener, or parks. Takes the process lock. */
void fs_epoll_before_wait(int epfd, unsigned index);
/* The same where nothing is to be done: inline, no lock. */
static inline void fs_epoll_waits(int epfd, uint16_t tag)
{
	if (FS_UNLIKELY(fs_tag_kind(tag) == FS_TAG_EPOLL) && !fs_instance_settled(fs_tag_index(tag)))
		fs_epoll_before_wait(epfd, fs_tag_index(tag));
}

/* A descriptor was dup'ed from an instance's, or is about to be closed. Process lock held. */
void fs_instance_ref(unsigned index, int fd);
void fs_instance_unref(unsigned index, int fd);
/*
 * A descriptor of the listener is about to be closed. Its registrations live
 * on while the listener has another one (epoll(7), question 6), and end with the last. Process lock held.
 */
void fs_epoll_closing(const struct fs_listener *l, int fd);
/* Whether some epoll instance of this process holds a listener of the group. */
static inline bool fs_epoll_has_group(unsigned group)
{
	return atomic_load_explicit(&fs_groups[group].regs, memory_order_relaxed) != 0;
}

#endif
