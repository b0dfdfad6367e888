/*
 * More workers than CPUs. One was never woken since it started: it is still inside its
 * first wait when both others get stuck. Promised: it answers, as it does without us.
 */
#define _GNU_SOURCE
#include "serve.h"

static void run(void)
{
	struct h_stuck s[2];
	unsigned first;
	int lfd;

	h_serve_as(H_LOOP_EPOLL);
	lfd = h_serve_listener();
	h_prefork(3, lfd, h_serve);
	/* All of them wait before the first connection: the group becomes active with the second one. */
	h_sleep_ms(100);
	h_warm_up(lfd);
	h_all_local(lfd);
	for (unsigned i = 0; i < 2; i++)
		s[i] = h_stick(h_port(lfd), i, H_STICK_BLOCK);
	first = 3 - s[0].worker - s[1].worker;
	h_say("two of three are stuck: %s", h_all_by(h_port(lfd), first) ? "the third one answers" : "not all answered");
	for (unsigned i = 0; i < 2; i++)
		h_unstick(s[i]);
	h_report_state(lfd);
}

const struct h_story h_story = { .env = "FASTSOCK_STEAL=on\n", .expect = "active\n", .run = run };
