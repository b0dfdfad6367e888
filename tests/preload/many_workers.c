/*
 * More workers than CPUs: five processes on two. Promised: every CPU's connections
 * are served by the workers that share it.
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
		else
			H_CHECK(errno == EAGAIN);
	}
}

static void run(void)
{
	int lfd = h_listener(SOCK_NONBLOCK);
	struct h_result res;

	h_prefork(5, lfd, serve);
	/* Who was not woken yet still waits for the global listener, and is sent a few connections there. */
	h_warm_up(lfd);
	for (unsigned i = 0; i < 3; i++)
		h_load_on(AF_INET, h_port(lfd), 200, 16, &res);
	h_shape(lfd);
}

const struct h_story h_story = { .expect = H_LOCAL, .run = run };
