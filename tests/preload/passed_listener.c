/*
 * A listener comes over a Unix socket, under the number of another one that was
 * closed behind the library's back. Promised: this number means what came, as
 * without the library.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <sys/syscall.h>

static void pass(int over, int fd)
{
	char byte = 0;
	struct iovec iov = { &byte, 1 };
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	*c = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(fd)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	H_CHECK(sendmsg(over, &msg, 0) == 1);
}

static int receive(int over)
{
	char byte;
	int fd;
	struct iovec iov = { &byte, 1 };
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };

	H_CHECK(recvmsg(over, &msg, 0) == 1 && CMSG_FIRSTHDR(&msg));
	memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(fd));
	return fd;
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
	int old = h_listener(SOCK_NONBLOCK), sv[2], got;
	struct h_result res;
	socklen_t len = sizeof(int);
	int value = 1;
	uint16_t port;

	H_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, sv));
	h_activate(old);
	h_report(h_active() ? "active" : "inactive");
	if (h_fork() == 0) {
		/*
		 * Its own, which it keeps open, and does not serve. It differs from the other one
		 * in an option.
		 */
		struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
		int theirs = H_OK(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));

		H_OK(setsockopt(theirs, SOL_SOCKET, SO_REUSEPORT, &value, sizeof(value)));
		H_OK(bind(theirs, (struct sockaddr *)&sin, sizeof(sin)));
		H_OK(listen(theirs, 511));
		pass(sv[1], theirs);
		for (;;)
			pause();
	}
	H_CHECK(h_wait_readable(sv[0]));
	/* The lowest number that is free. */
	H_CHECK(syscall(SYS_close, old) == 0);
	got = receive(sv[0]);
	h_say("under the same number: %s", got == old ? "yes" : "no");
	value = -1;
	H_TELL(getsockopt(got, SOL_SOCKET, SO_REUSEPORT, &value, &len));
	h_say("SO_REUSEPORT: %d", value);
	port = h_port(got);
	h_prefork(2, got, serve);
	for (unsigned i = 0; i < 10; i++) {
		h_load(port, 20, &res);
		h_say("%u and %u of %u answered", res.answered[0], res.answered[1], res.asked);
	}
	h_report("%zu cores", h_cores(got));
}

const struct h_story h_story = { .expect = "active\n0 cores\n", .run = run };
