/*
 * Registrations: which listener stands in which epoll instance of the
 * application, and in what state. epoll.c changes them for epoll_ctl(),
 * epoll_wait.c before and after waits.
 */
#ifndef FS_REG_H
#define FS_REG_H

#include "epoll.h"

/*
 * Epoll instances that hold a listener, and listeners in them, in one process.
 * Beyond these, a registration stays the application's own.
 */
#define FS_INSTANCES_MAX 1024
#define FS_REGS_MAX 4096

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
struct fs_reg {
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

extern struct fs_reg fs_regs[FS_REGS_MAX];

static inline struct fs_listener *fs_reg_listener(const struct fs_reg *r)
{
	return &fs_listeners[r->listener];
}

/* Process lock held for all of these, but where it says otherwise. */

/* The instance behind a descriptor, or NULL; no lock needed. A new record for it, or NULL when there is no room. */
struct fs_instance *fs_instance_of(int epfd);
struct fs_instance *fs_instance_make(int epfd);
/* Whether a worker of this process waits on it. Whether that is the calling thread, and no other one: no lock needed. */
bool fs_instance_owned(const struct fs_instance *in);
bool fs_instance_mine(const struct fs_instance *in);

/* The registration of a descriptor in an instance, or NULL; no lock needed by who owns the instance. */
struct fs_reg *fs_reg_find(const struct fs_instance *in, int fd);
void fs_reg_make(struct fs_instance *in, int fd, const struct epoll_event *ev);
void fs_reg_free(struct fs_instance *in, struct fs_reg *r);

bool fs_reg_wants_input(const struct fs_reg *r);
/* The application's event as its inner instance is registered with. */
struct epoll_event fs_reg_outer_event(const struct fs_reg *r);
/* Tells the kernel the application's event anew. 0 or -errno. */
int fs_reg_modify(int epfd, const struct fs_reg *r);
/* Whether its worker would not hear of a connection: parks and unparks it. */
void fs_reg_set_quiet(const struct fs_instance *in, struct fs_reg *r, bool quiet);
/* A lapsed registration that did not come back: out of what is waited for. */
void fs_reg_silence(const struct fs_instance *in, struct fs_reg *r);

#endif
