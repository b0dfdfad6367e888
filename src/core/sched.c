#define _GNU_SOURCE
#include "sched.h"

#include <string.h>

#include "fdtab.h"
#include "path.h"
#include "sys/sys.h"

/*
 * The files stay open, under hidden numbers: opening one takes the lowest free number for a
 * moment, which another thread of the application may count on. The process lock guards them.
 */
#define KEPT_MAX 64
static struct kept {
	uint32_t pid, tid;
	int stat, schedstat; /* 0: not open */
	uint32_t used;
} kept[KEPT_MAX];
static uint32_t uses;

static void drop(struct kept *k)
{
	fs_fd_close_hidden(k->stat);
	fs_fd_close_hidden(k->schedstat);
	memset(k, 0, sizeof(*k));
}

static struct kept *kept_for(uint32_t pid, uint32_t tid)
{
	struct kept *oldest = kept;

	for (unsigned i = 0; i < KEPT_MAX; i++) {
		if (kept[i].pid == pid && kept[i].tid == tid)
			return &kept[i];
		if (kept[i].used < oldest->used)
			oldest = &kept[i];
	}
	drop(oldest);
	oldest->pid = pid;
	oldest->tid = tid;
	return oldest;
}

static int open_about(uint32_t pid, uint32_t tid, const char *file)
{
	char directory[40], path[64];
	int fd;

	fs_path(directory, sizeof(directory), "/proc/", pid, "/task/");
	fd = fs_sys_open(fs_path(path, sizeof(path), directory, tid, file), O_RDONLY | O_CLOEXEC);
	return fd < 0 ? fd : fs_fd_hide(fd);
}

static long read_about(uint32_t pid, uint32_t tid, bool schedstat, char *text, size_t size)
{
	struct kept *k = kept_for(pid, tid);
	int *fd = schedstat ? &k->schedstat : &k->stat;
	long len;

	k->used = ++uses;
	/* The second time, for a thread that has the number of one that is gone. */
	for (int i = 0; i < 2; i++) {
		if (*fd <= 0)
			*fd = open_about(pid, tid, schedstat ? "/schedstat" : "/stat");
		if (*fd <= 0) {
			*fd = 0;
			break;
		}
		len = fs_sys_pread(*fd, text, size - 1, 0);
		if (len > 0) {
			text[len] = '\0';
			return len;
		}
		fs_fd_close_hidden(*fd);
		*fd = 0;
	}
	drop(k);
	return -1;
}

int *fs_sched_holder(int fd)
{
	for (unsigned i = 0; i < KEPT_MAX; i++) {
		if (kept[i].stat == fd)
			return &kept[i].stat;
		if (kept[i].schedstat == fd)
			return &kept[i].schedstat;
	}
	return NULL;
}

void fs_sched_forget(void)
{
	for (unsigned i = 0; i < KEPT_MAX; i++)
		drop(&kept[i]);
}

bool fs_sched_times(uint32_t pid, uint32_t tid, uint64_t *ran, uint64_t *waited)
{
	char text[128], *at = text;

	if (read_about(pid, tid, true, text, sizeof(text)) <= 0)
		return false;
	for (*ran = 0; *at >= '0' && *at <= '9'; at++)
		*ran = *ran * 10 + (uint64_t)(*at - '0');
	if (*at++ != ' ')
		return false;
	for (*waited = 0; *at >= '0' && *at <= '9'; at++)
		*waited = *waited * 10 + (uint64_t)(*at - '0');
	return true;
}

enum fs_sched fs_sched_of(uint32_t pid, uint32_t tid)
{
	char stat[512], *state;
	long len = read_about(pid, tid, false, stat, sizeof(stat));

	if (len <= 0)
		return FS_SCHED_UNKNOWN;
	/* The name may hold anything, a parenthesis too: the state follows the last one. */
	state = memrchr(stat, ')', (size_t)len);
	if (!state || state + 2 >= stat + len)
		return FS_SCHED_UNKNOWN;
	switch (state[2]) {
	case 'R':
		return FS_SCHED_RUNNABLE;
	case 'S':
	case 'D':
		return FS_SCHED_BLOCKED;
	case 'T':
	case 't':
		return FS_SCHED_STOPPED;
	default: /* dead, or about to be */
		return FS_SCHED_UNKNOWN;
	}
}
