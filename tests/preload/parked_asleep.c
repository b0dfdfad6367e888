/*
 * A worker takes the listener out of its epoll instance and goes to sleep, for
 * something else; the other one sleeps already. Promised: the other one is woken for
 * the connections of both CPUs, with stealing on and off; and once the first one has put
 * the listener back, they are its own again.
 */
#define _GNU_SOURCE
#include "serve.h"

#include <sys/mman.h>

static struct {
	_Atomic int is_out;
} *shared;
static int bell[2][2];

static void serve(int lfd, unsigned worker)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = lfd }, other = { .events = EPOLLIN, .data.fd = bell[worker][0] };
	int ep = H_OK(epoll_create1(0));
	bool in = true;
	char c;

	H_OK(epoll_ctl(ep, EPOLL_CTL_ADD, lfd, &ev));
	H_OK(epoll_ctl(ep, EPOLL_CTL_ADD, bell[worker][0], &other));
	for (;;) {
		struct epoll_event got;
		int conn;

		H_CHECK(epoll_wait(ep, &got, 1, -1) == 1);
		if (got.data.fd == lfd) {
			H_CHECK(in);
			conn = accept(lfd, NULL, NULL);
			if (conn >= 0)
				h_answer(conn, worker);
			continue;
		}
		H_CHECK(read(bell[worker][0], &c, 1) == 1);
		H_OK(epoll_ctl(ep, in ? EPOLL_CTL_DEL : EPOLL_CTL_ADD, lfd, &ev));
		in = !in;
		shared->is_out = in ? 0 : (int)worker + 1;
	}
}

static bool is_out(void *worker)
{
	return shared->is_out == *(int *)worker;
}

static void ring(unsigned worker, int expect)
{
	H_CHECK(write(bell[worker][1], "x", 1) == 1);
	H_CHECK(h_until(is_out, &expect));
	/* It says so just before it waits. */
	h_sleep_ms(20);
}

static void run(void)
{
	int lfd = h_listener(SOCK_NONBLOCK);

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	H_CHECK(shared != MAP_FAILED);
	for (unsigned i = 0; i < 2; i++)
		H_OK(pipe(bell[i]));
	h_prefork(2, lfd, serve);
	h_warm_up(lfd);
	h_all_local(lfd);
	for (unsigned round = 0; round < 6; round++) {
		unsigned w = round % 2;

		ring(w, (int)w + 1);
		h_say("parked: %s", h_all_by(h_port(lfd), !w) ? "the other one answers" : "not all answered by the other one");
		h_sleep_ms(50);
		h_say("idle for a while: %s", h_all_by(h_port(lfd), !w) ? "the other one answers" : "not all answered by the other one");
		ring(w, 0);
		H_CHECK(h_all_local(lfd));
	}
	h_report(h_active() ? "active" : "inactive");
}

const struct h_story h_story = { .expect = "active\n", .run = run };
