/*
 * FASTSOCK_LISTEN names the loopback address. Promised: a listener there is
 * handled, one on all addresses is not.
 */
#define _GNU_SOURCE
#include "harness.h"

static void serve(int lfd, unsigned worker)
{
	for (;;)
		h_answer(H_OK(accept(lfd, NULL, NULL)), worker);
}

static void run(void)
{
	int lfd = h_listener(0), everywhere = H_OK(socket(AF_INET, SOCK_STREAM, 0));

	H_OK(listen(everywhere, 16));
	h_prefork(2, lfd, serve);
	h_shape(lfd);
	h_report("%zu cores", h_cores(everywhere));
}

const struct h_story h_story = { .env = "FASTSOCK_LISTEN=127.0.0.1\n", .expect = H_LOCAL "0 cores\n", .run = run };
