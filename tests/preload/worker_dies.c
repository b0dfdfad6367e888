/*
 * Two workers, then one is killed: fewer workers than CPUs. Promised: the
 * connections that arrive on the dead worker's CPU are served by the other one.
 */
#define _GNU_SOURCE
#include "harness.h"

static void serve(int lfd, unsigned worker)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLEXCLUSIVE };
	int ep = H_OK(epoll_create1(0));

	H_OK(epoll_ctl(ep, EPOLL_CTL_ADD, lfd, &ev));
	for (;;) {
		int conn;

		if (epoll_wait(ep, &ev, 1, -1) != 1)
			continue;
		conn = accept(lfd, NULL, NULL);
		if (conn >= 0)
			h_answer(conn, worker);
	}
}

static pid_t start(int lfd, unsigned worker)
{
	pid_t pid = h_fork();

	if (pid == 0)
		serve(lfd, worker);
	return pid;
}

static void run(void)
{
	int lfd = h_listener(SOCK_NONBLOCK);
	struct h_result res;
	pid_t second;

	start(lfd, 0);
	second = start(lfd, 1);
	h_warm_up(lfd);
	h_report_state(lfd);
	H_OK(kill(second, SIGKILL));
	for (unsigned round = 0; round < 5; round++) {
		h_load(h_port(lfd), 50, &res);
		h_say("one worker: %u and %u of %u answered", res.answered[0], res.answered[1], res.asked);
	}
}

const struct h_story h_story = { .expect = "active\n", .run = run };
