/*
 * Processes that block SIGUSR1 everywhere but in pselect(), and get it there
 * all the time. Promised: every process is fed by the CPU that it owns, the mask is
 * in force during the wait and only then, and the timeout is not written to.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <sys/select.h>

static volatile sig_atomic_t waiting, seen_outside, interrupted;

static void on_usr1(int sig)
{
	(void)sig;
	if (!waiting)
		seen_outside = 1;
	interrupted = 1;
}

static void serve(int lfd, unsigned worker)
{
	struct sigaction sa = { .sa_handler = on_usr1 };
	const struct timespec limit = { .tv_sec = 3600 };
	sigset_t usr1, before;

	H_OK(sigaction(SIGUSR1, &sa, NULL));
	sigemptyset(&usr1);
	sigaddset(&usr1, SIGUSR1);
	H_OK(sigprocmask(SIG_BLOCK, &usr1, &before));
	for (unsigned turn = 0;; turn++) {
		fd_set in;
		int n, conn;

		/* Every other wait must end at once, by the signal that is pending. */
		if (turn % 2)
			raise(SIGUSR1);
		FD_ZERO(&in);
		FD_SET(lfd, &in);
		interrupted = 0;
		waiting = 1;
		n = pselect(lfd + 1, &in, NULL, NULL, &limit, &before);
		waiting = 0;
		H_CHECK(limit.tv_sec == 3600 && limit.tv_nsec == 0);
		H_CHECK(!seen_outside);
		if (n < 0) {
			H_CHECK(errno == EINTR && interrupted);
			continue;
		}
		H_CHECK(n == 1 && FD_ISSET(lfd, &in));
		conn = accept(lfd, NULL, NULL);
		if (conn >= 0)
			h_answer(conn, worker);
		else
			H_CHECK(errno == EAGAIN);
	}
}

static void run(void)
{
	int lfd = h_listener(SOCK_NONBLOCK);

	h_prefork(2, lfd, serve);
	h_shape(lfd);
}

const struct h_story h_story = { .expect = H_LOCAL, .run = run };
