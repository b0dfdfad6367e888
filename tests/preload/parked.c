/*
 * Workers that take turns: who does not have the turn has the listener out of its
 * epoll instance (accept_mutex), or does not wait at all. With local listeners
 * alone, the CPU of a worker without the turn would never be served. Promised:
 * whoever has the turn serves all.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <sys/mman.h>

static _Atomic unsigned *turn;

static void serve(int lfd, unsigned worker)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = H_OK(epoll_create1(0));
	bool in = false;

	for (;;) {
		int conn;

		if (!in && *turn == worker) {
			H_OK(epoll_ctl(ep, EPOLL_CTL_ADD, lfd, &ev));
			in = true;
		} else if (in && *turn != worker) {
			H_OK(epoll_ctl(ep, EPOLL_CTL_DEL, lfd, &ev));
			in = false;
		}
		if (epoll_wait(ep, &ev, 1, 2) != 1)
			continue;
		H_CHECK(in);
		while ((conn = accept(lfd, NULL, NULL)) >= 0)
			h_answer(conn, worker);
	}
}

static void run(void)
{
	int lfd = h_listener(SOCK_NONBLOCK);
	struct h_result res;
	bool active = false;

	turn = mmap(NULL, sizeof(*turn), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	H_CHECK(turn != MAP_FAILED);
	h_prefork(2, lfd, serve);
	for (unsigned i = 0; i < 60; i++) {
		*turn = i % 2;
		h_load(h_port(lfd), 20, &res);
		h_say("%u and %u of %u answered", res.answered[0], res.answered[1], res.asked);
		active |= h_active();
	}
	if (active)
		h_report("active");
}

const struct h_story h_story = { .expect = "active\n", .run = run };
