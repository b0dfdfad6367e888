/*
 * Children that close the listener on their way to something else: by fork() and
 * exit, by vfork() and exec (where they share the parent's memory), by fork() and
 * close_range(). Promised: the parent's listener is as it was.
 */
#define _GNU_SOURCE
#include "harness.h"

static void await(pid_t pid)
{
	int status;

	H_CHECK(waitpid(pid, &status, 0) == pid);
	H_CHECK(status == 0);
}

static void children(int lfd, int ep)
{
	struct epoll_event ev = { .events = EPOLLIN };
	pid_t pid;

	pid = vfork();
	if (pid == 0) {
		close(lfd);
		close(ep);
		execl("/bin/true", "true", (char *)NULL);
		_exit(99);
	}
	await(pid);
	pid = vfork();
	if (pid == 0) {
		dup2(0, lfd);
		epoll_ctl(ep, EPOLL_CTL_ADD, 0, &ev);
		close_range(3, ~0u, 0);
		execl("/bin/true", "true", (char *)NULL);
		_exit(99);
	}
	await(pid);
	pid = vfork();
	if (pid == 0)
		_exit(close(lfd));
	await(pid);
	pid = H_OK(fork());
	if (pid == 0)
		_exit(close(lfd));
	await(pid);
	pid = H_OK(fork());
	if (pid == 0) {
		closefrom(3);
		_exit(0);
	}
	await(pid);
}

static void serves(int lfd, int ep)
{
	for (unsigned i = 0; i < 10; i++) {
		struct epoll_event ev;
		int client;

		h_pin(h_cpu[i % H_CPUS]);
		client = H_OK(h_connect(h_port(lfd)));
		H_CHECK(epoll_wait(ep, &ev, 1, H_PATIENCE * 1000) == 1 && ev.data.u64 == 7);
		H_OK(close(H_OK(accept(lfd, NULL, NULL))));
		H_OK(close(client));
	}
	h_unpin();
	h_say("serves");
}

static void serve(int lfd, unsigned worker)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = 7 };
	int ep = H_OK(epoll_create1(0));

	H_OK(epoll_ctl(ep, EPOLL_CTL_ADD, lfd, &ev));
	for (unsigned n = 0;; n++) {
		int conn;

		if (n % 20 == 5)
			children(lfd, ep);
		if (epoll_wait(ep, &ev, 1, -1) != 1)
			continue;
		while ((conn = accept(lfd, NULL, NULL)) >= 0)
			h_answer(conn, worker);
	}
}

static void run(void)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = 7 };
	int ep = H_OK(epoll_create1(0)), lfd = h_listener(SOCK_NONBLOCK);

	H_OK(epoll_ctl(ep, EPOLL_CTL_ADD, lfd, &ev));
	children(lfd, ep);
	serves(lfd, ep);
	h_activate(lfd);
	children(lfd, ep);
	serves(lfd, ep);
	h_report(h_active() ? "active" : "inactive");
	h_end_workers();
	H_OK(close(lfd));

	lfd = h_listener(SOCK_NONBLOCK);
	h_prefork(2, lfd, serve);
	h_shape(lfd);
}

const struct h_story h_story = { .expect = "active\n" H_LOCAL, .run = run };
