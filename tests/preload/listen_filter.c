/* FASTSOCK_LISTEN names another port. Promised: this listener is left alone. */
#define _GNU_SOURCE
#include "harness.h"

static void serve(int lfd, unsigned worker)
{
	for (;;)
		h_answer(H_OK(accept(lfd, NULL, NULL)), worker);
}

static void run(void)
{
	int lfd = h_listener(0);

	h_prefork(2, lfd, serve);
	h_shape(lfd);
	h_report("%zu cores", h_cores(lfd));
}

/* Port 1 needs root and nobody's tests use it. */
const struct h_story h_story = { .env = "FASTSOCK_LISTEN=1\n", .expect = H_ALONE "0 cores\n", .run = run };
