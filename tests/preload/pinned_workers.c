/*
 * Workers that pin themselves (worker_cpu_affinity), the other way round than by
 * number. Promised: every worker gets the core of the CPU that it is pinned to
 * already.
 */
#define _GNU_SOURCE
#include "harness.h"

static void serve(int lfd, unsigned worker)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = H_OK(epoll_create1(0));

	h_pin(h_cpu[1 - worker]);
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

	h_prefork(2, lfd, serve);
	h_shape(lfd);
	h_load(h_port(lfd), 100, &res);
	if (res.by_worker[0][1] >= 99 && res.by_worker[1][0] >= 99)
		h_report("each worker has the CPU that it chose");
}

const struct h_story h_story = {
	.env = "FASTSOCK_CPUS=%0,%1\n",
	.expect = H_LOCAL "each worker has the CPU that it chose\n",
	.run = run,
};
