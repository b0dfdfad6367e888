/*
 * Who is killed between marking a core and counting the mark leaves the count wrong for
 * good: every wait of every worker would look for victims in vain, or for none at all.
 * Promised: when the dead are buried, the marks are counted anew.
 */
#define _GNU_SOURCE
#include "serve.h"

#include "core/region.h"

static int lfd;

/* Connections go on, so that a death is noticed; until then the dead one's queue is marked. */
static bool right(void *unused)
{
	struct h_result res;

	(void)unused;
	h_load(h_port(lfd), 5, &res);
	H_CHECK(res.answered[0] == 5 && res.answered[1] == 5);
	return h_counts().helpless == 0;
}

static void once(uint32_t wrong)
{
	pid_t pid[2];

	h_serve_as(H_LOOP_EPOLL);
	lfd = h_serve_listener();
	for (unsigned i = 0; i < 2; i++) {
		pid[i] = h_fork();
		if (pid[i] == 0)
			h_serve(lfd, i);
	}
	h_warm_up(lfd);
	h_report_state(lfd);
	H_CHECK(h_until(right, NULL));
	if (h_region())
		h_region()->helpless = wrong;
	H_OK(kill(pid[0], SIGKILL));
	H_CHECK(waitid(P_PID, (id_t)pid[0], NULL, WEXITED | WNOWAIT) == 0);
	H_CHECK(h_until(right, NULL));
	h_report("counted anew");
	h_end_workers();
	H_OK(close(lfd));
}

static void run(void)
{
	once(1000);
	once(UINT32_MAX);
}

#define COUNTED "active\ncounted anew\n"

const struct h_story h_story = { .env = "FASTSOCK_STEAL=on\n", .expect = COUNTED COUNTED, .run = run };
