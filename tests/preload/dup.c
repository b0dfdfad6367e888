/*
 * Listeners that are duplicated, before and after they are fanned out; one of the
 * duplicates is closed. Promised: they are all the same listener, with the numbers
 * that the kernel would have given.
 */
#define _GNU_SOURCE
#include "harness.h"


/* dup2() onto something else that was a listener makes that one go away. */
static void replace(void)
{
	int gone = h_listener(SOCK_NONBLOCK), p[2];
	uint16_t port = h_port(gone);

	H_OK(pipe(p));
	H_TELL(dup2(p[0], gone));
	H_TELL(h_connect(port));
	H_TELL(accept(gone, NULL, NULL));
	H_TELL(fcntl(gone, F_GETFL));
	H_OK(close(gone));
	H_OK(close(p[0]));
	H_OK(close(p[1]));
}

static void duplicate(int lfd)
{
	int fd[6], conn, client;

	fd[0] = H_OK(dup(lfd));
	fd[1] = H_OK(dup2(lfd, 60));
	fd[2] = H_OK(dup3(lfd, 61, O_CLOEXEC));
	fd[3] = H_OK(fcntl(lfd, F_DUPFD, 62));
	fd[4] = H_OK(fcntl(lfd, F_DUPFD_CLOEXEC, 63));
	fd[5] = H_OK(dup2(lfd, lfd));
	H_TELL(dup3(lfd, lfd, 0));
	H_TELL(dup2(lfd, -1));
	H_TELL(fcntl(lfd, F_DUPFD, -1));
	for (unsigned i = 0; i < 6; i++) {
		struct epoll_event ev = { .events = EPOLLIN, .data.u32 = i };
		int ep = H_OK(epoll_create1(0));

		h_say("duplicate %u has number %d, flags %d", i, fd[i], fcntl(fd[i], F_GETFD));
		H_OK(epoll_ctl(ep, EPOLL_CTL_ADD, fd[i], &ev));
		client = H_OK(h_connect(h_port(fd[i])));
		H_CHECK(epoll_wait(ep, &ev, 1, H_PATIENCE * 1000) == 1 && ev.data.u32 == i);
		H_CHECK(h_wait_readable(fd[i]));
		H_TELL(conn = accept(fd[i], NULL, NULL));
		H_OK(close(conn));
		H_OK(close(client));
		H_OK(epoll_ctl(ep, EPOLL_CTL_DEL, fd[i], NULL));
		H_OK(close(ep));
		/* The last one is the listener itself. */
		if (i < 5)
			H_OK(close(fd[i]));
		H_CHECK(i == 5 || accept(fd[i], NULL, NULL) < 0);
	}
}

/* Waited for under a new number each time, as by a program that duplicates what it watches. */
static void churn(int lfd)
{
	int ep = H_OK(epoll_create1(0)), before = 0, next;

	for (int fd = 500; fd < 800; fd++) {
		struct epoll_event ev = { .events = EPOLLIN };

		H_OK(dup2(lfd, fd));
		H_OK(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
		H_CHECK(epoll_wait(ep, &ev, 1, 0) == 0);
		H_OK(epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL));
		H_OK(close(fd));
		if (fd == 510)
			before = h_descriptors();
	}
	next = h_descriptors();
	h_say("descriptors are left behind: %s", next == before ? "no" : "yes");
	if (next != before)
		h_report("%d descriptors more", next - before);
	H_OK(close(ep));
}

static int kept;

static void serve(int lfd, unsigned worker)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = H_OK(epoll_create1(0));

	(void)lfd;
	H_OK(epoll_ctl(ep, EPOLL_CTL_ADD, kept, &ev));
	for (;;) {
		int conn;

		if (epoll_wait(ep, &ev, 1, -1) != 1)
			continue;
		while ((conn = accept(kept, NULL, NULL)) >= 0)
			h_answer(conn, worker);
	}
}

static void run(void)
{
	int lfd = h_listener(SOCK_NONBLOCK);

	replace();
	h_say("== alone");
	duplicate(lfd);
	h_activate(lfd);
	h_say("== two workers");
	duplicate(lfd);
	churn(lfd);
	h_report(h_active() ? "active" : "inactive");
	h_end_workers();
	/* The listener lives on as its duplicate. */
	kept = H_OK(dup(lfd));
	H_OK(close(lfd));
	h_prefork(2, kept, serve);
	h_shape(kept);
}

const struct h_story h_story = { .expect = "active\n" H_LOCAL, .run = run };
