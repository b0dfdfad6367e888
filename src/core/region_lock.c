#define _GNU_SOURCE
#include "region_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "log.h"
#include "sys/sys.h"

/* How long fs_tree_lock() tries: long enough for a few hundred workers that start at once, short enough not to look like a hang. */
#define TREE_LOCK_TRIES 2000
#define TREE_LOCK_NAP_NS 200000

/* Bytes of the memfd that stand for locks (region_lock.h). The file need not be that long. */
#define LOCK_TREE 0
#define LOCK_WORKERS 1
#define LOCK_GROUPS (LOCK_WORKERS + FS_WORKERS_MAX)
#define LOCK_GLOBALS (LOCK_GROUPS + FS_GROUPS_MAX)

int fs_region_make(void)
{
	uint64_t size = fs_region_size(fs_proc.ncores);
	struct fs_region_head *head;
	int fd, rc;

	if (fs_proc.region)
		return 0;
	fd = fs_sys_memfd_create(FS_REGION_NAME, MFD_CLOEXEC);
	if (fd < 0)
		return fd;
	fd = fs_fd_hide(fd);
	if (fd < 0)
		return fd;
	rc = fs_sys_ftruncate(fd, (off_t)size);
	if (rc < 0)
		goto fail;
	rc = fs_sys_map_shared(fd, size, &fs_proc.region);
	if (rc < 0)
		goto fail;
	head = (struct fs_region_head *)fs_proc.region;
	head->version = FS_REGION_VERSION;
	head->size = size;
	head->ncores = fs_proc.ncores;
	head->creator = (uint32_t)fs_proc.pid;
	memcpy(head->cpu, fs_proc.cpu, sizeof(head->cpu));
	atomic_store_explicit(&head->epoch, 1, memory_order_relaxed);
	head->magic = FS_REGION_MAGIC;
	fs_proc.memfd = fd;
	return 0;
fail:
	fs_fd_close_hidden(fd);
	return rc;
}

static int lock_op(int cmd, short type, long byte, struct flock *out)
{
	struct flock l = { .l_type = type, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };
	int rc = fs_sys_fcntl(fs_proc.memfd, cmd, (unsigned long)&l);

	if (out)
		*out = l;
	return rc;
}

int fs_tree_lock(void)
{
	struct timespec nap = { 0, TREE_LOCK_NAP_NS };

	for (int i = 0; i < TREE_LOCK_TRIES; i++) {
		int rc = lock_op(F_SETLK, F_WRLCK, LOCK_TREE, NULL);

		if (rc != -EAGAIN && rc != -EACCES)
			return rc;
		fs_sys_nanosleep(&nap);
	}
	return -EBUSY;
}

void fs_tree_unlock(void)
{
	lock_op(F_SETLK, F_UNLCK, LOCK_TREE, NULL);
}

/* Somebody else's lock on the byte? A failing query counts as yes: nobody is declared dead for lack of knowledge. */
static bool held_elsewhere(long byte)
{
	struct flock l;

	return lock_op(F_GETLK, F_WRLCK, byte, &l) < 0 || l.l_type != F_UNLCK;
}

int fs_worker_lock(unsigned slot)
{
	return lock_op(F_SETLK, F_WRLCK, LOCK_WORKERS + (long)slot, NULL);
}

void fs_worker_unlock(unsigned slot)
{
	lock_op(F_SETLK, F_UNLCK, LOCK_WORKERS + (long)slot, NULL);
}

bool fs_worker_alive(unsigned slot)
{
	struct fs_worker_rec *w = fs_worker_rec(slot);

	if (atomic_load_explicit(&w->state, memory_order_relaxed) != FS_WORKER_LIVE)
		return false;
	/* A process does not see its own locks; its threads give their slots back when they end. */
	if (atomic_load_explicit(&w->pid, memory_order_relaxed) == (uint32_t)fs_proc.pid)
		return true;
	return held_elsewhere(LOCK_WORKERS + (long)slot);
}

void fs_group_hold(unsigned group)
{
	lock_op(F_SETLK, F_RDLCK, LOCK_GROUPS + (long)group, NULL);
}

void fs_group_release(unsigned group)
{
	lock_op(F_SETLK, F_UNLCK, LOCK_GROUPS + (long)group, NULL);
}

bool fs_group_held_elsewhere(unsigned group)
{
	return held_elsewhere(LOCK_GROUPS + (long)group);
}

bool fs_global_trylock(unsigned group)
{
	return lock_op(F_SETLK, F_WRLCK, LOCK_GLOBALS + (long)group, NULL) == 0;
}

void fs_global_unlock(unsigned group)
{
	lock_op(F_SETLK, F_UNLCK, LOCK_GLOBALS + (long)group, NULL);
}
