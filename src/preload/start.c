/* Start-up order of the library in a process: the real functions, the core, fork handlers, thread ends. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include "core/handover.h"
#include "core/libc.h"
#include "core/lifecycle.h"
#include "core/process.h"
#include "core/worker.h"
#include "real.h"
#include "start.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
/*
 * Nobody returns from a cancelled thread's frames, so they stay poisoned where the
 * thread's destructors run.
 */
#define FORGET_FRAMES() __asan_handle_no_return()
/*
 * A forked child reuses the stack of its parent's thread, whose frames are still poisoned; and
 * AddressSanitizer was not asked when this one was started.
 */
#define FRESH_STACK() __asan_unpoison_memory_region((char *)__builtin_frame_address(0) - STACK / 2, STACK / 2)
#else
#define FORGET_FRAMES() ((void)0)
#define FRESH_STACK() ((void)0)
#endif

/* The stealing thread's stack, of which it touches a few KiB; and with room for thread-local memory. */
#define STACK (128 * 1024)
#define STACK_LARGE (2 * 1024 * 1024)

static pthread_key_t thread_end;

static void on_thread_end(void *unused)
{
	(void)unused;
	FORGET_FRAMES();
	fs_worker_thread_exit();
}

/* Called by the core when a thread becomes a worker: from then on its end is of interest. */
static void watch_thread(void)
{
	pthread_setspecific(thread_end, &thread_end);
}

static void *(*stealer)(void *);

static void *in_thread(void *unused)
{
	sigset_t all;

	FRESH_STACK();
	/* libc leaves its own two out: setuid() and pthread_cancel() of the application wait for them. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	return stealer(unused);
}

static int start_thread(void *(*start)(void *))
{
	pthread_attr_t attr;
	pthread_t thread;
	int rc = pthread_attr_init(&attr);

	if (rc)
		return rc;
	stealer = start;
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, STACK);
	rc = fs_real.pthread_create(&thread, &attr, in_thread, NULL);
	/* An application with much thread-local memory needs more. */
	if (rc == EINVAL) {
		pthread_attr_setstacksize(&attr, STACK_LARGE);
		rc = fs_real.pthread_create(&thread, &attr, in_thread, NULL);
	}
	pthread_attr_destroy(&attr);
	return rc;
}

static void name_thread(const char *name)
{
	pthread_setname_np(pthread_self(), name);
}

/* The constructor, or the first listen() of another library's constructor that ran before it. */
__attribute__((constructor)) void fs_start(void)
{
	static bool started;
	const char *handover;

	/* Before libc has an environment (an executable's preinit functions), the options cannot be read. */
	if (started || !environ)
		return;
	started = true;
	fs_real_start();
	fs_libc.accept4 = fs_real.accept4;
	fs_libc.connect = fs_real.connect;
	fs_libc.epoll_wait = fs_real.epoll_wait;
	fs_libc.start_thread = start_thread;
	fs_libc.name_thread = name_thread;
	fs_process_start();
	handover = getenv(FS_HANDOVER_VARIABLE);
	if (handover) {
		fs_handover_take(handover);
		unsetenv(FS_HANDOVER_VARIABLE);
	}
	if (fs_proc.on || fs_proc.connects)
		pthread_atfork(fs_fork_before, fs_fork_parent, fs_fork_child);
	if (!fs_proc.on)
		return;
	fs_handover_remember(environ);
	if (pthread_key_create(&thread_end, on_thread_end) == 0)
		fs_libc.watch_thread = watch_thread;
}

__attribute__((destructor)) static void end(void)
{
	fs_exit();
}
