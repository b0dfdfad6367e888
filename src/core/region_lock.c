#define _GNU_SOURCE
#include "region_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "log.h"
#include "path.h"
#include "sys/sys.h"

/*
 * How long fs_tree_lock() tries: long enough for a few hundred workers that start
 * at once, short enough not to look like a hang.
 */
#define TREE_LOCK_TRIES 2000
#define TREE_LOCK_NAP_NS 200000

/* Bytes of the memfd that stand for locks (region_lock.h). The file need not be that long. */
#define LOCK_TREE 0
#define LOCK_WORKERS 1
#define LOCK_GLOBALS (LOCK_WORKERS + FS_WORKERS_MAX)

int fs_region_make(void)
{
	uint64_t size = fs_region_size(fs_proc.ncores);
	struct fs_region_head *head;
	char *region = NULL;
	int fd, rc;

	if (fs_proc.region)
		return 0;
	fd = fs_sys_memfd_create(FS_REGION_NAME, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0)
		return fd;
	fd = fs_fd_hide(fd);
	if (fd < 0)
		return fd;
	rc = fs_sys_ftruncate(fd, (off_t)size);
	if (rc < 0)
		goto fail;
	/* Nobody in the tree can shrink it under the others, which would be their death by SIGBUS. */
	rc = fs_sys_fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	if (rc < 0)
		goto fail;
	rc = fs_sys_map_shared(fd, size, &region);
	if (rc < 0)
		goto fail;
	rc = fs_sys_memfd_create(FS_REGION_NAME "-claims", MFD_CLOEXEC);
	rc = rc < 0 ? rc : fs_fd_hide(rc);
	if (rc < 0) {
		fs_sys_unmap(region, size);
		goto fail;
	}
	fs_proc.claims = rc;
	head = (struct fs_region_head *)region;
	head->version = FS_REGION_VERSION;
	head->size = size;
	head->ncores = fs_proc.ncores;
	head->creator = (uint32_t)fs_proc.pid;
	memcpy(head->cpu, fs_proc.cpu, sizeof(head->cpu));
	atomic_store_explicit(&head->epoch, 1, memory_order_relaxed);
	head->magic = FS_REGION_MAGIC;
	fs_proc.memfd = fd;
	/* Last: other threads look without a lock (active.c), and count in it at once. */
	__atomic_store_n(&fs_proc.region, region, __ATOMIC_RELEASE);
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

int fs_tree_trylock(void)
{
	int rc = lock_op(F_SETLK, F_WRLCK, LOCK_TREE, NULL);

	return rc == -EAGAIN || rc == -EACCES ? -EBUSY : rc;
}

int fs_tree_lock(void)
{
	struct timespec nap = { 0, TREE_LOCK_NAP_NS };

	for (int i = 0; i < TREE_LOCK_TRIES; i++) {
		int rc = fs_tree_trylock();

		if (rc != -EBUSY)
			return rc;
		fs_sys_nanosleep(&nap);
	}
	return -EBUSY;
}

void fs_tree_unlock(void)
{
	lock_op(F_SETLK, F_UNLCK, LOCK_TREE, NULL);
}

/*
 * Somebody else's lock on the byte? A failing query counts as yes: nobody is
 * declared dead for lack of knowledge.
 */
static bool held_elsewhere(long byte)
{
	struct flock l;

	return lock_op(F_GETLK, F_WRLCK, byte, &l) < 0 || l.l_type != F_UNLCK;
}

/*
 * The slots of this process's own workers: which thread, by a number that is
 * never given twice. Private memory, because what the region says of pids may
 * be wrong. Guarded by the process lock.
 */
static uint32_t own_serial[FS_WORKERS_MAX];

int fs_worker_claim(unsigned slot, uint32_t serial)
{
	int rc = lock_op(F_SETLK, F_WRLCK, LOCK_WORKERS + (long)slot, NULL);

	if (rc == 0)
		own_serial[slot] = serial;
	return rc;
}

void fs_worker_unclaim(unsigned slot)
{
	own_serial[slot] = 0;
	lock_op(F_SETLK, F_UNLCK, LOCK_WORKERS + (long)slot, NULL);
}

uint32_t fs_worker_serial(unsigned slot)
{
	return slot < FS_WORKERS_MAX ? own_serial[slot] : 0;
}

void fs_region_unlock_all(void)
{
	struct flock all = { .l_type = F_UNLCK, .l_whence = SEEK_SET };

	fs_sys_fcntl(fs_proc.memfd, F_SETLK, (unsigned long)&all);
}

void fs_worker_forget_claims(void)
{
	memset(own_serial, 0, sizeof(own_serial));
}

void fs_worker_renew_claims(void)
{
	for (unsigned s = 0; s < FS_WORKERS_MAX; s++)
		if (own_serial[s])
			lock_op(F_SETLK, F_WRLCK, LOCK_WORKERS + (long)s, NULL);
}

bool fs_worker_alive(unsigned slot)
{
	struct fs_worker_rec *w = fs_worker_rec(slot);

	if (atomic_load_explicit(&w->state, memory_order_relaxed) != FS_WORKER_LIVE)
		return false;
	/* A process does not see its own locks; its threads give their slots back when they end. */
	if (own_serial[slot])
		return true;
	return held_elsewhere(LOCK_WORKERS + (long)slot);
}

int fs_group_claim(unsigned group)
{
	struct flock l = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = (long)group, .l_len = 1 };
	char path[32];
	int fd, rc;

	/*
	 * A description of its own: its locks are shared with what is forked, and end with
	 * the last process that has it.
	 */
	fd = fs_sys_open(fs_path(path, sizeof(path), "/proc/self/fd/", (unsigned)fs_proc.claims, ""), O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return fd;
	fd = fs_fd_hide(fd);
	if (fd < 0)
		return fd;
	rc = fs_sys_fcntl(fd, F_OFD_SETLK, (unsigned long)&l);
	if (rc < 0) {
		fs_fd_close_hidden(fd);
		return rc;
	}
	return fd;
}

bool fs_group_claimed(unsigned group)
{
	struct flock l = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = (long)group, .l_len = 1 };

	return fs_sys_fcntl(fs_proc.claims, F_OFD_GETLK, (unsigned long)&l) < 0 || l.l_type != F_UNLCK;
}

bool fs_global_trylock(unsigned group)
{
	return lock_op(F_SETLK, F_WRLCK, LOCK_GLOBALS + (long)group, NULL) == 0;
}

void fs_global_unlock(unsigned group)
{
	lock_op(F_SETLK, F_UNLCK, LOCK_GLOBALS + (long)group, NULL);
}
