#define _GNU_SOURCE
#include "fdtab.h"

#include <errno.h>
#include <fcntl.h>

#include "sys/sys.h"

_Atomic uint16_t fs_fd_tags[FS_FD_MAX];

/* Highest descriptor that ever had a tag, + 1: bounds the scans. Only grows. */
static _Atomic unsigned tagged_end;

static void reach(int fd)
{
	unsigned end = atomic_load_explicit(&tagged_end, memory_order_relaxed);

	while ((unsigned)fd >= end && !atomic_compare_exchange_weak_explicit(&tagged_end, &end, (unsigned)fd + 1,
									     memory_order_relaxed, memory_order_relaxed))
		;
}

static uint16_t tag_of(enum fs_tag_kind kind, unsigned index)
{
	return (uint16_t)((unsigned)kind << 13 | index);
}

void fs_fd_set_tag(int fd, enum fs_tag_kind kind, unsigned index)
{
	if ((unsigned)fd >= FS_FD_MAX)
		return;
	if (kind != FS_TAG_NONE)
		reach(fd);
	atomic_store_explicit(&fs_fd_tags[fd], tag_of(kind, index), memory_order_relaxed);
}

bool fs_fd_swap_tag(int fd, uint16_t old, enum fs_tag_kind kind, unsigned index)
{
	if ((unsigned)fd >= FS_FD_MAX)
		return false;
	if (kind != FS_TAG_NONE)
		reach(fd);
	return atomic_compare_exchange_strong_explicit(&fs_fd_tags[fd], &old, tag_of(kind, index), memory_order_relaxed,
						       memory_order_relaxed);
}

int fs_fd_next_tagged(unsigned from, unsigned to)
{
	unsigned end = atomic_load_explicit(&tagged_end, memory_order_relaxed);

	for (; from < end && from <= to; from++)
		if (atomic_load_explicit(&fs_fd_tags[from], memory_order_relaxed))
			return (int)from;
	return -1;
}

/*
 * A number beyond the application's own limit, where there is room up to the hard
 * limit: then not one number is taken away from the application, and hundreds of CPUs
 * fit beside a soft limit of 1,024. The limit is raised for the one call; what is
 * open beyond it stays so. -EMFILE where that is not possible.
 */
static int dup_beyond(int fd, unsigned long soft, unsigned long raised)
{
	int hidden;

	if (raised <= soft || fs_sys_setrlimit_nofile(raised) < 0)
		return -EMFILE;
	hidden = fs_sys_fcntl(fd, F_DUPFD_CLOEXEC, soft);
	fs_sys_setrlimit_nofile(soft);
	return hidden;
}

int fs_fd_hide(int fd)
{
	unsigned long soft = 1024, hard = 1024;
	struct fs_hidden_room room;
	int hidden;

	fs_sys_getrlimit_nofile(&soft, &hard);
	room = fs_fd_hidden_room(soft, hard);
	hidden = dup_beyond(fd, soft, room.beyond);
	if (hidden < 0)
		hidden = fs_sys_fcntl(fd, F_DUPFD_CLOEXEC, room.base);
	fs_sys_close(fd);
	if (hidden >= FS_FD_MAX) {
		fs_sys_close(hidden);
		return -EMFILE;
	}
	if (hidden >= 0)
		fs_fd_set_tag(hidden, FS_TAG_INTERNAL, 0);
	return hidden;
}

int fs_fd_move_hidden(int fd)
{
	int moved = fs_sys_fcntl(fd, F_DUPFD_CLOEXEC, (unsigned long)fd + 1);

	if (moved < 0)
		return -EBUSY;
	fs_fd_set_tag(moved, FS_TAG_INTERNAL, 0);
	fs_fd_set_tag(fd, FS_TAG_NONE, 0);
	return moved;
}

void fs_fd_close_hidden(int fd)
{
	if (fd <= 0)
		return;
	fs_fd_set_tag(fd, FS_TAG_NONE, 0);
	fs_sys_close(fd);
}

int fs_fd_highest_foreign(void)
{
	_Alignas(8) char buf[2048];
	int highest = -1;
	int dir = fs_sys_open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	long len;

	if (dir < 0)
		return -1;
	while ((len = fs_sys_getdents(dir, buf, sizeof(buf))) > 0) {
		for (long at = 0; at < len; at += fs_sys_dirent_size(buf + at)) {
			const char *name = fs_sys_dirent_name(buf + at);
			int fd = 0;

			for (; *name >= '0' && *name <= '9'; name++)
				fd = fd * 10 + (*name - '0');
			if (fd > highest && fd != dir && fs_tag_kind(fs_fd_tag(fd)) != FS_TAG_INTERNAL)
				highest = fd;
		}
	}
	fs_sys_close(dir);
	return highest;
}
