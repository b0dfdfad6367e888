/* FASTSOCK_PIN=off. Promised: workers get cores, connections are steered, and no affinity is changed. */
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
	uint64_t before[H_CPUS];
	struct h_result res;
	bool local = true;
	int lfd;

	fewest = mmap(NULL, sizeof(*fewest), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	H_CHECK(fewest != MAP_FAILED);
	*fewest = CPU_SETSIZE;
	lfd = h_listener(SOCK_NONBLOCK);
	h_prefork(2, lfd, serve);
	h_warm_up(lfd);
	for (unsigned i = 0; i < H_CPUS; i++)
		before[i] = h_local_accepts(lfd, h_cpu[i], NULL);
	h_load(h_port(lfd), 200, &res);
	h_say("%u and %u of %u answered", res.answered[0], res.answered[1], res.asked);
	h_report_state(lfd);
	for (unsigned i = 0; i < H_CPUS; i++)
		local &= h_local_accepts(lfd, h_cpu[i], NULL) - before[i] >= 198;
	if (local)
		h_report("accepted where it arrived");
	h_say("workers may run on %d CPUs", *fewest);
}

const struct h_story h_story = { .env = "FASTSOCK_PIN=off\n", .expect = "active\naccepted where it arrived\n", .run = run };
