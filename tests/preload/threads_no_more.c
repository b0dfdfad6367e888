/*
 * A program that is somebody's who may start no more threads (HAProxy sets
 * RLIMIT_NPROC to 0 when its own have started). Promised: where its threads were made
 * with the listener there, ours was, too, and it serves.
 */
#define _GNU_SOURCE
#include "no_more.h"

static int lfd;
static _Atomic bool limited;

static void wait_and_serve(int fd, unsigned worker)
{
	while (!limited)
		h_sleep_ms(1);
	h_serve(fd, worker);
}

static void run(void)
{
	need_limit();
	h_serve_as(H_LOOP_EPOLL);
	lfd = h_serve_listener();
	if (h_fork() == 0) {
		h_threads(2, lfd, wait_and_serve);
		forbid_more();
		limited = true;
		for (;;)
			pause();
	}
	h_shape(lfd);
}

const struct h_story h_story = { .expect = H_LOCAL, .run = run };
