/*
 * What an executed program inherits, from the process that listens and from a
 * worker, by fork(), vfork(), posix_spawn() and system(). Promised: the same
 * descriptors as without the library, and a new descriptor gets the same number.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <dirent.h>
#include <spawn.h>

extern char **environ;

/* Another program: to the same one, with a listener left open, the library hands the listener's group over. */
static const char other[] = "./other-program";

static void list(void)
{
	bool open_fd[4096] = { false };
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *d;

	H_CHECK(dir != NULL);
	while ((d = readdir(dir)) != NULL) {
		unsigned fd = (unsigned)atoi(d->d_name);

		if (d->d_name[0] == '.' || (int)fd == dirfd(dir))
			continue;
		if (fd < 4096)
			open_fd[fd] = true;
		else
			h_say("  %u", fd);
	}
	closedir(dir);
	for (unsigned fd = 0; fd < 4096; fd++)
		if (open_fd[fd])
			h_say("  %u", fd);
	h_say("  next: %d", dup(0));
}

static void await(pid_t pid)
{
	int status;

	H_CHECK(waitpid(pid, &status, 0) == pid);
	H_CHECK(status == 0);
}

static void check(const char *what)
{
	char *const argv[] = { (char *)other, "list", NULL };
	char command[4096];
	pid_t pid;

	h_say("== %s", what);
	h_say("fork");
	pid = H_OK(fork());
	if (pid == 0) {
		execv(other, argv);
		_exit(99);
	}
	await(pid);
	h_say("vfork");
	pid = vfork();
	if (pid == 0) {
		execve(other, argv, environ);
		_exit(99);
	}
	await(pid);
	h_say("posix_spawn");
	H_CHECK(posix_spawn(&pid, other, NULL, NULL, argv, environ) == 0);
	await(pid);
	h_say("system");
	snprintf(command, sizeof(command), "exec '%s' list", other);
	H_CHECK(system(command) == 0);
}

static void run(void)
{
	int lfd, keeps;

	char command[4096];

	if (h_arg) {
		list();
		return;
	}
	/* Stories run in a directory of their own. */
	snprintf(command, sizeof(command), "cp '%s' '%s'", h_self, other);
	H_CHECK(system(command) == 0);
	check("before listen()");
	lfd = h_listener(SOCK_CLOEXEC);
	keeps = h_listener(0);
	check("listening");
	h_activate(keeps);
	h_activate(lfd);
	check("worker");
	h_report(h_active() ? "active" : "inactive");
	h_say("next: %d", dup(0));
}

const struct h_story h_story = { .expect = "active\n", .run = run };
