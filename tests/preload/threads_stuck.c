/* Stuck workers (stuck.h) that are threads, with epoll, with poll(), or blocked in accept(): the makefile says which. */
#define _GNU_SOURCE
#include "stuck.h"

static void run(void)
{
	stuck_in(LOOP, h_threads);
}

const struct h_story h_story = { .env = "FASTSOCK_STEAL=on\n", .expect = STUCK_IN, .run = run };
