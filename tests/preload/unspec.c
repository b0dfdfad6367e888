/*
 * connect(AF_UNSPEC) stops a listener, as shutdown() does, and frees a port that
 * the kernel had chosen. Promised: the whole group stops, and whoever comes is
 * refused; bound and listening again, it works.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <arpa/inet.h>

static void serve(int lfd, unsigned worker)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = H_OK(epoll_create1(0));

	H_OK(epoll_ctl(ep, EPOLL_CTL_ADD, lfd, &ev));
	for (;;) {
		int conn;

		if (epoll_wait(ep, &ev, 1, 5) != 1)
			continue;
		conn = accept(lfd, NULL, NULL);
		if (conn >= 0)
			h_answer(conn, worker);
		else
			h_sleep_ms(2); /* stopped: hung up, all the time */
	}
}

static void refused(uint16_t port)
{
	for (unsigned c = 0; c < H_CPUS; c++) {
		h_pin(h_cpu[c]);
		for (unsigned i = 0; i < 10; i++)
			H_CHECK(h_connect(port) < 0 && errno == ECONNREFUSED);
	}
	h_unpin();
	h_say("refused on every CPU");
}

static void run(void)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int lfd = h_listener(SOCK_NONBLOCK), value = -1;
	uint16_t port = h_port(lfd);
	socklen_t len = sizeof(value);

	h_prefork(2, lfd, serve);
	h_shape(lfd);
	H_TELL(connect(lfd, &none, sizeof(none)));
	refused(port);
	H_TELL(getsockopt(lfd, SOL_SOCKET, SO_ACCEPTCONN, &value, &len));
	h_say("listens: %d", value);
	h_end_workers();
	H_TELL(bind(lfd, (struct sockaddr *)&sin, sizeof(sin)));
	H_TELL(listen(lfd, 511));
	h_prefork(2, lfd, serve);
	h_shape(lfd);
}

const struct h_story h_story = { .expect = H_LOCAL H_LOCAL, .run = run };
