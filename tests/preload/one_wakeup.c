/*
 * A worker is stuck, a connection waits for it, and the one that is woken for it takes its
 * time: it was stopped while it slept. Promised: it is woken once for that
 * connection, not again at every look; and no more often than there are connections.
 */
#define _GNU_SOURCE
#include "serve.h"

#define MORE 5

static bool is(int pid, char wanted)
{
	char path[64], state = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	H_CHECK(f != NULL && fscanf(f, "%*d (%*[^)]) %c", &state) == 1);
	H_OK(fclose(f));
	return state == wanted;
}

static bool sleeps(void *pid)
{
	return is(*(int *)pid, 'S');
}

static bool stopped(void *pid)
{
	return is(*(int *)pid, 'T');
}

static bool woken_since(void *before)
{
	return !h_present() || h_counts().woken > *(uint64_t *)before;
}

static void run(void)
{
	int lfd;

	h_serve_as(H_LOOP_EPOLL);
	lfd = h_serve_listener();
	h_prefork(2, lfd, h_serve);
	h_warm_up(lfd);
	for (unsigned client = 0; client < H_CPUS; client++) {
		struct h_stuck s;
		int fd[1 + MORE], pid;
		unsigned answered = 0;
		uint64_t before;

		H_CHECK(h_all_local(lfd));
		s = h_stick(h_port(lfd), client, H_STICK_BLOCK);
		pid = h_worker[!s.worker].pid;
		H_CHECK(h_until(sleeps, &pid));
		H_OK(kill(pid, SIGSTOP));
		H_CHECK(h_until(stopped, &pid));
		before = h_counts().woken;
		fd[0] = h_connect_from(client, h_port(lfd));
		H_CHECK(h_until(woken_since, &before));
		/* Hundreds of looks. */
		h_sleep_ms(300);
		h_report("woken %llu times for 1", (unsigned long long)(h_counts().woken - before));
		for (unsigned i = 1; i <= MORE; i++)
			fd[i] = h_connect_from(client, h_port(lfd));
		H_OK(kill(pid, SIGCONT));
		for (unsigned i = 0; i <= MORE; i++)
			answered += h_answered_by(fd[i]) == !s.worker;
		h_say("%u of %u answered by the one that was woken", answered, 1 + MORE);
		if (h_counts().woken - before > 1 + MORE)
			h_report("woken %llu times for %u", (unsigned long long)(h_counts().woken - before), 1 + MORE);
		h_unstick(s);
	}
	h_report(h_active() ? "active" : "inactive");
}

const struct h_story h_story = {
	.env = "FASTSOCK_STEAL=on\n",
	.expect = "woken 1 times for 1\nwoken 1 times for 1\nactive\n",
	.run = run,
};
