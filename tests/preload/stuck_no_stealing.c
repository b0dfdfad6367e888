/* FASTSOCK_STEAL=off. Promised: what waits for a busy worker waits for it, and nobody else is woken. */
#define _GNU_SOURCE
#include "serve.h"

#include <poll.h>

static void run(void)
{
	int lfd;

	h_serve_as(H_LOOP_EPOLL);
	lfd = h_serve_listener();
	h_prefork(2, lfd, h_serve);
	h_warm_up(lfd);
	H_CHECK(h_all_local(lfd));
	for (unsigned client = 0; client < H_CPUS; client++) {
		struct h_stuck s = h_stick(h_port(lfd), client, H_STICK_BLOCK);
		struct pollfd p = { .fd = h_connect_from(client, h_port(lfd)), .events = POLLIN };
		bool early = poll(&p, 1, 200) == 1;
		unsigned by;

		h_unstick(s);
		by = h_answered_by(p.fd);
		h_say("answered: %s", by < 2 ? "yes" : "no");
		h_report(early || by != s.worker ? "answered by the other one" : "waits for its worker");
	}
	h_report("%llu stolen, %llu woken", (unsigned long long)h_counts().stolen, (unsigned long long)h_counts().woken);
}

const struct h_story h_story = {
	.env = "FASTSOCK_STEAL=off\n",
	.expect = "waits for its worker\nwaits for its worker\n0 stolen, 0 woken\n",
	.run = run,
};
