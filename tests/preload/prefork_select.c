/*
 * Processes that wait in select(), the listener not being the highest descriptor.
 * Promised: every process is fed by the CPU that it owns.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <sys/select.h>

static void serve(int lfd, unsigned worker)
{
	int other[2];

	H_OK(pipe(other));
	for (;;) {
		fd_set in, out;
		int n, conn;

		FD_ZERO(&in);
		FD_ZERO(&out);
		FD_SET(lfd, &in);
		FD_SET(other[0], &in);
		n = select(other[0] + 1, &in, &out, NULL, NULL);
		H_CHECK(n == 1);
		H_CHECK(FD_ISSET(lfd, &in) && !FD_ISSET(other[0], &in));
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
