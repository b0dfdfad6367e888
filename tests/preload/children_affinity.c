/*
 * A worker is pinned to its CPU; what it starts was not asked to be. Promised:
 * programs that it executes, by whatever way, and threads that it creates run
 * where they would without the library.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <spawn.h>

extern char **environ;

static void tell(const char *what)
{
	cpu_set_t may;

	CPU_ZERO(&may);
	H_OK(sched_getaffinity(0, sizeof(may), &may));
	h_say("%s may run on %d CPUs", what, CPU_COUNT(&may));
}

static void await(pid_t pid)
{
	int status;

	H_CHECK(waitpid(pid, &status, 0) == pid);
	H_CHECK(status == 0);
}

static void *thread(void *arg)
{
	tell(arg);
	return NULL;
}

static void run(void)
{
	char *argv[] = { (char *)h_self, NULL, NULL };
	char command[4096];
	cpu_set_t may;
	pthread_t t;
	pid_t pid;
	int lfd;

	if (h_arg) {
		tell(h_arg);
		return;
	}
	lfd = h_listener(0);
	h_activate(lfd);
	/* Asked of the kernel itself. */
	for (unsigned i = 0; h_present() && i < 100; i++) {
		struct pollfd p = { .fd = lfd, .events = POLLIN };

		poll(&p, 1, 1);
	}
	h_report(h_active() ? "active" : "inactive");
	H_OK(sched_getaffinity(0, sizeof(may), &may));
	H_CHECK(pthread_create(&t, NULL, thread, "a thread") == 0);
	H_CHECK(pthread_join(t, NULL) == 0);

	argv[1] = "a forked and executed program";
	pid = H_OK(fork());
	if (pid == 0) {
		execv(h_self, argv);
		_exit(99);
	}
	await(pid);
	argv[1] = "a vforked and executed program";
	pid = vfork();
	if (pid == 0) {
		execve(h_self, argv, environ);
		_exit(99);
	}
	await(pid);
	argv[1] = "a spawned program";
	H_CHECK(posix_spawn(&pid, h_self, NULL, NULL, argv, environ) == 0);
	await(pid);
	argv[1] = "a spawned program, searched for";
	H_CHECK(posix_spawnp(&pid, h_self, NULL, NULL, argv, environ) == 0);
	await(pid);
	snprintf(command, sizeof(command), "exec '%s' 'a program of system()'", h_self);
	H_CHECK(system(command) == 0);
	snprintf(command, sizeof(command), "exec '%s' 'a program of popen()'", h_self);
	fflush(stdout);
	FILE *f = popen(command, "r");
	char line[200];

	H_CHECK(f != NULL);
	H_CHECK(fgets(line, sizeof(line), f) != NULL);
	fputs(line, stdout);
	H_CHECK(pclose(f) == 0);
}

const struct h_story h_story = { .expect = "active\n", .run = run };
