/*
 * The application attaches a steering program of its own to a listener that is
 * fanned out, and replaces its workers then. Promised: the library withdraws with
 * one line, and everybody is answered.
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

		if (epoll_wait(ep, &ev, 1, 5) == 1 && (conn = accept(lfd, NULL, NULL)) >= 0)
			h_answer(conn, worker);
	}
}

static void load(int lfd, const char *when)
{
	struct h_result res;

	for (unsigned i = 0; i < 3; i++) {
		h_load(h_port(lfd), 20, &res);
		h_say("%s: %u and %u of %u answered", when, res.answered[0], res.answered[1], res.asked);
	}
}

static void run(void)
{
	/* To the first socket of the address, which is the only one that the application knows. */
	struct sock_filter first = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog program = { .len = 1, .filter = &first };
	int lfd = H_OK(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)), one = 1;
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	H_OK(setsockopt(lfd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)));
	H_OK(bind(lfd, (struct sockaddr *)&sin, sizeof(sin)));
	H_OK(listen(lfd, 511));
	h_prefork(2, lfd, serve);
	h_warm_up(lfd);
	h_report(h_active() ? "active" : "inactive");
	H_TELL(setsockopt(lfd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program)));
	load(lfd, "old workers");
	h_prefork(2, lfd, serve);
	load(lfd, "old and new workers");
	h_end_workers();
	h_prefork(2, lfd, serve);
	load(lfd, "new workers");
	h_report(h_active() ? "active" : "inactive");
}

const struct h_story h_story = {
	.expect = "active\ninactive\n",
	.log = "^fastsock\\[[0-9]+\\]: warn: .*steers it itself",
	.run = run,
};
