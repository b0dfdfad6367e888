/*
 * A thread is cancelled while it waits for connections. Promised: every wait is
 * still a cancellation point, no descriptor is left behind, and the listener serves on.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <sys/select.h>

static int lfd;

static void close_it(void *fd)
{
	close(*(int *)fd);
}

static void *in_accept(void *arg)
{
	(void)arg;
	for (;;)
		close(accept(lfd, NULL, NULL));
	return NULL;
}

static void *in_accept4(void *arg)
{
	(void)arg;
	for (;;)
		close(accept4(lfd, NULL, NULL, SOCK_CLOEXEC));
	return NULL;
}

static void *in_poll(void *arg)
{
	struct pollfd p = { .fd = lfd, .events = POLLIN };

	(void)arg;
	for (;;)
		poll(&p, 1, -1);
	return NULL;
}

static void *in_select(void *arg)
{
	fd_set in;

	(void)arg;
	for (;;) {
		FD_ZERO(&in);
		FD_SET(lfd, &in);
		select(lfd + 1, &in, NULL, NULL, NULL);
	}
	return NULL;
}

static void *in_epoll_wait(void *arg)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = H_OK(epoll_create1(0));

	(void)arg;
	pthread_cleanup_push(close_it, &ep);
	H_OK(epoll_ctl(ep, EPOLL_CTL_ADD, lfd, &ev));
	for (;;)
		epoll_wait(ep, &ev, 1, -1);
	pthread_cleanup_pop(1);
	return NULL;
}

static void check(const char *what)
{
	static const struct {
		const char *name;
		void *(*wait)(void *);
	} ways[] = {
		{ "accept", in_accept }, { "accept4", in_accept4 },	  { "poll", in_poll },
		{ "select", in_select }, { "epoll_wait", in_epoll_wait },
	};

	for (unsigned i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		unsigned before = 0;

		/* The first round may leave what the library keeps for good. */
		for (unsigned round = 0; round < 20; round++) {
			pthread_t t;
			void *ret;

			if (round == 1)
				before = h_descriptors();
			H_CHECK(pthread_create(&t, NULL, ways[i].wait, NULL) == 0);
			/* Now and then it is in the wait already, now and then on its way there. */
			h_sleep_ms(round % 4);
			H_CHECK(pthread_cancel(t) == 0);
			H_CHECK(pthread_join(t, &ret) == 0);
			H_CHECK(ret == PTHREAD_CANCELED);
		}
		h_say("%s, %s: cancelled, %s", what, ways[i].name,
		      h_descriptors() == before ? "nothing left behind" : "descriptors are left behind");
	}
}

static void serve(int fd, unsigned worker)
{
	for (;;)
		h_answer(H_OK(accept(fd, NULL, NULL)), worker);
}

static void run(void)
{
	struct h_result res;

	lfd = h_listener(0);
	check("alone");
	h_activate(lfd);
	check("two workers");
	h_report(h_active() ? "active" : "inactive");
	h_prefork(2, lfd, serve);
	h_load(h_port(lfd), 50, &res);
	h_say("afterwards %u and %u of %u are answered", res.answered[0], res.answered[1], res.asked);
}

const struct h_story h_story = { .expect = "active\n", .run = run };
