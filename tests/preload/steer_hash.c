/*
 * FASTSOCK_STEER=hash. Promised: local listeners, taken by a hash of the client:
 * every client is served by both workers.
 */
#define _GNU_SOURCE
#include "harness.h"

static void serve(int lfd, unsigned worker)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = H_OK(epoll_create1(0));

	H_OK(epoll_ctl(ep, EPOLL_CTL_ADD, lfd, &ev));
	for (;;) {
		int conn;

		if (epoll_wait(ep, &ev, 1, -1) != 1)
			continue;
		while ((conn = accept(lfd, NULL, NULL)) >= 0)
			h_answer(conn, worker);
	}
}

static void run(void)
{
	int lfd = h_listener(SOCK_NONBLOCK);
	struct h_result res;
	bool spread = true;

	h_prefork(2, lfd, serve);
	h_warm_up(lfd);
	h_load(h_port(lfd), 200, &res);
	h_say("%u and %u of %u answered", res.answered[0], res.answered[1], res.asked);
	h_report_state(lfd);
	if (h_local_accepts(lfd, h_cpu[0], NULL) && h_local_accepts(lfd, h_cpu[1], NULL))
		h_report("local listener on every CPU");
	/* A fair coin tossed 200 times does not show one side less than 20 times. */
	for (unsigned c = 0; c < H_CPUS; c++)
		spread &= res.by_worker[c][0] >= 20 && res.by_worker[c][1] >= 20;
	if (spread)
		h_report("spread");
}

const struct h_story h_story = { .env = "FASTSOCK_STEER=hash\n", .expect = "active\nlocal listener on every CPU\nspread\n", .run = run };
