/*
 * Threads that block SIGUSR1 everywhere but in ppoll(), and get it there all
 * the time. Promised: every thread is fed by the CPU that it owns, and the mask is in
 * force during the wait and only then.
 */
#define _GNU_SOURCE
#include "harness.h"

static __thread volatile sig_atomic_t waiting, seen_outside, interrupted;

static void on_usr1(int sig)
{
	(void)sig;
	if (!waiting)
		seen_outside = 1;
	interrupted = 1;
}

static void serve(int lfd, unsigned worker)
{
	const struct timespec limit = { .tv_sec = 3600 };
	sigset_t usr1, before;

	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	H_CHECK(pthread_sigmask(SIG_BLOCK, &usr1, &before) == 0);
	for (unsigned turn = 0;; turn++) {
		struct pollfd p = { .fd = lfd, .events = POLLIN };
		int n, conn;

		if (turn % 2)
			raise(SIGUSR1);
		interrupted = 0;
		waiting = 1;
		n = ppoll(&p, 1, &limit, &before);
		waiting = 0;
		H_CHECK(limit.tv_sec == 3600 && limit.tv_nsec == 0);
		H_CHECK(!seen_outside);
		if (n < 0) {
			H_CHECK(errno == EINTR && interrupted);
			continue;
		}
		H_CHECK(n == 1 && p.revents == POLLIN);
		conn = accept(lfd, NULL, NULL);
		if (conn >= 0)
			h_answer(conn, worker);
		else
			H_CHECK(errno == EAGAIN);
	}
}

static void run(void)
{
	struct sigaction sa = { .sa_handler = on_usr1 };
	int lfd = h_listener(SOCK_NONBLOCK);

	H_OK(sigaction(SIGUSR1, &sa, NULL));
	h_threads(2, lfd, serve);
	h_shape(lfd);
}

const struct h_story h_story = { .expect = H_LOCAL, .run = run };
