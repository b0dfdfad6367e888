/*
 * A worker waits for two listeners. It is woken for a connection of a stuck one, at the
 * first listener, and takes that one out instead of accepting, as a server does that is
 * full. Promised: the second listener, where nothing waits, does not keep it awake.
 */
#define _GNU_SOURCE
#include "serve.h"

#include <sys/mman.h>

/* Whose worker gets stuck, and whose is full. */
enum { STUCK, FULL };
/* Wakes for nothing that a worker may see in a tenth of a second; without an end, it would see thousands. */
#define SOME 20
#define WINDOWS 20

static struct {
	_Atomic int block, blocked;
	_Atomic int full, out;
	_Atomic unsigned vain; /* times that FULL was told of the second listener for nothing */
} *shared;
static int lfd[2];

static void take(int from, unsigned worker)
{
	int conn = accept(from, NULL, NULL);

	if (conn >= 0)
		h_answer(conn, worker);
	else if (worker == FULL && from == lfd[1])
		shared->vain++;
}

static void serve(int unused, unsigned worker)
{
	struct epoll_event ev[2] = { { .events = EPOLLIN, .data.u32 = 0 }, { .events = EPOLLIN, .data.u32 = 1 } };
	int ep = H_OK(epoll_create1(0));

	(void)unused;
	h_pin(h_cpu[worker]);
	for (unsigned i = 0; i < 2; i++)
		H_OK(epoll_ctl(ep, EPOLL_CTL_ADD, lfd[i], &ev[i]));
	for (;;) {
		struct epoll_event got[2];
		int n = epoll_wait(ep, got, 2, 5);

		if (worker == FULL && shared->out && !shared->full) {
			H_OK(epoll_ctl(ep, EPOLL_CTL_ADD, lfd[0], &ev[0]));
			shared->out = 0;
		}
		for (int i = 0; i < n; i++) {
			if (worker == FULL && shared->full && got[i].data.u32 == 0) {
				H_OK(epoll_ctl(ep, EPOLL_CTL_DEL, lfd[0], NULL));
				shared->out = 1;
				continue;
			}
			take(lfd[got[i].data.u32], worker);
		}
		while (worker == STUCK && shared->block) {
			shared->blocked = 1;
			h_sleep_ms(1);
		}
	}
}

static bool is_set(void *flag)
{
	return *(_Atomic int *)flag != 0;
}

static bool is_clear(void *flag)
{
	return *(_Atomic int *)flag == 0;
}

/* Until it has slept for a while: for a moment it may be told of what is gone already. */
static void calm(const char *when)
{
	unsigned n = SOME + 1;

	for (unsigned i = 0; n > SOME && i < WINDOWS; i++) {
		shared->vain = 0;
		h_sleep_ms(100);
		n = shared->vain;
	}
	if (n > SOME)
		h_say("%s: woken %u times in vain", when, n);
	else
		h_say("%s: it sleeps", when);
}

static void run(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	H_CHECK(shared != MAP_FAILED);
	for (unsigned i = 0; i < 2; i++)
		lfd[i] = h_listener(SOCK_NONBLOCK);
	h_prefork(2, -1, serve);
	for (unsigned i = 0; i < 2; i++)
		h_warm_up(lfd[i]);
	for (unsigned round = 0; round < 2; round++) {
		int fd;

		for (unsigned i = 0; i < 2; i++)
			H_CHECK(h_all_local(lfd[i]));
		shared->blocked = 0;
		shared->block = 1;
		H_CHECK(h_until(is_set, &shared->blocked));
		shared->full = 1;
		fd = h_connect_from(STUCK, h_port(lfd[0]));
		H_CHECK(h_until(is_set, &shared->out));
		calm("full");
		h_say("the second listener: %s",
		      h_answered_by(h_connect_from(FULL, h_port(lfd[1]))) == FULL ? "answered" : "not answered");
		calm("still full");
		shared->block = 0;
		h_say("the connection: %s", h_answered_by(fd) == STUCK ? "its own worker answers" : "not answered");
		calm("nobody is stuck");
		shared->full = 0;
		H_CHECK(h_until(is_clear, &shared->out));
	}
	h_report(h_active() ? "active" : "inactive");
}

const struct h_story h_story = { .env = "FASTSOCK_STEAL=on\n", .expect = "active\n", .run = run };
