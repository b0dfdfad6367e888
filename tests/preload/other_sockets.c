/*
 * What is not a TCP listener: MPTCP, UDP, Unix and raw sockets,
 * served by two workers each. Promised: untouched.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <stddef.h>
#include <sys/un.h>

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

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

static void left_alone(const char *what, int fd)
{
	h_report("%s: %s, %zu cores", what, h_active() ? "active" : "inactive", h_cores(fd));
}

static void mptcp(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, IPPROTO_MPTCP);
	struct h_result res;

	if (fd < 0) {
		h_say("MPTCP: %s", strerrorname_np(errno));
		left_alone("MPTCP", fd);
		return;
	}
	H_OK(bind(fd, (struct sockaddr *)&sin, sizeof(sin)));
	H_OK(listen(fd, 128));
	h_prefork(2, fd, serve);
	for (unsigned i = 0; i < 10; i++)
		h_load(h_port(fd), 20, &res);
	h_say("MPTCP: %u and %u of %u answered", res.answered[0], res.answered[1], res.asked);
	left_alone("MPTCP", fd);
	h_end_workers();
}

static void unix_stream(void)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = H_OK(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0)), value;
	socklen_t len = sizeof(sa_family_t);

	/* The kernel names it. */
	H_OK(bind(fd, (struct sockaddr *)&sun, len));
	H_OK(listen(fd, 16));
	len = sizeof(sun);
	H_OK(getsockname(fd, (struct sockaddr *)&sun, &len));
	h_prefork(2, fd, serve);
	for (unsigned i = 0; i < 50; i++) {
		int client = H_OK(socket(AF_UNIX, SOCK_STREAM, 0));
		char buf[8];

		H_OK(connect(client, (struct sockaddr *)&sun, len));
		H_CHECK(recv(client, buf, sizeof(buf), MSG_WAITALL) == sizeof(buf));
		H_OK(close(client));
	}
	h_say("Unix: 50 answered");
	len = sizeof(value);
	H_TELL(getsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &value, &len));
	left_alone("Unix", fd);
	h_end_workers();
}

static void datagrams(const char *what, int type, int protocol)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, type | SOCK_NONBLOCK, protocol), one = 1, value = 0;
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = 5 };
	int ep = H_OK(epoll_create1(0));
	socklen_t len = sizeof(value);

	if (fd < 0) {
		h_say("%s: %s", what, strerrorname_np(errno));
		left_alone(what, fd);
		return;
	}
	H_OK(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)));
	H_OK(bind(fd, (struct sockaddr *)&sin, sizeof(sin)));
	H_OK(getsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &value, &len));
	h_say("%s: SO_REUSEPORT %d", what, value);
	H_TELL(listen(fd, 4));
	H_TELL(accept(fd, NULL, NULL));
	H_TELL(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
	h_say("%s: epoll %d", what, epoll_wait(ep, &ev, 1, 0));
	left_alone(what, fd);
}

static void run(void)
{
	mptcp();
	unix_stream();
	datagrams("UDP", SOCK_DGRAM, 0);
	datagrams("raw", SOCK_RAW, 253);
}

const struct h_story h_story = {
	.expect = "MPTCP: inactive, 0 cores\n"
		  "Unix: inactive, 0 cores\n"
		  "UDP: inactive, 0 cores\n"
		  "raw: inactive, 0 cores\n",
	.run = run,
};
