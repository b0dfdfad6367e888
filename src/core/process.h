/*
 * What this process holds: its options, its view of the shared region, its
 * lock, and each thread's view of the groups that it serves. The bottom of the
 * core: group, worker, epoll and accept build on it.
 *
 * Locks, in the order in which they are taken:
 *   1. the process lock (fs_enter / fs_leave), with all signals blocked so that
 *      a signal handler never finds it held by its own thread;
 *   2. the tree lock (fs_tree_lock), across the processes of the tree.
 * No hot path takes either.
 */
#ifndef FS_PROCESS_H
#define FS_PROCESS_H

#include <signal.h>

#include "fdtab.h"
#include "options.h"
#include "region.h"

struct fs_process {
	struct fs_options options;
	bool on; /* the library handles listeners in this process */
	bool connects; /* ... and connect(), also where the process may run on one CPU alone */
	/* The process whose state this is. In a vfork child, getpid() differs: it must change nothing. */
	int pid;
	int memfd; /* of the region; 0 without one */
	int claims; /* an empty file for the claims on groups: closing a descriptor of the region's would drop its record locks */
	/* Written under the lock, read without: whoever sees an old value looks again at its next wait. */
	_Atomic bool stealing_wanted; /* a worker of this process serves: it needs a stealing thread */
	_Atomic bool stealing;        /* it has one, or one is being started */
	_Atomic bool stealing_failed; /* ... which could not be started: no worker of this process serves */
	char *region; /* mapped shared; NULL without one */
	/* Own copies of what the region's head says: the region can be written by anybody in the tree. */
	uint32_t ncores;
	uint16_t cpu[FS_CORES_MAX];
	uint32_t cpus_left; /* CPUs of the fan-out set for which there is no core */
	/*
	 * Grows when descriptors in the threads' views may have been closed: each thread
	 * drops its view before it uses it again.
	 */
	_Atomic uint32_t views;
};

extern struct fs_process fs_proc;

/* A thread's own view, so that the hot paths need no lock and no search. */
struct fs_thread {
	int slot;        /* worker slot + 1; 0 when this thread is no worker */
	uint32_t serial; /* tells this worker from a later one in the same slot */
	unsigned core;   /* its core, or FS_NO_CORE */
	unsigned view;   /* core whose local listeners `local` holds: its own, or that of `shared`'s owner; valid where `local` is set */
	int shared;      /* instance + 1, while the view is that of an epoll instance that another worker owns */
	uint32_t shared_epoch; /* region epoch at which it last looked over that owner's shoulder */
	int pending;     /* registrations that it removed since its last wait (epoll.c) */
	bool waits;      /* some bit of `waiting` is set */
	uint64_t waiting[FS_GROUPS_MAX / 64]; /* groups that it waits for by poll() or accept(), and is not parked in (waiter.c) */
	uint32_t views; /* fs_proc.views for which `local` and `inner` hold */
	uint32_t plain_epoch;  /* region epoch for which `plain` holds */
	uint32_t alone_epoch;  /* ... for which `alone` holds */
	uint32_t beat;        /* as in its record (beat.h) */
	uint16_t victim;      /* core at which the next search for victims starts (steal.c) */
	unsigned accepts;     /* accepted connections, for sampling and for looking at the global listener */
	bool pinned;          /* we bound this thread to its core's CPU */
	uint16_t bound_core;   /* the core of the one CPU that it is bound to, by whomever, as of ... */
	uint32_t bound_second; /* ... this second (active.c) */
	unsigned connects;    /* connections that it opened, for sampling */
	uint64_t plain[FS_GROUPS_MAX / 64]; /* groups of which it accepts as without us */
	uint64_t alone[FS_GROUPS_MAX / 64]; /* groups for which it polls or blocks as without us */
	int local[FS_GROUPS_MAX]; /* the local listener to accept from; 0 when it serves none */
	int inner[FS_GROUPS_MAX]; /* epoll instance for a thread that polls or blocks in accept(); 0 without */
	struct fs_cpus affinity;  /* as it was before we bound it */
	sigset_t fork_mask;       /* between the hooks around fork() */
};

extern __thread struct fs_thread fs_self __attribute__((tls_model("initial-exec")));

/* Reads the options and starts handling. Called once, before main(). */
void fs_process_start(void);
/* Whether the process may run on more CPUs than there are cores, once: programs without a listener need not hear of it. Process lock held. */
void fs_process_say_room(void);
/* Takes the process lock with signals blocked; *old keeps the mask for fs_leave(). */
void fs_enter(sigset_t *old);
void fs_leave(const sigset_t *old);
/* The same for a thread of the library's own, whose signals are blocked for good. */
void fs_lock(void);
void fs_unlock(void);

/* In a vfork child, or in a child that was cloned past the fork hooks. One system call: for slow paths. */
bool fs_foreign_process(void);

#endif
