/*
 * Two processes, each with one epoll instance that two threads wait on. Promised:
 * active, everybody is answered, and the threads that share an instance are not
 * bound to one CPU: they could not run side by side.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <sys/mman.h>

static struct {
	_Atomic unsigned looked; /* one bit a thread */
	_Atomic unsigned bound;
} *shared;
static int ep;
static unsigned process;

static void serve(int lfd, unsigned thread)
{
	const unsigned self = 1U << (process * 2 + thread);
	cpu_set_t before, now;

	H_OK(sched_getaffinity(0, sizeof(before), &before));
	if (thread == 1)
		h_sleep_ms(200);
	for (unsigned i = 0;; i++) {
		struct epoll_event ev;
		/* The second one comes and comes again while the first one is inside. */
		int n = epoll_wait(ep, &ev, 1, thread == 0 ? 20 : i < 2 ? 0 : 5), conn;

		while (n == 1 && (conn = accept(lfd, NULL, NULL)) >= 0)
			h_answer(conn, process * 2 + thread);
		H_OK(sched_getaffinity(0, sizeof(now), &now));
		if (CPU_EQUAL(&before, &now))
			shared->bound &= ~self;
		else
			shared->bound |= self;
		shared->looked |= self;
	}
}

static void start(int lfd, unsigned worker)
{
	struct epoll_event ev = { .events = EPOLLIN };

	process = worker;
	ep = H_OK(epoll_create1(0));
	H_OK(epoll_ctl(ep, EPOLL_CTL_ADD, lfd, &ev));
	h_threads(2, lfd, serve);
	for (;;)
		pause();
}

static bool all_looked(void *arg)
{
	(void)arg;
	return shared->looked == 0xf;
}

static bool none_bound(void *arg)
{
	(void)arg;
	return shared->bound == 0;
}

static void run(void)
{
	int lfd = h_listener(SOCK_NONBLOCK);
	struct h_result res;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	H_CHECK(shared != MAP_FAILED);
	h_prefork(2, lfd, start);
	h_warm_up(lfd);
	for (unsigned i = 0; i < 10; i++) {
		h_load_on(AF_INET, h_port(lfd), 50, 1 + i, &res);
		h_say("%u and %u of %u answered", res.answered[0], res.answered[1], res.asked);
	}
	H_CHECK(h_until(all_looked, NULL));
	h_say("threads are bound: %s", h_until(none_bound, NULL) ? "no" : "yes");
	h_report_state(lfd);
}

const struct h_story h_story = { .expect = "active\n", .run = run };
