/*
 * Epoll instances of the application that hold a listener. Until its worker
 * serves a local listener, the registration is the application's own. Then an
 * inner instance (inner.h) takes its place, with the same events and data;
 * what the application sees of epoll_ctl() and epoll_wait() stays the same.
 */
#ifndef FS_EPOLL_H
#define FS_EPOLL_H

#include <sys/epoll.h>

#include "steal.h"

struct fs_instance {
	uint32_t refs; /* descriptors; 0: free */
	int pid;       /* process that made it: a child inherits the kernel's object and must leave its entries alone */
	int fd;        /* one of them, as last used */
	/*
	 * Written by a thread that waits, under the lock; read by each before it waits,
	 * without: relaxed, a thread knows its own.
	 */
	_Atomic uint32_t serial; /* of the worker that waits on it; 0 while none did */
	_Atomic bool shared;     /* more than one thread waits on it */
	_Atomic bool nests;      /* has or had an instance with a listener in it: waiting here is waiting there */
	_Atomic bool oneshot;    /* has or had a one-shot registration: events are looked at after a wait */
	int slot;                /* that worker's, + 1 */
	unsigned core;           /* and its core */
	_Atomic int first; /* first registration + 1 */
	/*
	 * Region epoch at which the registrations were last looked at; 0: look
	 * again. Relaxed: the thread that waits is the one that changes it, or
	 * it will wait once more.
	 */
	_Atomic uint32_t epoch;
};

extern struct fs_instance fs_instances[];

static inline bool fs_instance_settled(unsigned index)
{
	const struct fs_instance *in = &fs_instances[index];

	if (FS_UNLIKELY(fs_self.views != atomic_load_explicit(&fs_proc.views, memory_order_relaxed)))
		return false;
	if (FS_UNLIKELY(fs_self.shared))
		return fs_self.shared == (int)index + 1 && fs_self.shared_epoch == fs_epoch();
	return atomic_load_explicit(&in->epoch, memory_order_relaxed) == fs_epoch() &&
	       atomic_load_explicit(&in->serial, memory_order_relaxed) == fs_self.serial;
}

/* epoll_ctl() on a listener. 0 or -errno. Takes the process lock. */
int fs_epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev);

/* An instance that holds a listener was added to another one. Takes the process lock. */
void fs_epoll_nested(int epfd);
/*
 * A worker waits on an instance that we know nothing of: perhaps one that holds a
 * listener was added to it before we looked. Asks the kernel, once for each
 * instance. Takes the process lock.
 */
void fs_epoll_discover(int epfd);

/*
 * The calling thread is about to wait on the instance: it joins, or moves over to
 * its local listener. Takes the process lock.
 */
void fs_epoll_before_wait(int epfd, unsigned index);
/*
 * The calling thread is about to wait, on whatever: what it removed since its last
 * wait becomes silent, its core parks.
 */
void fs_epoll_flush(void);
/* Events came out of an instance that has one-shot registrations. */
void fs_epoll_fired(unsigned index, const struct epoll_event *events, int n);

/* Cores need help, or somebody has something to tell this worker, who is about to wait. */
void fs_epoll_look(unsigned index);

/* The calling thread alone waits here, for the worker that it is: then its waits are counted. */
static inline bool fs_instance_counted(unsigned index)
{
	const struct fs_instance *in = &fs_instances[index];

	return fs_self.serial && atomic_load_explicit(&in->serial, memory_order_relaxed) == fs_self.serial &&
	       !atomic_load_explicit(&in->shared, memory_order_relaxed) &&
	       (atomic_load_explicit(&in->first, memory_order_relaxed) ||
		atomic_load_explicit(&in->nests, memory_order_relaxed));
}

/* Before epoll_wait(), and after it. Where nothing is to be done: inline, no lock. */
static inline void fs_epoll_waits(int epfd, uint16_t tag)
{
	if (FS_UNLIKELY(fs_self.pending))
		fs_epoll_flush();
	if (FS_LIKELY(fs_tag_kind(tag) != FS_TAG_EPOLL)) {
		if (FS_UNLIKELY(fs_self.slot && !tag))
			fs_epoll_discover(epfd);
		return;
	}
	if (FS_UNLIKELY(!fs_instance_settled(fs_tag_index(tag))))
		fs_epoll_before_wait(epfd, fs_tag_index(tag));
	if (fs_steal_due())
		fs_epoll_look(fs_tag_index(tag));
	if (fs_instance_counted(fs_tag_index(tag)))
		fs_beat_wait();
}

static inline void fs_epoll_waited(uint16_t tag, const struct epoll_event *events, int n)
{
	if (FS_LIKELY(fs_tag_kind(tag) != FS_TAG_EPOLL))
		return;
	if (fs_instance_counted(fs_tag_index(tag)))
		fs_beat_run();
	if (n > 0 && FS_UNLIKELY(atomic_load_explicit(&fs_instances[fs_tag_index(tag)].oneshot, memory_order_relaxed)))
		fs_epoll_fired(fs_tag_index(tag), events, n);
}

/* A descriptor was dup'ed from an instance's, or is about to be closed. Process lock held. */
void fs_instance_ref(unsigned index, int fd);
void fs_instance_unref(unsigned index, int fd);
/*
 * A descriptor of the listener is about to be closed. Its registrations live on
 * while the listener has another one (epoll(7), question 6), and end with the last.
 * Process lock held.
 */
void fs_epoll_closing(const struct fs_listener *l, int fd);
/*
 * The application wants the number of an inner instance that is registered
 * somewhere: it gets another one. 0, or -EBUSY.
 */
int fs_epoll_move(int fd);
/* Whether some epoll instance of this process holds a listener of the group. */
static inline bool fs_epoll_has_group(unsigned group)
{
	return atomic_load_explicit(&fs_groups[group].regs, memory_order_relaxed) != 0;
}

#endif
