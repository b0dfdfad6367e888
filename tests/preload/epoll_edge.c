/*
 * Edge-triggered, and one-shot with re-arming, in two workers each. Promised: no
 * connection is left lying, and each worker is fed by its CPU.
 */
#define _GNU_SOURCE
#include "harness.h"

static uint32_t mode;

static void serve(int lfd, unsigned worker)
{
	struct epoll_event ev = { .events = EPOLLIN | mode };
	int ep = H_OK(epoll_create1(0));

	H_OK(epoll_ctl(ep, EPOLL_CTL_ADD, lfd, &ev));
	for (;;) {
		int conn;

		if (epoll_wait(ep, &ev, 1, -1) != 1)
			continue;
		H_CHECK(ev.events == EPOLLIN);
		while ((conn = accept(lfd, NULL, NULL)) >= 0)
			h_answer(conn, worker);
		H_CHECK(errno == EAGAIN);
		ev.events = EPOLLIN | mode;
		if (mode & EPOLLONESHOT)
			H_OK(epoll_ctl(ep, EPOLL_CTL_MOD, lfd, &ev));
	}
}

static void run(void)
{
	static const uint32_t modes[] = { EPOLLET, EPOLLET | EPOLLEXCLUSIVE, EPOLLONESHOT, EPOLLET | EPOLLONESHOT };

	for (unsigned i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		int lfd = h_listener(SOCK_NONBLOCK);

		mode = modes[i];
		h_prefork(2, lfd, serve);
		h_shape(lfd);
		h_end_workers();
		H_OK(close(lfd));
	}
}

const struct h_story h_story = { .expect = H_LOCAL H_LOCAL H_LOCAL H_LOCAL, .run = run };
