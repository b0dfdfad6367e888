/*
 * redis' shape: one process, one thread that takes connections, others that do
 * something else. Promised: nothing changes. No local listener takes anything and
 * the thread may run wherever it could.
 */
#define _GNU_SOURCE
#include "harness.h"

static cpu_set_t seen;

static void serve(int lfd, unsigned worker)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = lfd };
	int ep = H_OK(epoll_create1(0));

	H_OK(epoll_ctl(ep, EPOLL_CTL_ADD, lfd, &ev));
	for (;;) {
		int conn;

		if (epoll_wait(ep, &ev, 1, -1) != 1)
			continue;
		H_OK(sched_getaffinity(0, sizeof(seen), &seen));
		while ((conn = accept(lfd, NULL, NULL)) >= 0)
			h_answer(conn, worker);
	}
}

static void idle(int lfd, unsigned worker)
{
	(void)lfd;
	(void)worker;
	for (;;)
		pause();
}

static void run(void)
{
	int lfd = h_listener(SOCK_NONBLOCK);

	h_threads(2, lfd, idle);
	h_threads(1, lfd, serve);
	h_shape(lfd);
	h_say("may run on %d CPUs", CPU_COUNT(&seen));
}

const struct h_story h_story = { .expect = H_ALONE, .run = run };
