/*
 * Code that runs before the library's own constructor and uses what it hooks: an
 * executable's preinit functions come before every shared object's. Promised: the
 * hooks forward from the first instruction on. A listener that was made so early,
 * when not even the environment can be read, is left alone; the next one is served
 * like any other.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <sys/select.h>

static int early_listener = -1;
static int early_epoll = -1;
static bool early_ok;

static void early(int argc, char **argv, char **envp)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct epoll_event ev = { .events = EPOLLIN };
	struct timeval none = { 0, 0 };
	struct pollfd p;
	int fd, one = 1, conn;
	fd_set in;

	(void)argc;
	(void)argv;
	(void)envp;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	early_ok = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one)) == 0 &&
		   bind(fd, (struct sockaddr *)&sin, sizeof(sin)) == 0 && listen(fd, 511) == 0;
	p = (struct pollfd){ .fd = fd, .events = POLLIN };
	early_ok &= poll(&p, 1, 0) == 0;
	FD_ZERO(&in);
	FD_SET(fd, &in);
	early_ok &= select(fd + 1, &in, NULL, NULL, &none) == 0;
	conn = accept(fd, NULL, NULL);
	early_ok &= conn < 0 && errno == EAGAIN;
	early_epoll = epoll_create1(0);
	early_ok &= epoll_ctl(early_epoll, EPOLL_CTL_ADD, fd, &ev) == 0;
	early_ok &= epoll_wait(early_epoll, &ev, 1, 0) == 0;
	early_ok &= epoll_ctl(early_epoll, EPOLL_CTL_DEL, fd, NULL) == 0;
	early_ok &= close(dup(fd)) == 0;
	early_ok &= fcntl(fd, F_GETFL) == (O_RDWR | O_NONBLOCK);
	early_listener = fd;
}

__attribute__((section(".preinit_array"), used)) static void (*const early_entry)(int, char **, char **) = early;

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
	struct h_result res;
	int lfd;

	h_say("before main(): %s", early_ok ? "ok" : "wrong");
	h_say("descriptors %d and %d", early_listener, early_epoll);
	h_prefork(2, early_listener, serve);
	for (unsigned i = 0; i < 10; i++)
		h_load(h_port(early_listener), 20, &res);
	h_say("the early one: %u and %u of %u answered", res.answered[0], res.answered[1], res.asked);
	h_report_state(early_listener);
	h_end_workers();
	H_OK(close(early_listener));

	lfd = h_listener(SOCK_NONBLOCK);
	h_prefork(2, lfd, serve);
	h_shape(lfd);
}

const struct h_story h_story = { .expect = H_ALONE H_LOCAL, .run = run };
