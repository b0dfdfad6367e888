/*
 * The process whose stealing thread is the active one is stopped, or killed. Promised:
 * another process's thread takes over, so a worker that gets stuck later is helped all
 * the same; and when the stopped one goes on, everything is as before.
 */
#define _GNU_SOURCE
#include "serve.h"

#define WORKERS 3

static int lfd;

/* The worker whose process has the active thread; without the library, the first one. */
static unsigned holder(void)
{
	int lease = h_counts().lease;

	for (unsigned w = 0; lease && w < WORKERS; w++) {
		char path[64];

		snprintf(path, sizeof(path), "/proc/%d/task/%d", h_worker[w].pid, lease);
		if (access(path, F_OK) == 0)
			return w;
	}
	return h_present() ? WORKERS : 0;
}

static bool somebody_holds(void *unused)
{
	(void)unused;
	return holder() < WORKERS;
}

static void story(int sig, const char *what)
{
	struct h_stuck s[WORKERS], once_more;
	unsigned gone, helper = WORKERS, answered = 0;
	int fd[H_CPUS];

	h_serve_as(H_LOOP_EPOLL);
	lfd = h_serve_listener();
	h_prefork(WORKERS, lfd, h_serve);
	h_warm_up(lfd);
	h_nudge(WORKERS);
	H_CHECK(h_all_local(lfd));
	/* While nobody serves and something is queued, the active thread cannot go to sleep. */
	for (unsigned i = 0; i < WORKERS; i++)
		s[i] = h_stick(h_port(lfd), i % H_CPUS, H_STICK_BLOCK);
	for (unsigned c = 0; c < H_CPUS; c++)
		fd[c] = h_connect_from(c, h_port(lfd));
	H_CHECK(h_until(somebody_holds, NULL));
	gone = holder();
	H_OK(kill(h_worker[gone].pid, sig));
	for (unsigned i = 0; i < WORKERS; i++)
		if (s[i].worker != gone)
			h_unstick(s[i]);
	for (unsigned c = 0; c < H_CPUS; c++)
		answered += h_answered_by(fd[c]) < WORKERS;
	h_say("%s: %u of %u queued ones answered", what, answered, H_CPUS);
	/* Nobody marked this one before. */
	once_more = h_stick(h_port(lfd), 0, H_STICK_BLOCK);
	for (unsigned w = 0; w < WORKERS; w++)
		if (w != gone && w != once_more.worker)
			helper = w;
	h_say("a worker gets stuck: %s", h_all_by(h_port(lfd), helper) ? "the one that is left answers" : "not all answered");
	h_unstick(once_more);
	if (sig == SIGSTOP) {
		H_OK(kill(h_worker[gone].pid, SIGCONT));
		for (unsigned i = 0; i < WORKERS; i++)
			if (s[i].worker == gone)
				h_unstick(s[i]);
		h_report(h_all_local(lfd) ? "local again" : "not local again");
	}
	h_report(h_active() ? "active" : "inactive");
	h_end_workers();
	H_OK(close(lfd));
}

static void run(void)
{
	story(SIGSTOP, "stopped");
	story(SIGKILL, "killed");
}

const struct h_story h_story = {
	.env = "FASTSOCK_STEAL=on\n",
	.expect = "local again\nactive\nactive\n",
	.run = run,
};
