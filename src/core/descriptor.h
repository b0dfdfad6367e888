/*
 * The life of descriptors that have a tag: closing, duplicating, reuse. What
 * the hooks call; it knows what a tag means and tells those concerned.
 */
#ifndef FS_DESCRIPTOR_H
#define FS_DESCRIPTOR_H

#include "fdtab.h"

/*
 * A tagged descriptor is about to be closed. 0: close it. -EBADF: it is one of
 * ours, which the application does not have open. Takes the process lock.
 */
int fs_descriptor_close(int fd);
/*
 * `fd` was handed out just now, so whatever its tag says is about a descriptor that
 * was closed past the hooks.
 */
void fs_descriptor_reused(int fd);
static inline void fs_descriptor_new(int fd)
{
	if (FS_UNLIKELY(fs_fd_tag(fd)))
		fs_descriptor_reused(fd);
}
/* `copy` was made from `fd`, which has a tag. Takes the process lock. */
void fs_descriptor_dup(int fd, int copy);
/*
 * dup2(fd, target) or dup3() is about to replace `target`, which has a tag: a
 * descriptor of ours moves out of the way, one of the application's is closed. 0,
 * or -errno for the application.
 */
int fs_descriptor_replace(int target);
/* A socket got an option that its siblings could not be given: listen() will leave it alone. */
void fs_descriptor_odd(int fd, int level, int name);
/* Descriptor 2 was closed, or the application put something there. */
void fs_descriptor_stderr(bool open);
/* close_range() without flags that keep descriptors open. 0 or -errno. */
int fs_descriptor_close_range(unsigned first, unsigned last, unsigned flags);

#endif
