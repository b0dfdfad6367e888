/* Hooks on descriptors as such. Each forwards at once unless the descriptor has a tag. */
#define _GNU_SOURCE
#include "real.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>

#include "core/active.h"
#include "core/conn.h"
#include "core/descriptor.h"
#include "core/log.h"
#include "core/process.h"

/* What is defined from here on is what the version script exports, but for the static functions. */
#pragma GCC visibility push(default)

static int fail(int err)
{
	errno = err;
	return -1;
}

/* A descriptor that means something to us. */
static __attribute__((noinline)) int close_ours(int fd)
{
	int rc = fs_descriptor_close(fd);

	if (rc < 0)
		return fail(-rc);
	rc = FS_REAL(close)(fd);
	if (fd == STDERR_FILENO && rc == 0)
		fs_descriptor_stderr(false);
	return rc;
}

int close(int fd)
{
	uint16_t tag = fs_fd_tag(fd);

	if (FS_UNLIKELY(tag || fd == STDERR_FILENO)) {
		if (fs_tag_kind(tag) == FS_TAG_CONNECTION)
			fs_conn_closed(fd, tag);
		else if (fs_tag_kind(tag) == FS_TAG_ACTIVE)
			fs_active_closing(fd);
		else
			return close_ours(fd);
	}
	return FS_REAL(close)(fd);
}

int close_range(unsigned int first, unsigned int last, int flags)
{
	int rc;

	if (!fs_proc.region && first > STDERR_FILENO)
		return FS_REAL(close_range)(first, last, flags);
	rc = fs_descriptor_close_range(first, last, (unsigned)flags);
	return rc < 0 ? fail(-rc) : rc;
}

void closefrom(int first)
{
	if (!fs_proc.region && first > STDERR_FILENO)
		FS_REAL(closefrom)(first);
	else if (fs_descriptor_close_range(first < 0 ? 0 : (unsigned)first, UINT_MAX, 0) < 0)
		FS_REAL(closefrom)(first); /* no close_range() in this kernel, so nothing was closed: libc knows other ways */
}

/* More than a connection, of which only the end is of interest. */
static bool meant(int fd)
{
	enum fs_tag_kind kind = fs_tag_kind(fs_fd_tag(fd));

	return kind != FS_TAG_NONE && kind != FS_TAG_CONNECTION;
}

/* What became of a successful dup: the copy is what the original is. */
static int duplicated(int fd, int copy)
{
	if (copy < 0)
		return copy;
	fs_descriptor_new(copy);
	if (FS_UNLIKELY(meant(fd)))
		fs_descriptor_dup(fd, copy);
	return copy;
}

int dup(int fd)
{
	if (FS_UNLIKELY(fs_tag_kind(fs_fd_tag(fd)) == FS_TAG_INTERNAL))
		return fail(EBADF);
	return duplicated(fd, FS_REAL(dup)(fd));
}

/* dup2() and dup3() to a descriptor with a tag. 0 when the real call may go ahead. */
static int make_room(int fd, int target)
{
	int rc;

	if (fs_tag_kind(fs_fd_tag(fd)) == FS_TAG_INTERNAL)
		return fail(EBADF);
	if (FS_LIKELY(!fs_fd_tag(target)) || fd == target)
		return 0;
	/* Only a call that will succeed closes its target. */
	if (FS_REAL(fcntl)(fd, F_GETFD) < 0)
		return -1;
	rc = fs_descriptor_replace(target);
	return rc < 0 ? fail(-rc) : 0;
}

int dup2(int fd, int target)
{
	int rc;

	if (make_room(fd, target) < 0)
		return -1;
	rc = FS_REAL(dup2)(fd, target);
	if (rc >= 0 && target == STDERR_FILENO)
		fs_descriptor_stderr(true);
	return fd == target ? rc : duplicated(fd, rc);
}

int dup3(int fd, int target, int flags)
{
	int rc;

	if (fd == target || (flags & ~O_CLOEXEC))
		return FS_REAL(dup3)(fd, target, flags);
	if (make_room(fd, target) < 0)
		return -1;
	rc = FS_REAL(dup3)(fd, target, flags);
	if (rc >= 0 && target == STDERR_FILENO)
		fs_descriptor_stderr(true);
	return duplicated(fd, rc);
}

/*
 * fcntl() under names of our own, with the one argument that its commands
 * take at most: in the calling conventions of Linux it arrives as a variadic
 * one would, and nothing has to be saved and fetched again.
 */
int fs_fcntl(int fd, int cmd, void *arg) __asm__("fcntl");
int fs_fcntl64(int fd, int cmd, void *arg) __asm__("fcntl64");

static __attribute__((noinline)) int control_ours(int (*real)(int, int, ...), int fd, int cmd, void *arg)
{
	if (fs_tag_kind(fs_fd_tag(fd)) == FS_TAG_INTERNAL)
		return fail(EBADF);
	if (cmd != F_DUPFD && cmd != F_DUPFD_CLOEXEC)
		return real(fd, cmd, arg);
	return duplicated(fd, real(fd, cmd, arg));
}

int fs_fcntl(int fd, int cmd, void *arg)
{
	if (FS_UNLIKELY(meant(fd) || cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC))
		return control_ours(FS_REAL(fcntl), fd, cmd, arg);
	return FS_REAL(fcntl)(fd, cmd, arg);
}

int fs_fcntl64(int fd, int cmd, void *arg)
{
	if (FS_UNLIKELY(meant(fd) || cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC))
		return control_ours(FS_REAL(fcntl64), fd, cmd, arg);
	return FS_REAL(fcntl64)(fd, cmd, arg);
}

/*
 * Likewise. FIONBIO on a listener needs no more than to reach it: whether it blocks
 * is always asked of the kernel.
 */
int fs_ioctl(int fd, unsigned long request, void *arg) __asm__("ioctl");

int fs_ioctl(int fd, unsigned long request, void *arg)
{
	if (FS_UNLIKELY(fs_tag_kind(fs_fd_tag(fd)) == FS_TAG_INTERNAL))
		return fail(EBADF);
	return FS_REAL(ioctl)(fd, request, arg);
}
