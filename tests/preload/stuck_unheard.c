/*
 * A worker is woken for a connection of a stuck one, and does not accept: its
 * program ignores the listener for a while. Promised: it is told again and again as long
 * as the connection is there, as by any listener; once somebody else has taken it, its
 * wait lasts.
 */
#define _GNU_SOURCE
#include "serve.h"

static bool woken_often(void *worker)
{
	/* More than one kick explains. */
	return h_worker[*(unsigned *)worker].woken > 50;
}

static bool sleeps(void *worker)
{
	unsigned before = h_worker[*(unsigned *)worker].woken;

	h_sleep_ms(100);
	return h_worker[*(unsigned *)worker].woken == before;
}

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
		unsigned other = !s.worker;
		uint64_t kicks = h_counts().woken;
		int fd;

		h_worker[other].woken = 0;
		h_worker[other].ignore = 1;
		fd = h_connect_from(client, h_port(lfd));
		h_say("ignored: %s", h_until(woken_often, &other) ? "told again and again" : "told no more");
		/* It was told to, once: a listener that is readable needs no more. */
		h_report("%llu wake-ups", (unsigned long long)(h_counts().woken - kicks));
		h_unstick(s);
		h_say("its own worker is back: %s", h_answered_by(fd) == s.worker ? "it answers" : "another one answered");
		h_say("the other one %s", h_until(sleeps, &other) ? "sleeps again" : "is woken for ever");
		h_worker[other].ignore = 0;
		H_CHECK(h_all_local(lfd));
	}
	h_report(h_active() ? "active" : "inactive");
}

const struct h_story h_story = { .env = "FASTSOCK_STEAL=on\n", .expect = "1 wake-ups\n1 wake-ups\nactive\n", .run = run };
