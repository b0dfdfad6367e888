/* Stuck workers (stuck.h) that wait with epoll, as processes. */
#define _GNU_SOURCE
#include "stuck.h"

static void run(void)
{
	stuck_in(H_LOOP_EPOLL, h_prefork);
}

const struct h_story h_story = { .env = "FASTSOCK_STEAL=on\n", .expect = STUCK_IN, .run = run };
