/*
 * execve() of the same program, with a listener left open, fails after all: the arguments
 * are too long. Promised: no descriptor was left for a program that does not come, and
 * the server goes on as before.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <dirent.h>

/* One argument may have 128 KiB (MAX_ARG_STRLEN). */
#define TOO_LONG (256 * 1024)

static char argument[TOO_LONG];

/* Asks the kernel: those that the library hides, too. */
static unsigned inheritable(void)
{
	DIR *dir = opendir("/proc/self/fdinfo");
	struct dirent *e;
	unsigned n = 0;

	H_CHECK(dir != NULL);
	while ((e = readdir(dir))) {
		char line[64];
		unsigned flags = O_CLOEXEC;
		FILE *f = NULL;

		if (e->d_name[0] != '.')
			f = fdopen(H_OK(openat(dirfd(dir), e->d_name, O_RDONLY | O_CLOEXEC)), "r");
		while (f && fgets(line, sizeof(line), f))
			sscanf(line, "flags: %o", &flags);
		n += !(flags & O_CLOEXEC);
		if (f)
			H_OK(fclose(f));
	}
	H_OK(closedir(dir));
	return n;
}

static void serve(int lfd, unsigned worker)
{
	char *argv[] = { (char *)h_self, argument, NULL };
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = H_OK(epoll_create1(EPOLL_CLOEXEC));

	H_OK(epoll_ctl(ep, EPOLL_CTL_ADD, lfd, &ev));
	for (unsigned n = 1;; n++) {
		int conn;

		if (epoll_wait(ep, &ev, 1, -1) != 1 || (conn = accept(lfd, NULL, NULL)) < 0)
			continue;
		h_answer(conn, worker);
		if (n % 20 == 0) {
			unsigned before = inheritable();

			H_CHECK(execv(h_self, argv) == -1 && errno == E2BIG);
			H_CHECK(inheritable() == before);
		}
	}
}

static void run(void)
{
	struct h_result res;
	bool local = false;
	int lfd;

	memset(argument, 'a', sizeof(argument) - 1);
	lfd = h_listener(SOCK_NONBLOCK);
	h_prefork(2, lfd, serve);
	h_warm_up(lfd);
	for (unsigned i = 0; i < 10; i++) {
		h_load(h_port(lfd), 20, &res);
		h_say("%u and %u of %u answered", res.answered[0], res.answered[1], res.asked);
	}
	/* Each is back where it was. */
	for (unsigned i = 0; h_present() && !local && i < 400; i++) {
		uint64_t before = h_local_accepts(lfd, h_cpu[0], NULL) + h_local_accepts(lfd, h_cpu[1], NULL);

		h_load(h_port(lfd), 10, &res);
		local = h_local_accepts(lfd, h_cpu[0], NULL) + h_local_accepts(lfd, h_cpu[1], NULL) - before == 20;
	}
	h_report(h_active() ? "active" : "inactive");
	h_report(local ? "local" : "not local");
}

const struct h_story h_story = { .expect = "active\nlocal\n", .run = run };
