/*
 * A program that sets SO_REUSEPORT, for rolling restarts say, but has one
 * socket that all workers share. Promised: it is fanned out like any other.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <arpa/inet.h>

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
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int lfd = H_OK(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
	int one = 1;

	H_OK(setsockopt(lfd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)));
	H_OK(bind(lfd, (struct sockaddr *)&sin, sizeof(sin)));
	H_OK(listen(lfd, 511));
	h_prefork(2, lfd, serve);
	h_shape(lfd);
}

const struct h_story h_story = { .expect = H_LOCAL, .run = run };
