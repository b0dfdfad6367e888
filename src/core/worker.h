/*
 * Workers: threads that take connections. A worker announces itself to a group
 * when it waits for it; it gets a core; once there are two, each serves the
 * local listener of its core and is bound to its CPU. Process lock held for
 * all functions; those that take the tree lock themselves say so.
 */
#ifndef FS_WORKER_H
#define FS_WORKER_H

#include "group.h"

/*
 * The calling thread waits for connections of `group`, in an adopted group on
 * the socket `member`. Returns whether it serves: in an own group its local
 * listener is then in fs_self.local[group]. False: it goes on as without us,
 * because it is alone or because the group cannot be handled; with `announce`,
 * because it could not hear a local listener now. Takes the tree lock.
 */
bool fs_worker_join(unsigned group, unsigned member, bool announce);
/* The worker in `slot`, one of this process, waits for it no longer. Takes the tree lock. */
void fs_worker_leave(unsigned slot, unsigned group);
/* Whether the worker in `slot` is a thread of this process. */
bool fs_worker_is_ours(unsigned slot);
/* Likewise for all threads of this process, and for whoever serves a socket of an adopted group. Take the tree lock. */
void fs_worker_leave_process(unsigned group);
void fs_worker_leave_member(unsigned group, unsigned member);
/* The thread ends: fs_self is wound up. Takes the process lock. */
void fs_worker_thread_exit(void);

/*
 * Parking: the core's worker does not wait for the group at the moment, so the
 * others watch its local listener too. Steering is left alone. No lock needed.
 */
void fs_worker_park(unsigned group, unsigned core);
void fs_worker_unpark(unsigned group, unsigned core);

/* Brings fs_self up to date when descriptors were taken from under it. No lock needed when it is up to date. */
void fs_worker_refresh(void);

/*
 * A child or thread about to be made by a worker that we bound shall not
 * inherit that: these give the calling thread its own affinity back (false: it
 * has it, because the application set another one since), and bind it again. No lock needed.
 */
bool fs_worker_unbind(void);
void fs_worker_rebind(void);

#endif
