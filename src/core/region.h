/*
 * The shared region: one memfd per process tree, made by the first process of the
 * tree that makes a listener group and inherited by what it forks. It holds who
 * serves what, and the counters. This header is its layout, which `fastsock stat`
 * reads from outside.
 *
 * Trust: every process of the tree can write all of it, and a worker may be
 * compromised while its master is root. So there are no pointers in it, and
 * whatever is read from it is checked before it is used as an index or a length.
 * File descriptors are never taken from it.
 *
 * Writers: a worker's and a core's first line is written by that core's workers
 * alone, and the second line holds what others tell them. All else changes only
 * under the tree lock (region_lock.h), which the kernel releases when its holder dies.
 */
#ifndef FS_REGION_H
#define FS_REGION_H

#include <stdatomic.h>

#include "policy.h"
#include "reasons.h"

#define FS_REGION_MAGIC UINT32_C(0x6b635366) /* "fSck" */
#define FS_REGION_VERSION 5
/* The memfd's name: /proc/PID/fd shows "/memfd:fastsock (deleted)". */
#define FS_REGION_NAME "fastsock"

/* Fixed at creation, but for `epoch`. */
struct fs_region_head {
	uint32_t magic;
	uint32_t version;
	uint64_t size;    /* of the whole region in bytes */
	uint32_t ncores;  /* cores in use: 1 .. FS_CORES_MAX */
	uint32_t creator; /* pid of the process that made it */
	/* Grows whenever a worker comes, goes or parks: waits compare it with what they saw last. */
	_Alignas(FS_CACHELINE) _Atomic uint32_t epoch;
	_Atomic uint32_t workers_end; /* worker slots from here on were never used: bounds the searches */
	_Atomic uint32_t groups_end;  /* likewise groups */
	/*
	 * Help marks that are set in all groups together: while it is not 0, a worker looks
	 * for victims before it waits. Who dies between mark and count makes it wrong; whoever
	 * reaps the dead counts anew.
	 */
	_Atomic uint32_t helpless;
	/*
	 * The active stealing thread: its tid in the upper half, a beat in the lower one; 0
	 * while none is (hub.h).
	 */
	_Alignas(FS_CACHELINE) _Atomic uint64_t lease;
	_Atomic uint64_t lease_until; /* CLOCK_MONOTONIC in us: later, its holder is late, stopped or dead */
	_Atomic uint32_t missed;      /* threads that shall still try to find one that holds what fired (stealer.c) */
	_Atomic uint32_t asked;       /* group + 1 that somebody asks for (heir.h), and above, how many could not answer */
	_Alignas(FS_CACHELINE) uint16_t cpu[FS_CORES_MAX]; /* CPU number of each core */
};

/*
 * What concerns a core whatever the group. Written by the active stealing thread,
 * the shares under the tree lock.
 */
struct fs_core_load {
	_Alignas(FS_CACHELINE) _Atomic uint32_t away; /* flow groups of its CPU that others take (balance.h) */
	_Atomic uint32_t gain;                        /* flow groups of others that it takes */
	_Atomic uint64_t groups_out;                  /* flow groups that ever moved away, and in */
	_Atomic uint64_t groups_in;
	_Atomic uint64_t busy_us; /* its workers were outside their waits, sampled at each tick */
	/*
	 * 1 while a thread takes events of this core out of its watch: one that was stopped
	 * there has kept to itself which listeners fired (hub.h).
	 */
	_Atomic uint32_t taking;
};

/* Why connect() left the source port to the kernel. The words are those of `fastsock stat`. */
#define FS_FALLBACK_TABLE(X) \
	X(ROUTE, "route") /* no way back that could be steered: this machine itself, a NIC that hides its RSS */ \
	X(CPU, "cpu")     /* no port leads to this CPU, as far as is known */ \
	X(TAKEN, "taken") /* the ports that were tried are taken, or the range is known to be crowded */ \
	X(BUSY, "busy")   /* the destination is new, and somebody else is being looked up, or too many were */ \
	X(WRONG, "wrong") /* what was believed of the NIC turned out to be wrong */ \
	X(SOCKET, "socket") /* this socket takes no port: its own options, or a sandbox */

