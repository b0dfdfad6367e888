#define _GNU_SOURCE
#include "process.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "libc.h"
#include "log.h"
#include "sys/sys.h"
#include "version.h"

struct fs_process fs_proc;
struct fs_libc fs_libc;
__thread struct fs_thread fs_self __attribute__((tls_model("initial-exec")));

/*
 * Guards everything in this process that is not a thread's own: descriptors'
 * records, groups, registrations. Held for microseconds, in slow paths only,
 * with signals blocked; may be held around the tree lock, nothing else.
 */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void fs_enter(sigset_t *old)
{
	fs_sys_block_signals(old);
	pthread_mutex_lock(&lock);
}

void fs_leave(const sigset_t *old)
{
	pthread_mutex_unlock(&lock);
	fs_sys_restore_signals(old);
}

void fs_lock(void)
{
	pthread_mutex_lock(&lock);
}

void fs_unlock(void)
{
	pthread_mutex_unlock(&lock);
}

bool fs_foreign_process(void)
{
	return fs_sys_getpid() != fs_proc.pid;
}

static void complain(const char *variable, const char *value, const char *accepted)
{
	fs_log(FS_LOG_ERROR, "%s is not understood, and its default used: it takes %s, not %s", variable, accepted, value);
}

static void say_cpus(const struct fs_cpus *set)
{
	char list[256];

	fs_cpus_format(set, list, sizeof(list));
	fs_log(FS_LOG_WARN, "FASTSOCK_CPUS names CPUs that this process may not run on (taskset, cpuset); used of them: %s",
	       list[0] ? list : "none");
}

void fs_process_say_room(void)
{
	static bool said; /* the process lock guards it */

	if (fs_proc.cpus_left && !said)
		fs_log(FS_LOG_WARN, "libfastsock serves %d CPUs at most: %u more that this process may run on are left out; choose in"
				    " FASTSOCK_CPUS", FS_CORES_MAX, fs_proc.cpus_left);
	said = true;
}

/* The fan-out set: what FASTSOCK_CPUS names, as far as this process may run there. */
static void choose_cpus(void)
{
	struct fs_cpus set;

	if (fs_cpus_allowed(0, &set) < 0) {
		if (!fs_proc.options.cpus_given)
			return;
		set = fs_proc.options.cpus;
	} else if (fs_proc.options.cpus_given) {
		fs_cpus_and(&set, &fs_proc.options.cpus);
		if (fs_cpus_count(&set) < fs_cpus_count(&fs_proc.options.cpus))
			say_cpus(&set);
	}
	if (fs_cpus_count(&set) > FS_CORES_MAX)
		fs_proc.cpus_left = fs_cpus_count(&set) - FS_CORES_MAX;
	for (unsigned cpu = fs_cpus_next(&set, 0); cpu < FS_CPUS_MAX && fs_proc.ncores < FS_CORES_MAX;
	     cpu = fs_cpus_next(&set, cpu + 1))
		fs_proc.cpu[fs_proc.ncores++] = (uint16_t)cpu;
}

void fs_process_start(void)
{
	fs_proc.pid = fs_sys_getpid();
	if (fs_sys_fcntl(2, F_GETFD, 0) < 0) {
		fs_log_mute(true);
		fs_fd_set_tag(2, FS_TAG_STDERR, 0);
	}
	fs_options_read(&fs_proc.options, getenv, complain);
	fs_log_threshold = fs_proc.options.log;
	if (!fs_proc.options.on) {
		fs_log(FS_LOG_INFO, "libfastsock " FS_VERSION_TEXT " does nothing here: FASTSOCK=off");
		return;
	}
	choose_cpus();
	/* On one CPU there is nothing to fan out to. */
	fs_proc.on = fs_proc.ncores >= 2;
	fs_proc.connects = fs_proc.ncores >= 1 && fs_proc.options.connect;
	if (fs_proc.on)
		fs_log(FS_LOG_INFO, "libfastsock " FS_VERSION_TEXT " has %u CPUs for listeners", fs_proc.ncores);
	else
		fs_log(FS_LOG_INFO, "libfastsock " FS_VERSION_TEXT " leaves listeners alone: there is one CPU at most for them (taskset, cpuset,"
				    " FASTSOCK_CPUS)");
}
