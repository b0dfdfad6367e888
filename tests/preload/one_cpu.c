/*
 * A process that may run on one CPU only (taskset, a small container). Promised:
 * nothing to fan out, it is left alone.
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

	h_prefork(2, lfd, serve);
	h_shape(lfd);
	h_report("%zu cores", h_cores(lfd));
}

const struct h_story h_story = { .expect = H_ALONE "0 cores\n", .one_cpu = true, .run = run };
