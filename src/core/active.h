/*
 * connect(): the source port of an active connection, chosen so that its replies arrive on
 * the CPU that the calling thread is bound to (Fastsocket's Receive Flow Deliver). Only
 * for threads that are bound to one CPU and TCP sockets without a port; whatever is in the
 * way, the kernel chooses as without us.
 */
#ifndef FS_ACTIVE_H
#define FS_ACTIVE_H

#include <sys/socket.h>

#include "fdtab.h"

/*
 * connect(2) for the application: 0, or -1 with errno. Blocks and is a cancellation point as
 * connect() is. Signal-safe.
 */
int fs_active_connect(int fd, const struct sockaddr *addr, socklen_t len);
/*
 * `fd`, whose tag is FS_TAG_ACTIVE, is about to be shut down, or closed: the last chance to look
 * where its packets arrived. fs_active_dropped(): it is gone, or will be, and need not be looked at.
 */
void fs_active_shutdown(int fd);
void fs_active_closing(int fd);
void fs_active_dropped(int fd);

#endif
