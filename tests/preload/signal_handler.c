/*
 * A signal handler that accepts, polls, duplicates and closes, while the
 * program it interrupts does nothing but that. Promised: every call may be
 * interrupted anywhere by any other: nothing hangs and nothing is left behind.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <sys/time.h>

#define ENOUGH 2000

static int lfd;
static int ep;
static volatile sig_atomic_t handled;

static void work(int epoll)
{
	struct epoll_event ev = { .events = EPOLLIN };
	struct pollfd p = { .fd = lfd, .events = POLLIN };
	int conn, copy, other;

	poll(&p, 1, 0);
	conn = accept(lfd, NULL, NULL);
	if (conn >= 0)
		close(conn);
	copy = dup(lfd);
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, copy, &ev) == 0) {
		epoll_wait(epoll, &ev, 1, 0);
		epoll_ctl(epoll, EPOLL_CTL_DEL, copy, NULL);
	}
	close(copy);
	other = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	listen(other, 4);
	close(other);
}

static void on_alarm(int sig)
{
	int err = errno;

	(void)sig;
	work(ep);
	handled++;
	errno = err;
}

static void check(const char *what)
{
	struct sigaction sa = { .sa_handler = on_alarm };
	struct itimerval often = { { 0, 200 }, { 0, 200 } }, never = { { 0, 0 }, { 0, 0 } };
	int own = H_OK(epoll_create1(0));
	unsigned before, rounds = 0;

	work(own);
	work(ep);
	before = h_descriptors();
	handled = 0;
	H_OK(sigaction(SIGALRM, &sa, NULL));
	H_OK(setitimer(ITIMER_REAL, &often, NULL));
	while (handled < ENOUGH) {
		int client = rounds++ % 16 == 0 ? h_connect(h_port(lfd)) : -1;

		work(own);
		if (client >= 0)
			close(client);
	}
	H_OK(setitimer(ITIMER_REAL, &never, NULL));
	signal(SIGALRM, SIG_IGN);
	h_say("%s: done, %s", what, h_descriptors() == before ? "nothing left behind" : "descriptors are left behind");
	H_OK(close(own));
}

static void serve(int fd, unsigned worker)
{
	for (;;) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		int conn;

		if (poll(&p, 1, -1) == 1 && (conn = accept(fd, NULL, NULL)) >= 0)
			h_answer(conn, worker);
	}
}

static void run(void)
{
	struct h_result res;

	ep = H_OK(epoll_create1(0));
	lfd = h_listener(SOCK_NONBLOCK);
	check("alone");
	h_activate(lfd);
	check("two workers");
	h_report(h_active() ? "active" : "inactive");
	h_prefork(2, lfd, serve);
	h_load(h_port(lfd), 50, &res);
	h_say("afterwards %u and %u of %u are answered", res.answered[0], res.answered[1], res.asked);
}

const struct h_story h_story = { .expect = "active\n", .run = run };
