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
/* Whether the worker in `slot` still is that thread of this process. */
bool fs_worker_is_ours(unsigned slot, uint32_t serial);
/*
 * Likewise for all threads of this process, and for whoever serves a socket of an
 * adopted group. Take the tree lock.
 */
void fs_worker_leave_process(unsigned group);
/* Likewise, but its descriptors stay. */
void fs_worker_leave_all(unsigned group);
void fs_worker_leave_member(unsigned group, unsigned member);
/* The thread ends: fs_self is wound up. Takes the process lock. */
void fs_worker_thread_exit(void);

/* Finds workers that died: their cores' queues are for the others from now on. Tree lock held. */
void fs_worker_reap(void);
/*
 * The calling worker, which was stuck and passed by in steering, is about to wait: it
 * gets its flows back, now or, when the tree lock is taken, at its next wait.
 */
void fs_worker_back(void);

/*
 * fs_self as it is by this thread's own slot: local listeners of the groups
 * that it serves, and no inner instance that was made before descriptors were closed.
 */
void fs_worker_view(void);
/* The same where descriptors were closed since; takes the process lock if so. */
void fs_worker_refresh(void);

/*
 * A child or thread about to be made by a worker that we bound shall not inherit
 * that: these give the calling thread its own affinity back (false: it has it,
 * because the application set another one since), and bind it again. No lock
 * needed.
 */
bool fs_worker_unbind(void);
void fs_worker_rebind(void);

#endif
