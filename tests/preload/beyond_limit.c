/*
 * A soft limit of descriptors that has no room for local listeners, under a hard limit
 * that has. Promised: the group is fanned out all the same, the application's limit is
 * what it was, and every number below it is the application's.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <sys/resource.h>

static void serve(int lfd, unsigned worker)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = H_OK(epoll_create1(0));

	H_OK(epoll_ctl(ep, EPOLL_CTL_ADD, lfd, &ev));
	for (;;) {
		int conn;

		if (epoll_wait(ep, &ev, 1, -1) != 1)
			continue;
		conn = accept(lfd, NULL, NULL);
		if (conn >= 0)
			h_answer(conn, worker);
	}
}

static void run(void)
{
	int last = H_OK(dup(0)), lfd, n = 0, fd[16];
	struct rlimit limit, now;

	H_OK(close(last));
	H_OK(getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = (rlim_t)last + 12;
	if (limit.rlim_max < limit.rlim_cur + 100)
		h_skip("a hard limit of descriptors above the soft one");
	H_OK(setrlimit(RLIMIT_NOFILE, &limit));
	lfd = h_listener(SOCK_NONBLOCK);
	H_OK(getrlimit(RLIMIT_NOFILE, &now));
	h_say("limit as it was: %s", now.rlim_cur == limit.rlim_cur && now.rlim_max == limit.rlim_max ? "yes" : "no");
	while (n < 16 && (fd[n] = dup(0)) >= 0)
		n++;
	h_say("%d more descriptors, up to %d", n, (int)(fd[n - 1] - last));
	while (n)
		H_OK(close(fd[--n]));
	h_prefork(2, lfd, serve);
	h_shape(lfd);
}

const struct h_story h_story = { .expect = H_LOCAL, .run = run };
