/* What stands in an epoll instance, as /proc/self/fdinfo tells. Slow: for what happens once. */
#ifndef FS_EPOLLINFO_H
#define FS_EPOLLINFO_H

#include "common.h"

/*
 * Whether fn() says so of one of the descriptors that were added to the instance, under the
 * numbers that they had then. False where /proc does not tell. Process lock held.
 */
bool fs_epollinfo_any(int epfd, bool (*fn)(int fd, void *arg), void *arg);
/* Whether `fd` was added to some epoll instance of this process. Process lock held. */
bool fs_epollinfo_stands(int fd);

#endif