enum fs_fallback {
	FS_FALLBACK_NONE = 0, /* a port was found */
#define FS_FALLBACK(name, word) FS_FALLBACK_##name,
	FS_FALLBACK_TABLE(FS_FALLBACK)
#undef FS_FALLBACK
	FS_FALLBACKS
};

/* Connections that were opened from a core's CPU. Relaxed atomic adds by the threads that are bound to it. */
struct fs_core_active {
	_Alignas(FS_CACHELINE) _Atomic uint64_t calls; /* connect() to another machine's address, over TCP as far as is known */
	_Atomic uint64_t steered;    /* ... that got a source port from the library */
	_Atomic uint64_t tries;      /* ports that were tried for them */
	_Atomic uint64_t rx_sampled; /* connections whose RX CPU was looked at when they were closed */
	_Atomic uint64_t rx_local;   /* ... and was the CPU that had opened them */
	_Alignas(FS_CACHELINE) _Atomic uint64_t fallback[FS_FALLBACKS]; /* ... that did not; by enum fs_fallback, [0] unused */
};

enum fs_worker_state {
	FS_WORKER_FREE = 0,
	FS_WORKER_LIVE = 1, /* the process in `pid` holds the lock on this slot's byte (region_lock.h) */
};

/* A thread that takes connections. */
struct fs_worker_rec {
	_Alignas(FS_CACHELINE) _Atomic uint32_t state; /* enum fs_worker_state */
	_Atomic uint32_t pid;
	_Atomic uint32_t tid;
	_Atomic uint32_t core; /* index of its core, or FS_NO_CORE */
	/*
	 * One bit a group: the worker waits for the group's connections / it serves its
	 * core's local listener.
	 */
	_Atomic uint64_t announced[FS_GROUPS_MAX / 64];
	_Atomic uint64_t serving[FS_GROUPS_MAX / 64];
	/* ... and serves it, but does not wait for it at the moment. */
	_Atomic uint64_t parked[FS_GROUPS_MAX / 64];
	/*
	 * Counts its waits, twice each: odd while it runs, even while it waits. Stays 0 for an
	 * epoll instance that several threads wait on: nobody is stuck while another one waits.
	 */
	_Alignas(FS_CACHELINE) _Atomic uint32_t beat;
	_Atomic uint32_t flags; /* FS_WORKER_KICKED and the like: set by others, cleared by itself before it waits */
	_Atomic uint32_t open;  /* connections that it accepted and that are open */
};

/* It was woken for a connection of another core, or for one that is gone by now. */
#define FS_WORKER_KICKED 1u
/* Steering passes its core by, because it was stuck. */
#define FS_WORKER_OUT 2u

enum fs_group_state {
	FS_GROUP_FREE = 0,
	FS_GROUP_PASSIVE = 1,   /* one worker or none: the global listener alone */
	FS_GROUP_ACTIVE = 2,    /* steered to local listeners */
	FS_GROUP_ABANDONED = 3, /* cannot be handled: works as without us from here on */
};

enum fs_group_mode {
	FS_GROUP_OWN = 0,     /* member 0 is the global listener, the others are the local listeners that we made */
	FS_GROUP_ADOPTED = 1, /* all members are the application's own SO_REUSEPORT sockets */
};

/* A socket of the group, at its index in the kernel's reuseport group: the order of listen(). */
struct fs_member_rec {
	_Atomic uint64_t cookie; /* SO_COOKIE */
	_Atomic uint32_t core;   /* own group: core of a local listener, FS_NO_CORE for the global listener.
				    adopted group: core of the worker that serves it, FS_NO_CORE without one */
	_Atomic uint32_t worker; /* adopted group: worker slot + 1 of who serves it; 0 without */
};

