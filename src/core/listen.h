/*
 * listen() and what happens to a listener afterwards: a group is made, its
 * sockets are kept alike, and this process gives it up with its last
 * descriptor. All functions take the process lock themselves, but the last one.
 */
#ifndef FS_LISTEN_H
#define FS_LISTEN_H

#include "group.h"

/* listen() of the application, whole: what it returns, 0 or -errno, the application gets. */
int fs_listen(int fd, int backlog);
/*
 * A descriptor came from another process. If it is the global listener of a group of its
 * (HAProxy's master fetches it from the old worker, and does not call listen()
 * again), this process joins that group.
 */
void fs_listen_received(int fd);
/* setsockopt() succeeded on the application's socket: the others get the same. */
void fs_listen_setsockopt(struct fs_listener *l, int level, int name, const void *value, socklen_t len);
/*
 * shutdown() or connect(AF_UNSPEC) took the listener out of the LISTEN state: so do
 * the others, until the next listen().
 */
void fs_listen_stopped(struct fs_listener *l);
/* The application does something with it that steering would undo: from now on it is handled no further. */
void fs_listen_leave_alone(struct fs_listener *l, enum fs_abandon why);
/*
 * A descriptor of the listener is about to be closed. With the last one of a group,
 * the group leaves this process. Process lock held.
 */
void fs_listener_unref(struct fs_listener *l, int fd);

#endif
