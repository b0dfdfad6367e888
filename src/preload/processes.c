/*
 * Hooks on what makes processes and threads. A worker that we bound to a CPU
 * must not hand that on: children and threads get the affinity that the
 * application would have had. In a vfork child the affinity is the child's own
 * already, and nothing else is changed.
 */
#define _GNU_SOURCE
#include "real.h"

#include <alloca.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <unistd.h>

#include "core/destination.h"
#include "core/handover.h"
#include "core/process.h"
#include "core/stealer.h"
#include "core/worker.h"

/* What is defined from here on is what the version script exports, but for the static functions. */
#pragma GCC visibility push(default)

int chroot(const char *path)
{
	int saved = errno;

	if (fs_proc.connects && !fs_foreign_process()) {
		fs_destination_before_chroot();
		errno = saved;
	}
	return FS_REAL(chroot)(path);
}

/* Runs a call with the thread's own affinity, and binds it again if it returns. */
#define UNBOUND(type, call)                                               \
	({                                                                \
		bool unbound_ = FS_UNLIKELY(fs_self.pinned) && fs_worker_unbind(); \
		type rc_ = (call);                                        \
                                                                          \
		if (FS_UNLIKELY(unbound_))                                \
			fs_worker_rebind();                               \
		rc_;                                                      \
	})

/*
 * Like fork(), but past the handlers of pthread_atfork(), perhaps while another
 * thread holds our lock. The child stays out of everything, as every process
 * does whose pid is not the recorded one.
 */
pid_t _Fork(void)
{
	pid_t pid = FS_REAL(_Fork)();

	if (pid == 0 && FS_UNLIKELY(fs_self.pinned))
		fs_worker_unbind();
	return pid;
}

/*
 * An exec call, whose environment is `envp`: of the same program, with the listeners'
 * groups handed over to it. It returns only if it fails.
 */
#define EXEC(dir, path, call)                                                                        \
	({                                                                                           \
		bool over_ = FS_UNLIKELY(fs_proc.region != NULL) && fs_handover_due(dir, path);      \
		int failed_;                                                                         \
                                                                                                     \
		if (FS_UNLIKELY(over_)) {                                                            \
			char **env_ = alloca((count(envp) + FS_HANDOVER_ENTRIES_MAX + 1) * sizeof(*env_)); \
                                                                                                     \
			fs_handover_begin(envp, env_);                                               \
			envp = env_;                                                                 \
		}                                                                                    \
		failed_ = UNBOUND(int, call);                                                        \
		if (FS_UNLIKELY(over_))                                                              \
			fs_handover_cancel();                                                        \
		failed_;                                                                             \
	})

static size_t count(char *const *list)
{
	size_t n = 0;

	while (list && list[n])
		n++;
	return n;
}

int execve(const char *path, char *const argv[], char *const envp[])
{
	return EXEC(AT_FDCWD, path, FS_REAL(execve)(path, argv, envp));
}

int execv(const char *path, char *const argv[])
{
	return execve(path, argv, environ);
}

int execvpe(const char *file, char *const argv[], char *const envp[])
{
	return EXEC(AT_FDCWD, file, FS_REAL(execvpe)(file, argv, envp));
}

int execvp(const char *file, char *const argv[])
{
	return execvpe(file, argv, environ);
}

int fexecve(int fd, char *const argv[], char *const envp[])
{
	return EXEC(fd, "", FS_REAL(fexecve)(fd, argv, envp));
}

int execveat(int dir, const char *path, char *const argv[], char *const envp[], int flags)
{
	return EXEC(dir, path, FS_REAL(execveat)(dir, path, argv, envp, flags));
}

/* The variadic ones, as the vector ones: their arguments are counted, then laid out on the stack. */
#define COUNT_ARGS(last, n)                          \
	do {                                         \
		va_list ap_;                         \
                                                     \
		va_start(ap_, last);                 \
		for (n = 1; va_arg(ap_, char *); n++) \
			;                            \
		va_end(ap_);                         \
	} while (0)

#define COLLECT_ARGS(ap, first, argv, n)             \
	do {                                         \
		(argv)[0] = (char *)(first);         \
		for (size_t i_ = 1; i_ <= (n); i_++) \
			(argv)[i_] = va_arg(ap, char *); \
	} while (0)

int execl(const char *path, const char *arg, ...)
{
	va_list ap;
	char **argv;
	size_t n;

	COUNT_ARGS(arg, n);
	argv = alloca((n + 1) * sizeof(*argv));
	va_start(ap, arg);
	COLLECT_ARGS(ap, arg, argv, n);
	va_end(ap);
	return execv(path, argv);
}

int execlp(const char *file, const char *arg, ...)
{
	va_list ap;
	char **argv;
	size_t n;

	COUNT_ARGS(arg, n);
	argv = alloca((n + 1) * sizeof(*argv));
	va_start(ap, arg);
	COLLECT_ARGS(ap, arg, argv, n);
	va_end(ap);
	return execvp(file, argv);
}

int execle(const char *path, const char *arg, ...)
{
	va_list ap;
	char **argv, **envp;
	size_t n;

	COUNT_ARGS(arg, n);
	argv = alloca((n + 1) * sizeof(*argv));
	va_start(ap, arg);
	COLLECT_ARGS(ap, arg, argv, n);
	envp = va_arg(ap, char **);
	va_end(ap);
	return execve(path, argv, envp);
}

int posix_spawn(pid_t *pid, const char *path, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attr,
		char *const argv[], char *const envp[])
{
	return UNBOUND(int, FS_REAL(posix_spawn)(pid, path, actions, attr, argv, envp));
}

int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions, const posix_spawnattr_t *attr,
		 char *const argv[], char *const envp[])
{
	return UNBOUND(int, FS_REAL(posix_spawnp)(pid, file, actions, attr, argv, envp));
}

int system(const char *command)
{
	return UNBOUND(int, FS_REAL(system)(command));
}

FILE *popen(const char *command, const char *mode)
{
	return UNBOUND(FILE *, FS_REAL(popen)(command, mode));
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attr, void *(*start)(void *), void *arg)
{
	fs_stealer_early();
	return UNBOUND(int, FS_REAL(pthread_create)(thread, attr, start, arg));
}
