/*
 * A second process of the same server is started beside the first one, which is stuck
 * with both its workers and has connections in its queues; then the first one ends.
 * Promised: the second one joins, so that it serves what the first one does not, and
 * nobody is refused or reset afterwards.
 */
#define _GNU_SOURCE
#include "heir_peer.h"
#include "serve.h"

#define QUEUED 5
#define SECOND 9

static void second(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	unsigned long long first;
	unsigned port;
	int fd, ep, ready;
	char byte = 0;

	H_CHECK(sscanf(h_arg, "%u %llu %d", &port, &first, &ready) == 3);
	fd = join_first((uint16_t)port, first);
	h_report(cookie_of(fd) == first ? "joins" : "on its own");
	ep = H_OK(epoll_create1(EPOLL_CLOEXEC));
	H_OK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
	H_CHECK(write(ready, &byte, 1) == 1);
	for (;;) {
		int conn;

		if (epoll_wait(ep, &ev, 1, -1) == 1 && (conn = accept(fd, NULL, NULL)) >= 0)
			h_answer(conn, SECOND);
	}
}

static void kill_first(unsigned worker)
{
	H_OK(kill(h_worker[worker].pid, SIGKILL));
	H_CHECK(waitid(P_PID, (id_t)h_worker[worker].pid, NULL, WEXITED | WNOWAIT) == 0);
}

static void run(void)
{
	int lfd, ready[2], fd[H_CPUS * QUEUED];
	unsigned answered = 0, by_second = 0;
	struct h_stuck s[2];
	struct h_result res;
	char arg[64], byte;
	uint16_t port;

	if (h_arg)
		second();
	h_serve_as(H_LOOP_EPOLL);
	lfd = reuseport_socket(0);
	port = h_port(lfd);
	H_OK(listen(lfd, 511));
	h_prefork(2, lfd, h_serve);
	h_warm_up(lfd);
	H_CHECK(h_all_local(lfd));
	h_report_state(lfd);
	for (unsigned i = 0; i < 2; i++)
		s[i] = h_stick(port, i, H_STICK_BLOCK);
	for (unsigned i = 0; i < H_CPUS * QUEUED; i++)
		fd[i] = h_connect_from(i % H_CPUS, port);
	H_OK(pipe(ready));
	snprintf(arg, sizeof(arg), "%u %llu %d", port, cookie_of(lfd), ready[1]);
	start_second(arg);
	H_OK(close(ready[1]));
	H_CHECK(read(ready[0], &byte, 1) == 1);
	/* Without the library, only the first one can. */
	for (unsigned i = 0; !h_present() && i < 2; i++)
		h_unstick(s[i]);
	for (unsigned i = 0; i < H_CPUS * QUEUED; i++) {
		unsigned worker = h_answered_by(fd[i]);

		answered += worker < H_WORKERS_MAX;
		by_second += worker == SECOND;
	}
	h_say("queued: %u of %u answered", answered, H_CPUS * QUEUED);
	h_report("%u of them by the second", by_second);
	for (unsigned i = 0; h_present() && i < 2; i++)
		h_unstick(s[i]);
	for (unsigned i = 0; i < 2; i++)
		kill_first(i);
	H_OK(close(lfd));
	for (unsigned i = 0; i < 5; i++) {
		h_load(port, 20, &res);
		h_say("the second alone: %u and %u of %u answered", res.answered[0], res.answered[1], res.asked);
	}
}

const struct h_story h_story = {
	.env = "FASTSOCK_STEAL=on\n",
	.expect = "active\njoins\n10 of them by the second\n",
	.run = run,
};
