/*
 * Processes that wait in poll() for the listener among other descriptors, one
 * of them negative. Promised: every process is fed by the CPU that it owns, and the
 * entries that are not the listener's are left as the kernel leaves them.
 */
#define _GNU_SOURCE
#include "harness.h"

static void serve(int lfd, unsigned worker)
{
	int other[2];

	H_OK(pipe(other));
	for (;;) {
		struct pollfd p[3] = {
			{ .fd = -1, .events = POLLIN, .revents = 0x55 },
			{ .fd = lfd, .events = POLLIN, .revents = 0x55 },
			{ .fd = other[0], .events = POLLIN, .revents = 0x55 },
		};
		int n = poll(p, 3, -1);
		int conn;

		H_CHECK(n == 1);
		H_CHECK(p[0].fd == -1 && p[0].revents == 0);
		H_CHECK(p[1].fd == lfd && p[1].events == POLLIN && p[1].revents == POLLIN);
		H_CHECK(p[2].revents == 0);
		conn = accept(lfd, NULL, NULL);
		if (conn >= 0)
			h_answer(conn, worker);
		else
			H_CHECK(errno == EAGAIN);
	}
}

static void run(void)
{
	int lfd = h_listener(SOCK_NONBLOCK);

	h_prefork(2, lfd, serve);
	h_shape(lfd);
}

const struct h_story h_story = { .expect = H_LOCAL, .run = run };
