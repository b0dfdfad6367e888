/* FASTSOCK_STEER=off. Promised: listeners are left as they are. */
#define _GNU_SOURCE
#include "harness.h"

#include <sys/syscall.h>

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
	socklen_t len = sizeof(int);
	int lfd, reuseport = -1;

	fewest = mmap(NULL, sizeof(*fewest), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	H_CHECK(fewest != MAP_FAILED);
	*fewest = CPU_SETSIZE;
	lfd = h_listener(SOCK_NONBLOCK);
	/* The kernel's word, not what the hook tells. */
	H_OK((int)syscall(SYS_getsockopt, lfd, SOL_SOCKET, SO_REUSEPORT, &reuseport, &len));
	h_say("SO_REUSEPORT is %d", reuseport);
	h_prefork(2, lfd, serve);
	h_shape(lfd);
	h_say("workers may run on %d CPUs", *fewest);
}

const struct h_story h_story = { .env = "FASTSOCK_STEER=off\n", .expect = H_ALONE, .run = run };
