/*
 * Servers of the usual shapes, whose workers a story can bring to a halt: the part
 * of the harness for stories about workers that do not serve. Orders go through
 * shared memory, so they reach processes and threads alike, and a worker that is stuck
 * stays so until the story lets it go: nothing here depends on how long something takes.
 */
#ifndef SERVE_H
#define SERVE_H

#include "harness.h"

/* How a worker waits. */
enum h_loop {
	H_LOOP_EPOLL,
	H_LOOP_EDGE,    /* epoll, edge-triggered */
	H_LOOP_ONESHOT, /* epoll, one-shot, armed again before the next wait */
	H_LOOP_NESTED,  /* an epoll instance in another one */
	H_LOOP_SHARED,  /* an epoll instance that two threads of the worker's wait on */
	H_LOOP_POLL,
	H_LOOP_ACCEPT,  /* blocked in accept() */
	H_LOOPS
};

/* What a worker does with a connection before it answers. */
enum h_stick {
	H_STICK_NOT,
	H_STICK_BLOCK,   /* sleeps in the kernel */
	H_STICK_COMPUTE, /* runs */
};

/* What a worker tells of itself. */
struct h_worker {
	_Atomic int pid;
	_Atomic int tid;
	_Atomic unsigned woken;  /* its wait ended */
	_Atomic unsigned vain;   /* ... and there was nothing to accept */
	_Atomic unsigned served;
	_Atomic unsigned stuck;  /* threads of it that are */
	_Atomic int ignore;      /* set by the story: it does not accept */
};
extern struct h_worker *h_worker;

/* Before workers are started: how they wait. Also clears what h_worker tells. */
void h_serve_as(enum h_loop loop);
/* Blocking for H_LOOP_ACCEPT, not blocking for the others. */
int h_serve_listener(void);
/* For h_prefork() and h_threads(). */
void h_serve(int lfd, unsigned worker);
/* Called by every worker after each of its waits, which last 5 ms at most then. Set before workers are started. */
extern void (*h_serve_each)(int lfd, unsigned worker);

/*
 * Has each of the first n workers, which are processes, wait anew: after a stop the
 * kernel ends a wait with EINTR. Who was never woken since the group became active still
 * waits for the global listener.
 */
void h_nudge(unsigned n);

/* Called with each descriptor, other than a connection, that a worker makes for itself. */
extern void (*h_serve_made)(int fd);

/* A connection from a CPU of h_cpu. */
int h_connect_from(unsigned client, uint16_t port);
/* Reads the answer, closes, and tells whose it is; H_WORKERS_MAX for none. */
unsigned h_answered_by(int fd);

/* A connection that its worker is stuck with. */
struct h_stuck {
	int fd;
	unsigned worker;
};
/* From this client: whoever takes it gets stuck. Returns when it is. */
struct h_stuck h_stick(uint16_t port, unsigned client, enum h_stick how);
/* Lets it go on, and takes its answer, which has to come. */
void h_unstick(struct h_stuck s);
/* Lets one of the worker's threads go on. */
void h_release(unsigned worker);

/* 20 from every client, one at a time: whether all were answered, and by that worker. */
bool h_all_by(uint16_t port, unsigned worker);
/* Until all connections of a client's CPU are accepted there again, each CPU's by one worker. True without the library. */
bool h_all_local(int lfd);

/* ---- the library's own figures, from the region that this process has mapped ---- */

struct fs_region_head;
struct fs_core_rec;

/* NULL without the library, or before its first group. */
struct fs_region_head *h_region(void);
/* Sums over all cores and groups; 0 without the library. */
struct h_counts {
	uint64_t stolen, given, rescued, woken;
	unsigned helpless;
	int lease;        /* tid of the active stealing thread, or 0 */
	unsigned workers; /* that are not known to be dead */
};
struct h_counts h_counts(void);

#endif
