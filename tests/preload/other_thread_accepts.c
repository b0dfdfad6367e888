/*
 * One thread waits with epoll, another one accepts. Promised: what the first one
 * was told of, the second one finds, in two such processes whose group is active; all are counted.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <semaphore.h>

static sem_t told, taken;
static uint32_t how;

static void accept_told(int lfd, unsigned worker)
{
	for (;;) {
		int conn;

		while (sem_wait(&told) != 0)
			;
		while ((conn = accept(lfd, NULL, NULL)) >= 0)
			h_answer(conn, worker);
		H_CHECK(errno == EAGAIN);
		sem_post(&taken);
	}
}

static void serve(int lfd, unsigned worker)
{
	struct epoll_event want = { .events = EPOLLIN | how }, got;
	int ep = H_OK(epoll_create1(0));

	(void)worker;
	H_OK(sem_init(&told, 0, 0));
	H_OK(sem_init(&taken, 0, 0));
	h_threads(1, lfd, accept_told);
	H_OK(epoll_ctl(ep, EPOLL_CTL_ADD, lfd, &want));
	for (;;) {
		if (epoll_wait(ep, &got, 1, -1) != 1)
			continue;
		sem_post(&told);
		while (sem_wait(&taken) != 0)
			;
		if (how == EPOLLONESHOT)
			H_OK(epoll_ctl(ep, EPOLL_CTL_MOD, lfd, &want));
	}
}

static void both(const char *name)
{
	int lfd = h_listener(SOCK_NONBLOCK);
	struct h_result res;
	unsigned all = 0;

	h_prefork(2, lfd, serve);
	for (unsigned i = 0; i < 10; i++) {
		h_load_on(AF_INET, h_port(lfd), 50, 1 + i, &res);
		h_say("%s: %u and %u of %u answered", name, res.answered[0], res.answered[1], res.asked);
		all += res.answered[0] + res.answered[1];
	}
	h_report("%s: %s", name, h_active() ? "active" : "inactive");
	h_end_workers();
	/* Accepting threads that are no workers count, too. */
	if (h_active() && h_counted(lfd) != all)
		h_report("%s: %llu of %u connections were counted", name, (unsigned long long)h_counted(lfd), all);
	H_OK(close(lfd));
}

static void run(void)
{
	both("level");
	how = EPOLLONESHOT;
	both("one-shot");
}

const struct h_story h_story = { .expect = "level: active\none-shot: active\n", .run = run };
