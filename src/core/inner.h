/*
 * The inner epoll instance: what a worker waits on in the listener's stead. It
 * holds its core's local listener, the global listener, which is never
 * starved, and the parked set. Process lock held.
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
/*
 * Takes the parked set out of it again: the kernel bounds how many instances
 * may hang on one file three levels up (100, path_limits in fs/eventpoll.c), so with
 * more workers only the first hundred watch parked cores. 0 or -errno.
 */
int fs_inner_drop_parked(int inner, unsigned group);

#endif
