/*
 * Connections that came before there were two workers wait at the global listener, and
 * so many have come to the local ones since that these are never empty. Promised:
 * those who came first are not last.
 */
#define _GNU_SOURCE
#include "serve.h"

#include <sys/mman.h>

#define EARLY 2
#define LATER 150
/* A worker looks at the global listener in every 64th accept(). */
#define LOOKED_AT 130

static struct {
	_Atomic unsigned ready;
	_Atomic unsigned may[H_CPUS]; /* accept so many */
	_Atomic unsigned accepted[H_CPUS];
} *shared;

static void serve(int lfd, unsigned worker)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = H_OK(epoll_create1(0));

	H_OK(epoll_ctl(ep, EPOLL_CTL_ADD, lfd, &ev));
	/* Does not accept yet. Once the group is active, one wait is enough. */
	for (bool active = !h_present();; active = h_active()) {
		H_OK(epoll_wait(ep, &ev, 1, 0));
		if (active)
			break;
		h_sleep_ms(1);
	}
	shared->ready++;
	for (;;) {
		if (epoll_wait(ep, &ev, 1, 5) != 1 || shared->accepted[worker] >= shared->may[worker]) {
			h_sleep_ms(1);
			continue;
		}
		while (shared->accepted[worker] < shared->may[worker] && accept(lfd, NULL, NULL) >= 0)
			shared->accepted[worker]++;
	}
}

static bool both_ready(void *unused)
{
	(void)unused;
	return shared->ready == H_CPUS;
}

static bool accepted(void *all)
{
	return shared->accepted[0] + shared->accepted[1] == *(unsigned *)all;
}

static void run(void)
{
	int lfd = h_listener(SOCK_NONBLOCK);
	unsigned first = LOOKED_AT, all = EARLY + H_CPUS * LATER;
	uint64_t before, global;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	H_CHECK(shared != MAP_FAILED);
	for (unsigned i = 0; i < EARLY; i++)
		h_connect_from(i % H_CPUS, h_port(lfd));
	h_prefork(H_CPUS, lfd, serve);
	H_CHECK(h_until(both_ready, NULL));
	for (unsigned i = 0; i < H_CPUS * LATER; i++)
		h_connect_from(i % H_CPUS, h_port(lfd));
	shared->may[0] = first;
	H_CHECK(h_until(accepted, &first));
	before = 0;
	for (unsigned c = 0; c < H_CPUS; c++) {
		h_local_accepts(lfd, h_cpu[c], &global);
		before += global;
	}
	h_report("of the first %u, %u are from the global listener", first, (unsigned)before);
	shared->may[0] = shared->may[1] = all;
	H_CHECK(h_until(accepted, &all));
	h_say("%u accepted", all);
	h_report(h_active() ? "active" : "inactive");
}

const struct h_story h_story = {
	.env = "FASTSOCK_STEAL=off\n",
	.expect = "of the first 130, 2 are from the global listener\nactive\n",
	.run = run,
};
