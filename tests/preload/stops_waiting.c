/*
 * A worker stops waiting for its listener, but does not take it out: it asks for no
 * input, or does not arm it again, or leaves it out of poll()'s set; and later it
 * wants it again. Promised: meanwhile the other worker serves its CPU, and
 * afterwards it does so itself.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <sys/mman.h>

enum way { NO_INPUT, ONE_SHOT, LEFT_OUT };

static struct {
	_Atomic int stop;
	_Atomic int stopped;
} *shared;
static enum way way;

static void wait_with_poll(int lfd, unsigned worker)
{
	int p[2];

	H_OK(pipe(p));
	for (;;) {
		int stop = worker == 0 && shared->stop, conn;
		struct pollfd fds[2] = { { .fd = p[0], .events = POLLIN }, { .fd = lfd, .events = POLLIN } };
		int n = poll(fds, stop ? 1 : 2, 2);

		if (worker == 0)
			shared->stopped = stop;
		if (n > 0 && (conn = accept(lfd, NULL, NULL)) >= 0)
			h_answer(conn, worker);
	}
}

static void wait_with_epoll(int lfd, unsigned worker)
{
	const uint32_t in = EPOLLIN | (way == ONE_SHOT ? EPOLLONESHOT : 0);
	struct epoll_event want = { .events = in }, got;
	int ep = H_OK(epoll_create1(0));
	bool waits = true;

	H_OK(epoll_ctl(ep, EPOLL_CTL_ADD, lfd, &want));
	for (;;) {
		bool stop = worker == 0 && shared->stop;
		int conn, n;

		if (waits == stop && (way == NO_INPUT || !stop)) {
			want.events = stop ? 0 : in;
			H_OK(epoll_ctl(ep, EPOLL_CTL_MOD, lfd, &want));
			waits = !stop;
		}
		n = epoll_wait(ep, &got, 1, 2);
		if (worker == 0)
			shared->stopped = !waits;
		if (n != 1)
			continue;
		H_CHECK(waits);
		if ((conn = accept(lfd, NULL, NULL)) >= 0)
			h_answer(conn, worker);
		if (way == ONE_SHOT && stop)
			waits = false;
		else if (way == ONE_SHOT)
			H_OK(epoll_ctl(ep, EPOLL_CTL_MOD, lfd, &want));
	}
}

static void serve(int lfd, unsigned worker)
{
	h_pin(h_cpu[worker]);
	(way == LEFT_OUT ? wait_with_poll : wait_with_epoll)(lfd, worker);
}

static void stop_and_go(const char *name)
{
	int lfd = h_listener(SOCK_NONBLOCK);
	struct h_result res;
	bool local = false;

	h_prefork(2, lfd, serve);
	h_warm_up(lfd);
	h_report("%s: %s", name, h_active() ? "active" : "inactive");
	shared->stop = 1;
	/* A one-shot one stops with the next connection. */
	for (unsigned i = 0; i < 100 && !shared->stopped; i++) {
		h_load(h_port(lfd), 2, &res);
		h_sleep_ms(5);
	}
	for (unsigned i = 0; i < 3; i++) {
		h_load(h_port(lfd), 20, &res);
		h_say("%s, stopped: %u and %u of %u answered", name, res.answered[0], res.answered[1], res.asked);
		if (h_present() && res.by_worker[0][1] != res.asked)
			h_report("stopped, but answered %u", res.by_worker[0][0]);
	}
	shared->stop = 0;
	for (unsigned i = 0; i < 200 && !local; i++) {
		h_load(h_port(lfd), 20, &res);
		H_CHECK(res.answered[0] == 20 && res.answered[1] == 20);
		local = !h_present() || (res.by_worker[0][0] == 20 && res.by_worker[1][1] == 20);
	}
	h_report("%s", local ? "local again" : "never again");
	h_end_workers();
	H_OK(close(lfd));
}

static void run(void)
{
	static const char *const names[] = { "no input", "one-shot", "left out" };

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	H_CHECK(shared != MAP_FAILED);
	for (way = NO_INPUT; way <= LEFT_OUT; way++)
		stop_and_go(names[way]);
}

const struct h_story h_story = {
	.expect = "no input: active\nlocal again\none-shot: active\nlocal again\nleft out: active\nlocal again\n",
	.run = run,
};
