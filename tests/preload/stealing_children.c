/*
 * Workers whose process has a stealing thread fork, execute and become daemons.
 * Promised: a child has no such thread until it is a worker itself, and then one; what
 * it executes has nothing of ours; a daemon serves on.
 */
#define _GNU_SOURCE
#include "serve.h"

#include <dirent.h>
#include <stdatomic.h>
#include <sys/mman.h>

enum order { NOTHING, FORK, FORK_AND_SERVE, EXEC, DAEMON };

static struct {
	_Atomic int order; /* for the first worker that looks */
	_Atomic int threads, descriptors;
	_Atomic int done;
	_Atomic int child;
} *shared;

/* Entries of a directory of /proc/self, whose names start with a number. */
static int entries(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	int n = 0;

	H_CHECK(dir != NULL);
	while ((e = readdir(dir)))
		n += e->d_name[0] != '.' && atoi(e->d_name) != dirfd(dir);
	closedir(dir);
	return n;
}

static void tell(void)
{
	shared->threads = entries("/proc/self/task");
	shared->done = 1;
}

static void child(int order, int lfd)
{
	char *const argv[] = { (char *)h_self, "executed", NULL };

	/* Whatever becomes of the story, it ends. */
	alarm(3 * H_PATIENCE);
	shared->child = getpid();
	if (order == FORK) {
		tell();
		_exit(0);
	}
	if (order == EXEC) {
		execv(h_self, argv);
		_exit(99);
	}
	/* A worker of its own, with an instance of its own. */
	h_serve_each = NULL;
	shared->done = 1;
	h_serve(lfd, 2);
}

static void each(int lfd, unsigned worker)
{
	int order = worker == 0 ? atomic_exchange(&shared->order, NOTHING) : NOTHING;
	pid_t pid;
	int status;

	if (order == NOTHING)
		return;
	if (order == DAEMON) {
		H_OK(daemon(1, 1));
		alarm(3 * H_PATIENCE);
		shared->child = getpid();
		tell();
		return;
	}
	pid = H_OK(fork());
	if (pid == 0)
		child(order, lfd);
	if (order == FORK || order == EXEC) {
		H_CHECK(waitpid(pid, &status, 0) == pid && status == 0);
		shared->done = 1;
	}
}

static bool done(void *unused)
{
	(void)unused;
	return shared->done;
}

static void give(enum order order)
{
	shared->done = 0;
	shared->order = order;
	H_CHECK(h_until(done, NULL));
}

static bool serves(void *worker)
{
	struct h_result res;
	unsigned w = *(unsigned *)worker;

	if (h_worker[w].served)
		return true;
	h_load_on(AF_INET, *(uint16_t *)((char *)worker + sizeof(unsigned)), 16, 8, &res);
	return h_worker[w].served != 0;
}

static int threads_of(int pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	return entries(path);
}

static void beside_stuck(int lfd)
{
	for (unsigned client = 0; client < H_CPUS; client++) {
		struct h_stuck s = h_stick(h_port(lfd), client, H_STICK_BLOCK);

		h_say("beside a stuck worker: %s",
		      h_answered_by(h_connect_from(client, h_port(lfd))) < H_WORKERS_MAX ? "answered" : "lost");
		h_unstick(s);
	}
}

static void run(void)
{
	struct {
		unsigned worker;
		uint16_t port;
	} third = { 2, 0 };
	struct h_result res;
	int lfd;

	if (h_arg) {
		h_say("executed: %d threads, %d descriptors, %s", entries("/proc/self/task"), entries("/proc/self/fd"),
		      h_active() ? "active" : "inactive");
		fflush(stdout);
		_exit(0);
	}
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	H_CHECK(shared != MAP_FAILED);
	h_serve_as(H_LOOP_EPOLL);
	h_serve_each = each;
	lfd = h_listener(SOCK_NONBLOCK | SOCK_CLOEXEC);
	third.port = h_port(lfd);
	h_prefork(2, lfd, h_serve);
	h_warm_up(lfd);
	h_all_local(lfd);
	h_report("worker: %d threads", threads_of(h_worker[0].pid));

	give(FORK);
	h_say("forked: %d threads", shared->threads);
	give(EXEC);
	H_CHECK(h_all_local(lfd));
	give(FORK_AND_SERVE);
	H_CHECK(h_until(serves, &third));
	h_all_local(lfd);
	h_report("forked, and a worker itself: %d threads", threads_of(shared->child));
	beside_stuck(lfd);
	H_OK(kill(shared->child, SIGKILL));

	give(DAEMON);
	h_say("daemon: %d threads at first", shared->threads);
	beside_stuck(lfd);
	h_load(h_port(lfd), 20, &res);
	h_say("served on: %u and %u of %u answered", res.answered[0], res.answered[1], res.asked);
	H_OK(kill(shared->child, SIGKILL));
	h_report(h_active() ? "active" : "inactive");
}

const struct h_story h_story = {
	.env = "FASTSOCK_STEAL=on\n",
	.expect = "worker: 2 threads\nforked, and a worker itself: 2 threads\nactive\n",
	.run = run,
};
