/*
 * Two thousand connections that stay open, all from one CPU. Promised: with
 * FASTSOCK_BALANCE=on they are spread over the workers; with off, all are at that CPU's.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <sys/resource.h>

#define CONNECTIONS 2000
/* So many, then a millisecond's rest: 10,000 in two seconds or so. */
#define AT_ONCE 4
/* Most over mean, in percent. */
#define SPREAD 120

/* As h_answer(), but it keeps the connection. */
static void serve(int lfd, unsigned worker)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct h_reply r = { .worker = worker };
	int ep = H_OK(epoll_create1(0));

	H_OK(epoll_ctl(ep, EPOLL_CTL_ADD, lfd, &ev));
	for (;;) {
		int conn;

		if (epoll_wait(ep, &ev, 1, -1) != 1)
			continue;
		conn = accept(lfd, NULL, NULL);
		if (conn < 0)
			continue;
		r.cpu = (uint32_t)sched_getcpu();
		H_CHECK(write(conn, &r, sizeof(r)) == sizeof(r));
	}
}

static void warm_up(int lfd)
{
	for (unsigned i = 0; i < 4000; i++) {
		struct h_reply r;
		int fd;

		h_pin(h_cpu[i % H_CPUS]);
		fd = H_OK(h_connect(h_port(lfd)));
		H_CHECK(recv(fd, &r, sizeof(r), MSG_WAITALL) == sizeof(r));
		H_OK(close(fd));
		if (!h_present() || (h_local_accepts(lfd, h_cpu[0], NULL) && h_local_accepts(lfd, h_cpu[1], NULL)))
			return;
	}
}

static void run(void)
{
	struct rlimit limit;
	unsigned by[2] = { 0 }, most;
	int lfd;

	H_OK(getrlimit(RLIMIT_NOFILE, &limit));
	if (limit.rlim_max < CONNECTIONS + 4200)
		h_skip("needs a limit of 6,200 descriptors");
	limit.rlim_cur = limit.rlim_max < 65536 ? limit.rlim_max : 65536;
	H_OK(setrlimit(RLIMIT_NOFILE, &limit));
	lfd = h_listener(SOCK_NONBLOCK);
	h_prefork(2, lfd, serve);
	warm_up(lfd);
	h_pin(h_cpu[0]);
	for (unsigned i = 0; i < CONNECTIONS; i++) {
		struct h_reply r;
		int fd = H_OK(h_connect(h_port(lfd)));

		H_CHECK(recv(fd, &r, sizeof(r), MSG_WAITALL) == sizeof(r));
		H_CHECK(r.worker < 2);
		by[r.worker]++;
		if (i % AT_ONCE == AT_ONCE - 1)
			h_sleep_ms(1);
	}
	h_say("%u answered", by[0] + by[1]);
	most = by[0] > by[1] ? by[0] : by[1];
	h_report(h_active() ? "active" : "inactive");
	if (most == CONNECTIONS)
		h_report("all at one worker");
	else if (most * 2 * 100 <= CONNECTIONS * SPREAD)
		h_report("spread");
	else
		h_report("%u and %u", by[0], by[1]);
}

const struct h_story h_story = { .env = "FASTSOCK_STEAL=" STEAL "\nFASTSOCK_BALANCE=" BALANCE "\n", .expect = "active\n" EXPECT "\n", .run = run };
