/*
 * nginx's shape: the master listens, its workers wait with epoll instances of their
 * own, exclusively, take one connection a wake-up, and take the listener out and
 * put it back every 16 connections. Promised: every worker is fed by the CPU that
 * it owns.
 */
#define _GNU_SOURCE
#include "harness.h"

static void serve(int lfd, unsigned worker)
{
	struct epoll_event want = { .events = EPOLLIN | EPOLLEXCLUSIVE, .data.u64 = 0xfeedface00c0ffeeULL };
	struct epoll_event got[8];
	int ep = H_OK(epoll_create1(EPOLL_CLOEXEC));
	unsigned taken = 0;

	H_OK(epoll_ctl(ep, EPOLL_CTL_ADD, lfd, &want));
	for (;;) {
		int n = epoll_wait(ep, got, 8, -1);

		for (int i = 0; i < n; i++) {
			int conn;

			H_CHECK(got[i].data.u64 == want.data.u64);
			H_CHECK(got[i].events == EPOLLIN);
			conn = accept4(lfd, NULL, NULL, SOCK_NONBLOCK);
			if (conn < 0) {
				H_CHECK(errno == EAGAIN);
				continue;
			}
			h_answer(conn, worker);
			if (++taken % 16)
				continue;
			H_OK(epoll_ctl(ep, EPOLL_CTL_DEL, lfd, &want));
			H_OK(epoll_ctl(ep, EPOLL_CTL_ADD, lfd, &want));
		}
	}
}

static void run(void)
{
	int lfd = h_listener(SOCK_NONBLOCK);

	h_prefork(2, lfd, serve);
	h_shape(lfd);
}

const struct h_story h_story = { .expect = H_LOCAL, .run = run };
