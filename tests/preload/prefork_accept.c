/*
 * Apache's old shape: processes forked after listen() that block in accept().
 * Promised: every process is fed by the CPU that it owns.
 */
#define _GNU_SOURCE
#include "harness.h"

static void serve(int lfd, unsigned worker)
{
	for (;;)
		h_answer(H_OK(accept4(lfd, NULL, NULL, SOCK_CLOEXEC)), worker);
}

static void run(void)
{
	int lfd = h_listener(0);

	h_prefork(2, lfd, serve);
	h_shape(lfd);
}

const struct h_story h_story = { .expect = H_LOCAL, .run = run };
