/*
 * A master that uses numbers of its own choice for its descriptors, and hits on
 * those that the library hides: before its listener is fanned out, and after that.
 * Promised: dup2() gives it the number, and the service goes on, with all workers,
 * and with the ones that it starts later.
 */
#define _GNU_SOURCE
#include "numbers.h"
#include "serve.h"

static void run(void)
{
	int lfd;

	h_serve_as(H_LOOP_EPOLL);
	h_know_all();
	lfd = h_serve_listener();
	h_know(lfd);
	h_take_numbers("before");
	h_prefork(2, lfd, h_serve);
	h_shape(lfd);
	h_take_numbers("after");
	h_shape(lfd);
	h_end_workers();
	h_prefork(2, lfd, h_serve);
	h_shape(lfd);
}

const struct h_story h_story = {
	.expect = "before: taken\n" H_LOCAL "after: taken\n" H_LOCAL H_LOCAL,
	.run = run,
};
