/*
 * A filter on the socket: it cannot be read back, so local listeners cannot
 * have it. Promised: the listener is left alone, with one line, and works.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <linux/filter.h>

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
	struct sock_filter all = BPF_STMT(BPF_RET | BPF_K, 0xffffffff);
	struct sock_fprog program = { .len = 1, .filter = &all };
	int made = h_bound(SOCK_NONBLOCK), lfd;

	H_TELL(setsockopt(made, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)));
	/* Under another number it is the same socket. */
	lfd = H_OK(dup(made));
	H_OK(close(made));
	H_TELL(listen(lfd, 511));
	h_prefork(2, lfd, serve);
	h_shape(lfd);
	h_report("%zu cores", h_cores(lfd));
}

const struct h_story h_story = {
	.expect = H_ALONE "0 cores\n",
	.log = "^fastsock\\[[0-9]+\\]: warn: the listener on port [0-9]+ works as without libfastsock: .*socket option",
	.run = run,
};
