/*
 * What the stealing thread is to the program: one in each process that has a
 * worker, none elsewhere; it may run on all CPUs, though its worker is bound to one; no
 * signal of the program's is handled there, and setuid() and its kin, which have every
 * thread of the process take part, do not wait for it in vain.
 */
#define _GNU_SOURCE
#include "serve.h"

#include <dirent.h>
#include <sys/mman.h>
#include <sys/syscall.h>

/* SIGKILL and SIGSTOP cannot be blocked, and 32 and 33 are libc's own. */
#define BLOCKED "fffffffe7ffbfeff"

static struct {
	_Atomic int order, done;
	_Atomic int handled_by;
} *shared;

static void on_signal(int sig)
{
	(void)sig;
	shared->handled_by = (int)syscall(SYS_gettid);
}

/* The value of a field of a thread's status, in `text`. */
static void field(int pid, int tid, const char *name, char *text, size_t len)
{
	char path[64], line[256];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/status", pid, tid);
	f = fopen(path, "re");
	H_CHECK(f != NULL);
	*text = '\0';
	while (fgets(line, sizeof(line), f))
		if (strncmp(line, name, strlen(name)) == 0 && line[strlen(name)] == ':')
			snprintf(text, len, "%.*s", (int)strcspn(line + strlen(name) + 2, "\n"), line + strlen(name) + 2);
	H_OK(fclose(f));
}

static void describe(const char *who, int pid)
{
	char path[64], text[256], both[32];
	unsigned n = 0;
	struct dirent *e;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	snprintf(both, sizeof(both), h_cpu[1] == h_cpu[0] + 1 ? "%u-%u" : "%u,%u", h_cpu[0], h_cpu[1]);
	dir = opendir(path);
	H_CHECK(dir != NULL);
	while ((e = readdir(dir))) {
		int tid = atoi(e->d_name);

		if (e->d_name[0] == '.')
			continue;
		field(pid, tid, "Name", text, sizeof(text));
		if (strcmp(text, "fastsock-steal") != 0)
			continue;
		n++;
		field(pid, tid, "SigBlk", text, sizeof(text));
		if (strcmp(text, BLOCKED) != 0)
			h_report("%s: signals %s are blocked", who, text);
		field(pid, tid, "Cpus_allowed_list", text, sizeof(text));
		if (strcmp(text, both) != 0)
			h_report("%s: it may run on %s", who, text);
	}
	closedir(dir);
	h_report("%s: %u", who, n);
}

/* In a worker: a signal that its own threads do not want at the moment stays pending. */
static void try_signals(void)
{
	struct sigaction sa = { .sa_handler = on_signal };
	sigset_t one, pending;

	sigemptyset(&one);
	sigaddset(&one, SIGUSR1);
	H_OK(sigaction(SIGUSR1, &sa, NULL));
	H_CHECK(sigprocmask(SIG_BLOCK, &one, NULL) == 0);
	H_OK(kill(getpid(), SIGUSR1));
	h_sleep_ms(50);
	H_OK(sigpending(&pending));
	H_CHECK(sigismember(&pending, SIGUSR1));
	H_CHECK(shared->handled_by == 0);
	H_CHECK(sigprocmask(SIG_UNBLOCK, &one, NULL) == 0);
	H_CHECK(shared->handled_by == gettid());
	H_OK(setegid(getegid()));
	H_OK(seteuid(geteuid()));
	H_OK(setuid(getuid()));
}

static void each(int lfd, unsigned worker)
{
	(void)lfd;
	if (shared->order != (int)worker + 1)
		return;
	try_signals();
	shared->order = 0;
	shared->done = 1;
}

static bool done(void *unused)
{
	(void)unused;
	return shared->done;
}

static void run(void)
{
	int lfd;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	H_CHECK(shared != MAP_FAILED);
	h_serve_as(H_LOOP_EPOLL);
	h_serve_each = each;
	lfd = h_serve_listener();
	h_prefork(2, lfd, h_serve);
	h_warm_up(lfd);
	h_all_local(lfd);
	describe("master", getpid());
	for (unsigned i = 0; i < 2; i++) {
		describe("worker", h_worker[i].pid);
		shared->done = 0;
		shared->order = (int)i + 1;
		H_CHECK(h_until(done, NULL));
		shared->handled_by = 0;
		h_say("worker %u: signals and setuid() as ever", i);
	}
	h_end_workers();
	/* Threads: still one. */
	h_serve_each = NULL;
	H_OK(close(lfd));
	h_serve_as(H_LOOP_ACCEPT);
	lfd = h_serve_listener();
	h_threads(4, lfd, h_serve);
	h_warm_up(lfd);
	h_all_local(lfd);
	describe("four workers in a process", getpid());
	H_OK(seteuid(geteuid()));
	h_say("setuid() among threads as ever");
}

const struct h_story h_story = {
	.expect = "master: 0\nworker: 1\nworker: 1\nfour workers in a process: 1\n",
	.run = run,
};
