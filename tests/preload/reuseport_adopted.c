/*
 * nginx's `listen ... reuseport`: the master makes a SO_REUSEPORT socket for
 * every worker, and each worker waits for its own. Promised: these sockets become the
 * local listeners, steered by CPU instead of by hash.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <arpa/inet.h>

static int own[2];

static void serve(int lfd, unsigned worker)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = H_OK(epoll_create1(0));

	(void)lfd;
	H_OK(epoll_ctl(ep, EPOLL_CTL_ADD, own[worker], &ev));
	for (;;) {
		int conn;

		if (epoll_wait(ep, &ev, 1, -1) != 1)
			continue;
		while ((conn = accept(own[worker], NULL, NULL)) >= 0)
			h_answer(conn, worker);
	}
}

static void run(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct h_result res;
	int one = 1;

	for (unsigned i = 0; i < 2; i++) {
		own[i] = H_OK(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
		H_OK(setsockopt(own[i], SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)));
		if (i > 0)
			sin.sin_port = htons(h_port(own[0]));
		H_OK(bind(own[i], (struct sockaddr *)&sin, sizeof(sin)));
	}
	for (unsigned i = 0; i < 2; i++)
		H_OK(listen(own[i], 511));
	h_prefork(2, own[0], serve);
	h_shape(own[0]);
	/* One worker a client CPU, and not the same one. */
	h_load(h_port(own[0]), 100, &res);
	if ((res.by_worker[0][0] >= 99 && res.by_worker[1][1] >= 99) ||
	    (res.by_worker[0][1] >= 99 && res.by_worker[1][0] >= 99))
		h_report("each worker has a CPU");
}

const struct h_story h_story = { .expect = H_LOCAL "each worker has a CPU\n", .run = run };