struct fs_group_rec {
	_Alignas(FS_CACHELINE) _Atomic uint32_t state; /* enum fs_group_state */
	_Atomic uint32_t mode;                         /* enum fs_group_mode */
	_Atomic uint32_t nmembers;                     /* members in use, in the order of listen() */
	_Atomic uint32_t backlog;
	_Atomic uint32_t stopped;                      /* by shutdown(), until the next listen() */
	_Atomic uint32_t why;                          /* enum fs_abandon, of an abandoned group */
	_Atomic uint32_t why_errno;                    /* ... and the errno behind it, or 0 */
	uint32_t family;     /* AF_INET or AF_INET6 */
	uint8_t address[16]; /* in network order; IPv4 in the first four bytes */
	uint32_t port;       /* in host order */
	uint32_t v6only;
	uint32_t scope;      /* IPv6 scope id */
	uint32_t reuseport;  /* the application itself set SO_REUSEPORT */
	struct fs_member_rec member[FS_MEMBERS_MAX];
};

/*
 * One core in one group. Counters are relaxed atomic adds: with one worker a core,
 * the first line never leaves its CPU.
 */
struct fs_core_rec {
	_Alignas(FS_CACHELINE) _Atomic uint64_t accepted_local;
	_Atomic uint64_t accepted_global;
	_Atomic uint64_t rx_sampled; /* connections whose RX CPU was looked at */
	_Atomic uint64_t rx_local;   /* ... and was the CPU that accepted them */
	_Atomic uint64_t stolen;     /* taken from other cores' local listeners */
	_Atomic uint32_t member;     /* index of its local listener in the group, 0 while that does not listen */
	/* Second line: written by others. */
	_Alignas(FS_CACHELINE) _Atomic uint64_t given; /* taken from its local listener by other cores' workers */
	_Atomic uint64_t rescued; /* ... of these, while its worker was stuck, stopped or dead */
	_Atomic uint64_t parked;  /* ... of these, while its worker did not wait for the group */
	_Atomic uint64_t woken;   /* wake-ups of its workers for other cores' connections */
	_Atomic uint32_t help;    /* enum fs_help: why others may take from its queue */
	_Atomic uint32_t out;     /* 1: steering passes it by */
	_Atomic uint32_t kick;    /* core + 1 from which its worker was woken to take a connection; 0: none */
	_Atomic uint32_t armed;   /* 1: the next connection in its queue wakes a stealing thread that sleeps (hub.h) */
};

/* Offsets, all multiples of a cacheline. */
static inline uint64_t fs_region_loads_at(void)
{
	return (sizeof(struct fs_region_head) + FS_CACHELINE - 1) / FS_CACHELINE * FS_CACHELINE;
}

static inline uint64_t fs_region_actives_at(void)
{
	return fs_region_loads_at() + FS_CORES_MAX * (uint64_t)sizeof(struct fs_core_load);
}

static inline uint64_t fs_region_workers_at(void)
{
	return fs_region_actives_at() + FS_CORES_MAX * (uint64_t)sizeof(struct fs_core_active);
}

static inline uint64_t fs_region_groups_at(void)
{
	return fs_region_workers_at() + FS_WORKERS_MAX * (uint64_t)sizeof(struct fs_worker_rec);
}

static inline uint64_t fs_region_core_at(uint32_t ncores, uint32_t group, uint32_t core)
{
	return fs_region_groups_at() + FS_GROUPS_MAX * (uint64_t)sizeof(struct fs_group_rec) +
	       ((uint64_t)group * ncores + core) * sizeof(struct fs_core_rec);
}

static inline uint64_t fs_region_size(uint32_t ncores)
{
	return fs_region_core_at(ncores, FS_GROUPS_MAX, 0);
}

/*
 * Whether a head that was copied out of a region of `actual` bytes makes sense:
 * magic, version, sizes. NULL if so, else what is wrong with it in a few words.
 */
const char *fs_region_check(const struct fs_region_head *head, uint64_t actual);

#endif
