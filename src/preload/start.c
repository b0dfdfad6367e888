/* Start-up order of the library in a process: the real functions, the core, fork handlers, thread ends. */
#define _GNU_SOURCE
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
#else
#define FORGET_FRAMES() ((void)0)
#endif

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

/* The constructor, or the first listen() of another library's constructor that ran before it. */
__attribute__((constructor)) void fs_start(void)
{
	static bool started;

	/* Before libc has an environment (an executable's preinit functions), the options cannot be read. */
	if (started || !environ)
		return;
	started = true;
	fs_real_start();
	fs_libc.accept4 = fs_real.accept4;
	fs_libc.epoll_wait = fs_real.epoll_wait;
	fs_process_start();
	if (!fs_proc.on)
		return;
	if (pthread_key_create(&thread_end, on_thread_end) == 0)
		fs_libc.watch_thread = watch_thread;
	pthread_atfork(fs_fork_before, fs_fork_parent, fs_fork_child);
}

__attribute__((destructor)) static void end(void)
{
	fs_exit();
}
