/*
 * The application makes another SO_REUSEPORT socket for the address of a listener
 * that is fanned out, for new workers that wait for both; the old workers end.
 * Promised: the library withdraws with one line, and nobody is left in a queue that
 * nobody looks at.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <arpa/inet.h>

static int second = -1;

static int make(uint16_t port)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(port),
	};
	int fd = H_OK(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0)), one = 1;

	H_OK(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)));
	H_OK(bind(fd, (struct sockaddr *)&sin, sizeof(sin)));
	H_OK(listen(fd, 511));
	return fd;
}

static volatile sig_atomic_t end;

static void on_term(int sig)
{
	end = sig;
}

static void serve(int lfd, unsigned worker)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = lfd };
	int ep = H_OK(epoll_create1(0));

	signal(SIGTERM, on_term);
	H_OK(epoll_ctl(ep, EPOLL_CTL_ADD, lfd, &ev));
	ev.data.fd = second;
	if (second >= 0)
		H_OK(epoll_ctl(ep, EPOLL_CTL_ADD, second, &ev));
	while (!end) {
		int conn;

		if (epoll_wait(ep, &ev, 1, 5) == 1 && (conn = accept(ev.data.fd, NULL, NULL)) >= 0)
			h_answer(conn, worker);
	}
	/* As a server ends: what it has not accepted stays for the others. */
	exit(0);
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
	int lfd = make(0);
	pid_t old[2];

	for (unsigned i = 0; i < 2; i++) {
		old[i] = H_OK(fork());
		if (old[i] == 0)
			serve(lfd, i);
	}
	h_warm_up(lfd);
	h_report(h_active() ? "active" : "inactive");
	second = make(h_port(lfd));
	h_prefork(2, lfd, serve);
	load(lfd, "old and new workers");
	for (unsigned i = 0; i < 2; i++) {
		H_OK(kill(old[i], SIGTERM));
		H_CHECK(waitpid(old[i], NULL, 0) == old[i]);
	}
	load(lfd, "new workers");
	h_report(h_active() ? "active" : "inactive");
}

const struct h_story h_story = {
	.expect = "active\ninactive\n",
	.log = "^fastsock\\[[0-9]+\\]: warn: .*SO_REUSEPORT",
	.run = run,
};
