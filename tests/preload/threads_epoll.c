/*
 * HAProxy's shape (nbthread): threads of one process, an epoll instance each,
 * all on one listener. Promised: every thread is fed by the CPU that it owns.
 */
#define _GNU_SOURCE
#include "harness.h"

static void serve(int lfd, unsigned worker)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = lfd };
	int ep = H_OK(epoll_create1(EPOLL_CLOEXEC));

	H_OK(epoll_ctl(ep, EPOLL_CTL_ADD, lfd, &ev));
	for (;;) {
		int conn;

		if (epoll_wait(ep, &ev, 1, -1) != 1)
			continue;
		H_CHECK(ev.data.fd == lfd);
		while ((conn = accept4(lfd, NULL, NULL, SOCK_CLOEXEC)) >= 0)
			h_answer(conn, worker);
		H_CHECK(errno == EAGAIN);
	}
}

static void run(void)
{
	int lfd = h_listener(SOCK_NONBLOCK);

	h_threads(2, lfd, serve);
	h_shape(lfd);
}

const struct h_story h_story = { .expect = H_LOCAL, .run = run };
