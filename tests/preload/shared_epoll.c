/*
 * One epoll instance, several threads in epoll_wait() on it, the listener in it
 * once. A local listener cannot be given to one of them alone. Promised: everybody
 * is served, by the group or without it, and no event is invented.
 */
#define _GNU_SOURCE
#include "harness.h"

static int ep;

static void serve(int lfd, unsigned worker)
{
	for (;;) {
		struct epoll_event got;
		int conn;

		if (epoll_wait(ep, &got, 1, -1) != 1)
			continue;
		H_CHECK(got.data.fd == lfd && got.events == EPOLLIN);
		while ((conn = accept(lfd, NULL, NULL)) >= 0)
			h_answer(conn, worker);
		H_CHECK(errno == EAGAIN);
	}
}

static void run(void)
{
	int lfd = h_listener(SOCK_NONBLOCK);
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = lfd };

	ep = H_OK(epoll_create1(0));
	H_OK(epoll_ctl(ep, EPOLL_CTL_ADD, lfd, &ev));
	h_threads(2, lfd, serve);
	h_shape(lfd);
}

const struct h_story h_story = { .expect = H_ALONE, .run = run };
