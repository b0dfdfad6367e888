/*
 * The listener is in an epoll instance that is in another one (libuv inside GLib,
 * for one), which is waited for with poll() or epoll_wait(). Promised: the outer
 * instance wakes up for connections of every CPU, and only for them.
 */
#define _GNU_SOURCE
#include "harness.h"

static void serve(int lfd, unsigned worker)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = 1 };
	int inner = H_OK(epoll_create1(0)), outer = H_OK(epoll_create1(0));

	H_OK(epoll_ctl(inner, EPOLL_CTL_ADD, lfd, &ev));
	ev.data.u64 = 2;
	H_OK(epoll_ctl(outer, EPOLL_CTL_ADD, inner, &ev));
	for (unsigned turn = 0;; turn++) {
		struct pollfd p = { .fd = outer, .events = POLLIN };
		int conn;

		if (turn % 2 ? poll(&p, 1, -1) != 1 : epoll_wait(outer, &ev, 1, -1) != 1)
			continue;
		if (turn % 2)
			H_CHECK(p.revents == POLLIN);
		else
			H_CHECK(ev.data.u64 == 2 && ev.events == EPOLLIN);
		/* Another worker may have been quicker. */
		if (epoll_wait(inner, &ev, 1, 0) != 1)
			continue;
		H_CHECK(ev.data.u64 == 1 && ev.events == EPOLLIN);
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

	h_prefork(2, lfd, serve);
	h_shape(lfd);
}

const struct h_story h_story = { .expect = H_LOCAL, .run = run };
