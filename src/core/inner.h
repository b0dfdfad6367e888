/*
 * The inner epoll instance: what a worker waits on in the listener's stead. It
 * holds its core's local listener, the global listener, which is never
 * starved, and the core's eventfd, by which others wake it (hub.h). Process lock held.
 */
#ifndef FS_INNER_H
#define FS_INNER_H

#include "group.h"

/*
 * A hidden descriptor of a new one, or -errno. With `direct`, threads wait on it
 * themselves and EPOLLEXCLUSIVE (Linux 4.5) spares the others the wake-up; inside
 * another instance the kernel ignores that flag.
 */
int fs_inner_make(unsigned group, unsigned core, bool direct);

#endif
