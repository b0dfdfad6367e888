/*
 * FASTSOCK_PIN=app, and the application pins nobody. Promised: there are no cores
 * to give out: nothing is changed.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <sys/mman.h>

static int *fewest;

static void serve(int lfd, unsigned worker)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = H_OK(epoll_create1(0));

	H_OK(epoll_ctl(ep, EPOLL_CTL_ADD, lfd, &ev));
	for (;;) {
		cpu_set_t may;
		int conn;

		if (epoll_wait(ep, &ev, 1, -1) != 1)
			continue;
		H_OK(sched_getaffinity(0, sizeof(may), &may));
		if (CPU_COUNT(&may) < *fewest)
			*fewest = CPU_COUNT(&may);
		while ((conn = accept(lfd, NULL, NULL)) >= 0)
			h_answer(conn, worker);
	}
}

static void run(void)
{
	int lfd;

	fewest = mmap(NULL, sizeof(*fewest), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	H_CHECK(fewest != MAP_FAILED);
	*fewest = CPU_SETSIZE;
	lfd = h_listener(SOCK_NONBLOCK);
	h_prefork(2, lfd, serve);
	h_shape(lfd);
	h_say("workers may run on %d CPUs", *fewest);
}

const struct h_story h_story = { .env = "FASTSOCK_PIN=app\n", .expect = H_ALONE, .run = run };
