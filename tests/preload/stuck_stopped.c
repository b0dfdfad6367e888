/*
 * A worker is stopped by a signal, while it waits and while it runs, and continued
 * later. Promised: its CPU's connections are answered by the other one meanwhile, and
 * by itself afterwards.
 */
#define _GNU_SOURCE
#include "serve.h"

static bool stopped(void *pid)
{
	char path[64], state = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", *(int *)pid);
	f = fopen(path, "re");
	H_CHECK(f != NULL && fscanf(f, "%*d (%*[^)]) %c", &state) == 1);
	H_OK(fclose(f));
	return state == 'T';
}

static void stop(unsigned worker)
{
	int pid = h_worker[worker].pid;

	H_OK(kill(pid, SIGSTOP));
	H_CHECK(h_until(stopped, &pid));
}

static void others(int lfd, const char *when, unsigned worker)
{
	h_say("%s: %s", when, h_all_by(h_port(lfd), !worker) ? "answered by the other one" : "not all answered by the other one");
}

static void own_again(int lfd, unsigned worker)
{
	static uint64_t rescued;
	uint64_t now = h_counts().rescued;

	/* Not only because its queue was long, which takes longer. */
	h_report(now > rescued ? "rescued" : "not rescued");
	rescued = now;
	H_OK(kill(h_worker[worker].pid, SIGCONT));
	h_report(h_all_local(lfd) ? "its own again" : "not its own again");
}

static void run(void)
{
	int lfd;

	h_serve_as(H_LOOP_EPOLL);
	lfd = h_serve_listener();
	h_prefork(2, lfd, h_serve);
	h_warm_up(lfd);
	H_CHECK(h_all_local(lfd));
	for (unsigned w = 0; w < 2; w++) {
		stop(w);
		others(lfd, "stopped while it waits", w);
		others(lfd, "later", w);
		own_again(lfd, w);
	}
	for (unsigned client = 0; client < H_CPUS; client++) {
		struct h_stuck s = h_stick(h_port(lfd), client, H_STICK_COMPUTE);

		stop(s.worker);
		others(lfd, "stopped while it runs", s.worker);
		others(lfd, "later", s.worker);
		H_OK(kill(h_worker[s.worker].pid, SIGCONT));
		h_unstick(s);
		own_again(lfd, s.worker);
	}
	h_report(h_active() ? "active" : "inactive");
}

#define AGAIN "rescued\nits own again\n"

const struct h_story h_story = {
	.env = "FASTSOCK_STEAL=on\n",
	.expect = AGAIN AGAIN AGAIN AGAIN "active\n",
	.run = run,
};
