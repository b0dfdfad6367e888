/*
 * Threads that block in accept() on one listener, as in a textbook. Promised: every
 * thread is fed by the CPU that it owns.
 */
#define _GNU_SOURCE
#include "harness.h"

static void serve(int lfd, unsigned worker)
{
	for (;;) {
		struct sockaddr_in peer;
		socklen_t len = sizeof(peer);
		int conn = accept(lfd, (struct sockaddr *)&peer, &len);

		H_CHECK(conn >= 0);
		H_CHECK(len == sizeof(peer) && peer.sin_family == AF_INET && peer.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
		H_CHECK((fcntl(conn, F_GETFL) & O_NONBLOCK) == 0);
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
