/*
 * nginx' change of binaries: a new program inherits the listener, with an
 * environment that has no LD_PRELOAD, serves beside the old workers, then alone.
 * Promised: everybody is answered at every moment.
 */
#define _GNU_SOURCE
#include "harness.h"

static void serve(int lfd, unsigned worker)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLEXCLUSIVE };
	int ep = H_OK(epoll_create1(0));

	H_OK(epoll_ctl(ep, EPOLL_CTL_ADD, lfd, &ev));
	for (;;) {
		int conn;

		if (epoll_wait(ep, &ev, 1, -1) != 1)
			continue;
		conn = accept(lfd, NULL, NULL);
		if (conn >= 0)
			h_answer(conn, worker);
	}
}

static void load(uint16_t port, const char *who, bool new_one)
{
	struct h_result res;

	for (unsigned i = 0; i < 10; i++)
		h_load(port, 20, &res);
	h_say("%s: %u and %u of %u answered", who, res.answered[0], res.answered[1], res.asked);
	if (new_one)
		H_CHECK(res.by_worker[0][9] + res.by_worker[1][9] == res.answered[0] + res.answered[1]);
}

static void run(void)
{
	char arg[16];
	char *argv[] = { (char *)h_self, arg, NULL }, *empty[] = { NULL };
	pid_t old[2];
	int lfd, status;
	uint16_t port;

	if (h_arg)
		serve(atoi(h_arg), 9);
	lfd = h_listener(SOCK_NONBLOCK);
	port = h_port(lfd);
	for (unsigned i = 0; i < 2; i++) {
		old[i] = H_OK(fork());
		if (old[i] == 0)
			serve(lfd, i);
	}
	h_warm_up(lfd);
	h_report_state(lfd);
	load(port, "the old one", false);
	snprintf(arg, sizeof(arg), "%d", lfd);
	if (h_fork() == 0) {
		execve(h_self, argv, empty);
		_exit(99);
	}
	load(port, "both", false);
	for (unsigned i = 0; i < 2; i++) {
		H_OK(kill(old[i], SIGKILL));
		H_CHECK(waitpid(old[i], &status, 0) == old[i]);
	}
	H_OK(close(lfd));
	load(port, "the new one", true);
}

const struct h_story h_story = { .expect = "active\n", .run = run };
