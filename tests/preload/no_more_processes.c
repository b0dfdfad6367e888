/*
 * Workers that are processes without a thread, one of which may start none. Promised:
 * it keeps to the global listener and one line says why; the service is as without us.
 */
#define _GNU_SOURCE
#include "no_more.h"

static void serve(int lfd, unsigned worker)
{
	if (worker == 1)
		forbid_more();
	h_serve(lfd, worker);
}

static void run(void)
{
	struct h_result res;
	int lfd;

	need_limit();
	h_serve_as(H_LOOP_EPOLL);
	lfd = h_serve_listener();
	h_prefork(3, lfd, serve);
	for (unsigned i = 0; i < 10; i++) {
		h_load_on(AF_INET, h_port(lfd), 40, 4, &res);
		h_say("%u and %u of %u answered", res.answered[0], res.answered[1], res.asked);
	}
	h_warm_up(lfd);
	h_report_state(lfd);
	h_say("alive: %s", kill(h_worker[1].pid, 0) == 0 ? "yes" : "no");
}

const struct h_story h_story = {
	.expect = "active\n",
	.log = "^fastsock\\[[0-9]+\\]: warn: .*no stealing thread",
	.run = run,
};
