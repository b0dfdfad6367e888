/*
 * A worker is killed and its master starts another one, as nginx does; clients come
 * in between. Promised: what was waiting in the dead worker's queue is served by
 * the new one, which has its CPU.
 */
#define _GNU_SOURCE
#include "serve.h"

static pid_t start(int lfd, unsigned worker, unsigned delay_ms)
{
	pid_t pid = fork();

	H_CHECK(pid >= 0);
	if (pid == 0) {
		h_sleep_ms(delay_ms);
		h_serve(lfd, worker);
	}
	return pid;
}

static void run(void)
{
	struct h_result res;
	pid_t pid[2];
	int lfd;

	h_serve_as(H_LOOP_EPOLL);
	lfd = h_serve_listener();
	for (unsigned i = 0; i < 2; i++)
		pid[i] = start(lfd, i, 0);
	h_warm_up(lfd);
	h_report_state(lfd);
	for (unsigned round = 0; round < 6; round++) {
		unsigned victim = round % 2;

		H_OK(kill(pid[victim], SIGKILL));
		H_CHECK(waitpid(pid[victim], NULL, 0) == pid[victim]);
		/* The clients are there before it. */
		pid[victim] = start(lfd, 10 + round, 30);
		h_load(h_port(lfd), 50, &res);
		h_say("round %u: %u and %u of %u answered", round, res.answered[0], res.answered[1], res.asked);
	}
	for (unsigned round = 0; h_present() && round < 50; round++) {
		h_load(h_port(lfd), 50, &res);
		if (res.here[0] == 50 && res.here[1] == 50) {
			h_report("local again");
			break;
		}
	}
	for (unsigned i = 0; i < 2; i++) {
		H_OK(kill(pid[i], SIGKILL));
		H_CHECK(waitpid(pid[i], NULL, 0) == pid[i]);
	}
}

const struct h_story h_story = { .expect = "active\nlocal again\n", .run = run };
