/*
 * For stories about what one part of the library does without the other: holds the stealing
 * thread of a worker, while the worker itself goes on. By ptrace(), which the kernel lets a
 * parent do to its children. No check may fail between hold and let go: while a thread is
 * held, its process does not end, and the story neither.
 */
#ifndef FREEZE_H
#define FREEZE_H

#include "serve.h"

#include <dirent.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

/* The process's stealing thread, or 0. */
static inline int fz_thread_of(int pid)
{
	char path[64], name[32];
	struct dirent *e;
	int tid = 0;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	H_CHECK(dir != NULL);
	while (!tid && (e = readdir(dir))) {
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%d/task/%d/comm", pid, atoi(e->d_name));
		f = e->d_name[0] == '.' ? NULL : fopen(path, "re");
		if (!f)
			continue;
		if (fgets(name, sizeof(name), f) && strcmp(name, "fastsock-steal\n") == 0)
			tid = atoi(e->d_name);
		H_OK(fclose(f));
	}
	closedir(dir);
	return tid;
}

/* Number of the system call that the thread is in; -1 for none. */
static inline long fz_call_of(int tid)
{
	char path[64];
	long nr = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/syscall", tid);
	f = fopen(path, "re");
	H_CHECK(f != NULL);
	if (fscanf(f, "%ld", &nr) != 1)
		nr = -1;
	H_OK(fclose(f));
	return nr;
}

/* At first: whether there is ptrace() here at all. Without the library, too, or nothing would be skipped. */
static inline void fz_need(void)
{
	pid_t pid = h_fork();
	bool may;

	while (pid == 0)
		pause();
	may = ptrace(PTRACE_SEIZE, pid, NULL, NULL) == 0;
	h_end_workers();
	if (!may)
		h_skip("needs ptrace()");
}

/* From here on it can be held. */
static inline void fz_watch(int tid)
{
	H_OK(ptrace(PTRACE_SEIZE, tid, NULL, NULL));
}

static inline void fz_stop(int tid)
{
	int status;

	H_OK(ptrace(PTRACE_INTERRUPT, tid, NULL, NULL));
	H_CHECK(waitpid(tid, &status, __WALL) == tid && WIFSTOPPED(status));
}

/* Holds it where it sleeps, with no lock in hand. */
static inline void fz_hold(int tid)
{
	fz_watch(tid);
	for (;;) {
		long nr;

		fz_stop(tid);
		nr = fz_call_of(tid);
		if (nr == SYS_ppoll || nr == SYS_epoll_pwait)
			return;
		H_OK(ptrace(PTRACE_CONT, tid, NULL, NULL));
		h_sleep_ms(1);
	}
}

/* It stands still. */
static inline void fz_let_go(int tid)
{
	H_OK(ptrace(PTRACE_DETACH, tid, NULL, NULL));
}

#endif
