/*
 * Servers that poll thousands of descriptors at once, by a table that they keep.
 * Promised: they are fed locally all the same, and find their table as they left
 * it.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <sys/resource.h>

#define MANY 5000

static void serve(int lfd, unsigned worker)
{
	struct pollfd *fds = calloc(MANY, sizeof(*fds));
	int quiet[2];

	H_CHECK(fds != NULL);
	H_OK(pipe(quiet));
	for (unsigned i = 0; i < MANY; i++)
		fds[i] = (struct pollfd){ .fd = i % 2 ? -1 : quiet[0], .events = POLLIN };
	fds[MANY - 3].fd = lfd;
	for (unsigned turn = 0;; turn++) {
		int n = poll(fds, MANY - turn % 2, -1), conn;

		H_CHECK(n == 1 && fds[MANY - 3].revents == POLLIN);
		for (unsigned i = 0; i < MANY; i++)
			H_CHECK(i == MANY - 3 || (fds[i].fd == (i % 2 ? -1 : quiet[0]) && fds[i].revents == 0));
		H_CHECK(fds[MANY - 3].fd == lfd && fds[MANY - 3].events == POLLIN);
		conn = accept(lfd, NULL, NULL);
		if (conn >= 0)
			h_answer(conn, worker);
		else
			H_CHECK(errno == EAGAIN);
	}
}

static void run(void)
{
	struct rlimit limit;
	int lfd;

	H_OK(getrlimit(RLIMIT_NOFILE, &limit));
	if (limit.rlim_max < 2 * MANY)
		h_skip("needs a limit of 10000 descriptors");
	limit.rlim_cur = 2 * MANY;
	H_OK(setrlimit(RLIMIT_NOFILE, &limit));
	lfd = h_listener(SOCK_NONBLOCK);
	h_prefork(2, lfd, serve);
	h_shape(lfd);
}

const struct h_story h_story = { .expect = H_LOCAL, .run = run };
