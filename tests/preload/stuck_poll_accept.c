/* Stuck workers (stuck.h) that wait with poll() or are blocked in accept(), as processes. */
#define _GNU_SOURCE
#include "stuck.h"

static void run(void)
{
	stuck_in(H_LOOP_POLL, h_prefork);
	stuck_in(H_LOOP_ACCEPT, h_prefork);
}

const struct h_story h_story = { .env = "FASTSOCK_STEAL=on\n", .expect = STUCK_IN STUCK_IN, .run = run };
