/*
 * SO_ATTACH_REUSEPORT_CBPF is refused by a sandbox: no steering by CPU. Promised: the
 * listener works as without the library, for all clients, and one line says why.
 */
#define _GNU_SOURCE
#include "harness.h"
#include "seccomp.h"

static void serve(int lfd, unsigned worker)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = H_OK(epoll_create1(0));

	H_OK(epoll_ctl(ep, EPOLL_CTL_ADD, lfd, &ev));
	for (;;) {
		int conn;

		if (epoll_wait(ep, &ev, 1, -1) != 1)
			continue;
		while ((conn = accept(lfd, NULL, NULL)) >= 0)
			h_answer(conn, worker);
	}
}

static void run(void)
{
	int lfd;

	refuse(SYS_setsockopt, SO_ATTACH_REUSEPORT_CBPF);
	lfd = h_listener(SOCK_NONBLOCK);
	h_prefork(2, lfd, serve);
	h_shape(lfd);
}

const struct h_story h_story = {
	.expect = H_ALONE,
	.log = "^fastsock\\[[0-9]+\\]: (error|warn): .*EPERM",
	.run = run,
};
