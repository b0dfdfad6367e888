/*
 * The story that stuck_*.c tell of their shapes: a worker is stuck with a connection,
 * asleep or computing. Promised: until it is let go, the connections of its CPU are
 * answered by the other one; afterwards they are its own again.
 */
#ifndef STUCK_H
#define STUCK_H

#include "serve.h"

/* Steering passes its CPU by: what comes later has not to be stolen. */
static inline bool passed_by(void *lfd)
{
	uint64_t stolen = h_counts().stolen;
	struct h_result res;

	h_load(h_port(*(int *)lfd), 20, &res);
	return h_counts().stolen == stolen;
}

static inline void stuck_once(int lfd, unsigned client, enum h_stick how)
{
	struct h_counts before = h_counts(), after;
	struct h_stuck s = h_stick(h_port(lfd), client, how);
	int fd[3];
	bool all = true;

	/* These may have come before anybody noticed. */
	for (unsigned i = 0; i < 3; i++)
		fd[i] = h_connect_from(client, h_port(lfd));
	for (unsigned i = 0; i < 3; i++)
		all &= h_answered_by(fd[i]) == !s.worker;
	h_say("  queued: %s", all ? "answered by the other one" : "not answered by the other one");
	h_say("  later: %s", h_all_by(h_port(lfd), !s.worker) ? "answered by the other one" : "not answered by the other one");
	h_say("  meanwhile: %s", h_worker[s.worker].stuck ? "stuck" : "not stuck");
	after = h_counts();
	if (after.rescued > before.rescued && after.stolen - before.stolen >= after.rescued - before.rescued)
		h_report("rescued");
	if (h_present() && h_until(passed_by, &lfd))
		h_report("passed by");
	h_unstick(s);
	if (h_all_local(lfd))
		h_report("its own again");
}

#define STUCK_ONCE "rescued\npassed by\nits own again\n"

static inline void stuck_in(enum h_loop loop, void (*start)(unsigned n, int lfd, void (*fn)(int, unsigned)))
{
	int lfd;

	h_serve_as(loop);
	lfd = h_serve_listener();
	start(2, lfd, h_serve);
	h_warm_up(lfd);
	h_all_local(lfd);
	h_report_state(lfd);
	for (unsigned client = 0; client < H_CPUS; client++) {
		h_say("a worker sleeps");
		stuck_once(lfd, client, H_STICK_BLOCK);
		h_say("a worker computes");
		stuck_once(lfd, client, H_STICK_COMPUTE);
	}
	/* Threads go on. */
	if (start != h_prefork)
		return;
	h_end_workers();
	H_OK(close(lfd));
}

#define STUCK_IN "active\n" STUCK_ONCE STUCK_ONCE STUCK_ONCE STUCK_ONCE

#endif
