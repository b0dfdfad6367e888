/*
 * What happens to the simulated machine: connections that arrive, and workers that are
 * stopped or killed, in the order of time. Read from a file, or made by a scenario with
 * a random generator of its own, the same on every machine.
 *
 * A file has a line for each: TIME_US CPU SERVICE_US KIND. CPU is the one on which the
 * connection's packets arrive. KIND is one of
 *
 *	short  the worker computes for SERVICE_US
 *	block  the worker sleeps in the kernel for SERVICE_US
 *	long   the worker computes for SERVICE_US, and the connection stays open
 *	stop   not a connection: the worker of that CPU is stopped for SERVICE_US
 *	kill   ... is killed
 *
 * Empty lines and what follows a # are ignored.
 */
#ifndef SIM_TRACE_H
#define SIM_TRACE_H

#include <stdint.h>

enum sim_kind { SIM_SHORT, SIM_BLOCK, SIM_LONG, SIM_STOP, SIM_KILL, SIM_KINDS };

struct sim_entry {
	uint64_t at;      /* us */
	uint32_t service; /* us */
	uint16_t cpu;
	uint16_t group;   /* flow group */
	enum sim_kind kind;
};

struct sim_trace {
	struct sim_entry *at;
	unsigned count, room;
	uint64_t random;
};

/* Exits with a message when the file cannot be read or a line makes no sense. */
void sim_trace_read(struct sim_trace *t, const char *path, unsigned ncpus);
void sim_trace_start(struct sim_trace *t, uint64_t seed);
void sim_trace_free(struct sim_trace *t);

void sim_trace_add(struct sim_trace *t, uint64_t at, unsigned cpu, uint32_t service, enum sim_kind kind);
/*
 * Connections from `from` to `to` (us), `rate` a second, with exponential gaps and
 * exponential service times of `service` us on the mean. They arrive on CPUs
 * 0 .. ncpus-1 alike. One in `every` blocks for `block` us instead (0: none).
 */
void sim_trace_poisson(struct sim_trace *t, uint64_t from, uint64_t to, double rate, unsigned ncpus, uint32_t service,
		       unsigned every, uint32_t block);
/* By time; entries of the same time stay in their order. */
void sim_trace_sort(struct sim_trace *t);

#endif
