/*
 * A thread of the load generator: one CPU, many connections, a request each.
 * Closed loop: a new request starts when one ends. Open loop: requests start
 * when they are due, however the earlier ones fare, as they do when clients
 * do not know of each other.
 *
 * A request belongs to the time at which it was due, and each that was due
 * while it counts has exactly one outcome: after the end nothing new starts,
 * and what is under way is waited for.
 */
#ifndef CLIENT_H
#define CLIENT_H

#include <pthread.h>
#include <stdatomic.h>

#include "histogram.h"
#include "request.h"

/* What all threads have in common; set before they start, but for the times that signals set. */
struct load {
	struct sockaddr_in server;
	unsigned slots;        /* connections of a thread at most */
	double rate;           /* of a thread, requests a second; 0: closed loop */
	uint64_t timeout;      /* of a request, from its start, ns */
	unsigned long seed;    /* of the open loop's arrivals */
	uint64_t count_from;
	_Atomic uint64_t count_until;
	_Atomic uint64_t mark_from, mark_until; /* a part of the time that is looked at apart */
};

struct client {
	pthread_t thread;
	const struct load *load;
	unsigned cpu;
	int ep, timer;
	struct request *requests;          /* the slots */
	struct request *unused;            /* of them, linked by next */
	struct request under_way;          /* list head, the earliest start next */
	struct drand48_data random;
	double due;                        /* open loop: of the next request */
	bool waiting;                      /* ... which is due, but there is no slot for it */
	uint64_t held_back;                /* requests that were due while all slots were in use */
	uint64_t unstarted;                /* ... and were not started at all */
	uint64_t outcome[OUTCOMES];
	uint64_t marked_ok;
	struct histogram latency, blocked; /* of requests that are OK; those apart that were slow on purpose */
};

/* The argument is a struct client with thread, load and cpu set, and nothing else. */
void *client_main(void *arg);

#endif
