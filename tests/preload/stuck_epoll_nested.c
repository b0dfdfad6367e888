/* Stuck workers (stuck.h) whose epoll instances with the listener are in another instance. */
#define _GNU_SOURCE
#include "stuck.h"

static void run(void)
{
	stuck_in(H_LOOP_NESTED, h_prefork);
}

const struct h_story h_story = { .env = "FASTSOCK_STEAL=on\n", .expect = STUCK_IN, .run = run };
