/*
 * Two processes, each with an epoll instance that two threads wait on, as one worker.
 * Promised: while one thread is stuck the other one serves; when both are, the other
 * process does; and afterwards each serves its own again.
 */
#define _GNU_SOURCE
#include "serve.h"

static unsigned answered(int lfd)
{
	struct h_result res;

	h_load(h_port(lfd), 20, &res);
	return res.answered[0] + res.answered[1];
}

static void run(void)
{
	int lfd;

	h_serve_as(H_LOOP_SHARED);
	lfd = h_serve_listener();
	h_prefork(2, lfd, h_serve);
	h_warm_up(lfd);
	for (unsigned client = 0; client < H_CPUS; client++) {
		for (enum h_stick how = H_STICK_BLOCK; how <= H_STICK_COMPUTE; how++) {
			struct h_stuck first = h_stick(h_port(lfd), client, how), s[4];
			unsigned n = 1;

			s[0] = first;
			h_say("one thread is stuck: %u of 40 answered", answered(lfd));
			/* Until both of a process are. */
			while (h_worker[0].stuck < 2 && h_worker[1].stuck < 2)
				s[n++] = h_stick(h_port(lfd), client, how);
			h_say("both threads are stuck: %u of 40 answered", answered(lfd));
			for (unsigned i = 0; i < n; i++)
				h_release(s[i].worker);
			for (unsigned i = 0; i < n; i++)
				H_CHECK(h_answered_by(s[i].fd) == s[i].worker);
			h_say("free again: %u of 40 answered", answered(lfd));
		}
	}
	h_report_state(lfd);
}

const struct h_story h_story = { .env = "FASTSOCK_STEAL=on\n", .expect = "active\n", .run = run };
