/* Stuck workers (stuck.h) with edge-triggered and one-shot registrations. */
#define _GNU_SOURCE
#include "stuck.h"

static void run(void)
{
	stuck_in(H_LOOP_EDGE, h_prefork);
	stuck_in(H_LOOP_ONESHOT, h_prefork);
}

const struct h_story h_story = { .env = "FASTSOCK_STEAL=on\n", .expect = STUCK_IN STUCK_IN, .run = run };
