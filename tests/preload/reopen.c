/*
 * A listener is closed and its port opened again, many times. Promised: after
 * close() nobody answers on the port, the port is free at once, and nothing is left
 * behind.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <arpa/inet.h>

static void serve(int lfd, unsigned worker)
{
	for (;;)
		h_answer(H_OK(accept(lfd, NULL, NULL)), worker);
}

static void run(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	unsigned before = 0;
	struct h_result res;
	int one = 1;

	/* More than the library can keep track of at a time. */
	for (unsigned i = 0; i < 200; i++) {
		int lfd = H_OK(socket(AF_INET, SOCK_STREAM, 0));

		/* Connections of the round before are in TIME_WAIT. */
		H_OK(setsockopt(lfd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)));
		H_OK(bind(lfd, (struct sockaddr *)&sin, sizeof(sin)));
		sin.sin_port = htons(h_port(lfd));
		H_OK(listen(lfd, 64));
		/* Workers in every tenth round. */
		if (i % 10 == 0) {
			h_prefork(2, lfd, serve);
			h_warm_up(lfd);
			h_load(h_port(lfd), 10, &res);
			h_say("round %u: %u and %u of %u answered", i, res.answered[0], res.answered[1], res.asked);
			h_report(h_active() ? "active" : "inactive");
			h_end_workers();
		}
		H_OK(close(lfd));
		H_CHECK(h_connect(ntohs(sin.sin_port)) < 0 && errno == ECONNREFUSED);
		if (i == 20)
			before = h_descriptors();
		if (i > 20)
			H_CHECK(h_descriptors() == before);
	}
	h_report(h_active() ? "active" : "inactive");
}

#define TIMES5 "active\nactive\nactive\nactive\nactive\n"
const struct h_story h_story = { .expect = TIMES5 TIMES5 TIMES5 TIMES5 "inactive\n", .run = run };
