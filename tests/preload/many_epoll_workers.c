/*
 * Many more workers than CPUs, each with an epoll instance: more than the kernel
 * lets be nested at one place without looking for loops. Promised: active,
 * everybody is answered, and nothing is said.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <sys/prctl.h>

#define WORKERS 130

static void serve(int lfd, unsigned worker)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = H_OK(epoll_create1(0));

	H_OK(epoll_ctl(ep, EPOLL_CTL_ADD, lfd, &ev));
	for (;;) {
		int conn;

		if (epoll_wait(ep, &ev, 1, 200) == 1 && (conn = accept(lfd, NULL, NULL)) >= 0)
			h_answer(conn, worker % H_WORKERS_MAX);
	}
}

static void run(void)
{
	int lfd = h_listener(SOCK_NONBLOCK);
	struct h_result res;
	pid_t pid[WORKERS];

	for (unsigned i = 0; i < WORKERS; i++) {
		pid[i] = H_OK(fork());
		if (pid[i] == 0) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			serve(lfd, i);
		}
	}
	h_warm_up(lfd);
	for (unsigned i = 0; i < 10; i++) {
		h_load_on(AF_INET, h_port(lfd), 50, 1 + i, &res);
		h_say("%u and %u of %u answered", res.answered[0], res.answered[1], res.asked);
	}
	h_report_state(lfd);
	for (unsigned i = 0; i < WORKERS; i++)
		H_OK(kill(pid[i], SIGKILL));
	for (unsigned i = 0; i < WORKERS; i++)
		H_CHECK(waitpid(pid[i], NULL, 0) == pid[i]);
}

const struct h_story h_story = { .expect = "active\n", .run = run };
