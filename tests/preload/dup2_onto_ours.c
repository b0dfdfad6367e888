/*
 * A master that uses numbers of its own choice for its descriptors, and hits on
 * those that the library hides: before its listener is fanned out, and after that.
 * Promised: dup2() gives it the number, and the service goes on, with all workers,
 * and with the ones that it starts later.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <dirent.h>

#define NUMBERS 65536

static bool known[NUMBERS];

/* Every open descriptor that the program does not know. */
static unsigned unknown(int *fds, unsigned max)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *e;
	unsigned n = 0;

	H_CHECK(dir != NULL);
	while ((e = readdir(dir))) {
		int fd = atoi(e->d_name);

		if (e->d_name[0] != '.' && fd != dirfd(dir) && fd < NUMBERS && !known[fd] && n < max)
			fds[n++] = fd;
	}
	closedir(dir);
	return n;
}

static void know_all(void)
{
	int fds[1024];

	for (unsigned i = unknown(fds, 1024); i > 0; i--)
		known[fds[i - 1]] = true;
}

static void take_numbers(const char *who)
{
	int fds[64], p[2];
	unsigned n, refused = 0;

	n = unknown(fds, 64);
	H_OK(pipe(p));
	for (unsigned i = 0; i < n; i++) {
		int got = dup2(p[0], fds[i]);

		if (got == fds[i])
			continue;
		refused++;
		h_report("%s: dup2 onto %d: %s", who, fds[i], strerrorname_np(errno));
	}
	for (unsigned i = 0; i < n; i++)
		if (refused == 0)
			H_OK(close(fds[i]));
	H_OK(close(p[0]));
	H_OK(close(p[1]));
	h_report("%s: %s", who, n == 0 ? "nothing hidden" : refused ? "refused" : "taken");
}

static void serve(int lfd, unsigned worker)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = H_OK(epoll_create1(0));

	H_OK(epoll_ctl(ep, EPOLL_CTL_ADD, lfd, &ev));
	for (;;) {
		int conn;

		if (epoll_wait(ep, &ev, 1, -1) == 1 && (conn = accept(lfd, NULL, NULL)) >= 0)
			h_answer(conn, worker);
	}
}

static void run(void)
{
	int lfd;

	know_all();
	lfd = h_listener(SOCK_NONBLOCK);
	known[lfd] = true;
	take_numbers("before");
	h_prefork(2, lfd, serve);
	h_shape(lfd);
	take_numbers("after");
	h_shape(lfd);
	h_end_workers();
	h_prefork(2, lfd, serve);
	h_shape(lfd);
}

const struct h_story h_story = {
	.expect = "before: taken\n" H_LOCAL "after: taken\n" H_LOCAL H_LOCAL,
	.run = run,
};
