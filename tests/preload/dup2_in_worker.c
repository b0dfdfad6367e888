/*
 * Workers that use numbers of their own choice for their descriptors, and hit on
 * those that the library hides, while they serve. Promised: dup2() gives them the
 * number, and the service goes on with both.
 */
#define _GNU_SOURCE
#include "numbers.h"
#include "serve.h"

#include <sys/mman.h>

static _Atomic int *turn; /* worker that is to take the numbers, + 1; negative: it has */

static void each(int lfd, unsigned worker)
{
	(void)lfd;
	if (*turn != (int)worker + 1)
		return;
	h_take_numbers(worker ? "second worker" : "first worker");
	*turn = -1;
}

/* The descriptors that the loop makes are the program's own. */
static void serve(int lfd, unsigned worker)
{
	h_serve_made = h_know;
	h_serve(lfd, worker);
}

static bool taken(void *arg)
{
	(void)arg;
	return *turn == -1;
}

static void run(void)
{
	int lfd;

	turn = mmap(NULL, sizeof(*turn), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	H_CHECK(turn != MAP_FAILED);
	h_serve_as(H_LOOP_EPOLL);
	h_serve_each = each;
	h_know_all();
	lfd = h_serve_listener();
	h_know(lfd);
	h_prefork(2, lfd, serve);
	h_shape(lfd);
	for (int worker = 0; worker < 2; worker++) {
		*turn = worker + 1;
		H_CHECK(h_until(taken, NULL));
		h_shape(lfd);
	}
}

const struct h_story h_story = {
	.expect = H_LOCAL "first worker: taken\n" H_LOCAL "second worker: taken\n" H_LOCAL,
	.run = run,
};
