/*
 * Threads that wait in poll() with a limit and then block in accept(). Promised:
 * every thread is fed by the CPU that it owns.
 */
#define _GNU_SOURCE
#include "harness.h"

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;

static void serve(int lfd, unsigned worker)
{
	for (;;) {
		struct pollfd p = { .fd = lfd, .events = POLLIN | POLLPRI };
		int n = poll(&p, 1, 500);
		int conn = -1;

		H_CHECK(n >= 0);
		H_CHECK(p.revents == (n ? POLLIN : 0));
		/*
		 * Whoever comes second must not block in accept() while holding the turn: hence not
		 * before it knows.
		 */
		pthread_mutex_lock(&turn);
		if (n && poll(&p, 1, 0) == 1)
			conn = H_OK(accept(lfd, NULL, NULL));
		pthread_mutex_unlock(&turn);
		if (conn >= 0)
			h_answer(conn, worker);
	}
}

static void run(void)
{
	int lfd = h_listener(0);

	h_threads(2, lfd, serve);
	h_shape(lfd);
}

const struct h_story h_story = { .expect = H_LOCAL, .run = run };
