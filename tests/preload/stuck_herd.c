/*
 * Two of four workers share the CPU that connections arrive on, and both are stuck,
 * again and again; one connection waits at a time. Promised: not more wake-ups of
 * others than connections that waited.
 */
#define _GNU_SOURCE
#include "serve.h"

#define WORKERS 4
#define ROUNDS 20

static void run(void)
{
	uint64_t woken, waited = 0;
	unsigned answered = 0;
	int lfd;

	h_serve_as(H_LOOP_EPOLL);
	lfd = h_serve_listener();
	h_prefork(WORKERS, lfd, h_serve);
	h_warm_up(lfd);
	H_CHECK(h_all_local(lfd));
	woken = h_counts().woken;
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct h_stuck s[2];
		unsigned client = round % H_CPUS;

		for (unsigned i = 0; i < 2; i++)
			s[i] = h_stick(h_port(lfd), client, H_STICK_BLOCK);
		for (unsigned i = 0; i < 3; i++, waited++)
			answered += h_answered_by(h_connect_from(client, h_port(lfd))) < H_WORKERS_MAX;
		for (unsigned i = 0; i < 2; i++)
			h_unstick(s[i]);
		H_CHECK(h_all_local(lfd));
	}
	h_say("%u of %u answered", answered, (unsigned)waited);
	woken = h_counts().woken - woken;
	/* Those that the workers got stuck with may have waited, too. */
	if (woken > waited + 2 * ROUNDS)
		h_report("%llu wake-ups for %llu connections", (unsigned long long)woken, (unsigned long long)waited);
	h_report(woken ? "some wake-ups" : "no wake-ups");
}

const struct h_story h_story = { .env = "FASTSOCK_STEAL=on\nFASTSOCK_PIN=off\n", .expect = "some wake-ups\n", .run = run };
