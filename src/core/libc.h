/*
 * The libc calls that the core makes on the application's behalf where a shim
 * will not do, because they may sleep and are cancellation points. src/preload
 * fills the table in before the first hook can reach the core.
 */
#ifndef FS_LIBC_H
#define FS_LIBC_H

#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>

struct fs_libc {
	int (*accept4)(int fd, __SOCKADDR_ARG addr, socklen_t *len, int flags);
	int (*connect)(int fd, __CONST_SOCKADDR_ARG addr, socklen_t len);
	int (*epoll_wait)(int epfd, struct epoll_event *events, int max, int timeout);
	/*
	 * Starts a detached thread with a small stack, whose signals are blocked, but for
	 * those that libc itself sends (setuid() reaches all threads by one). 0 or an errno.
	 */
	int (*start_thread)(void *(*start)(void *));
	void (*name_thread)(const char *name);
	/* The calling thread became a worker: fs_worker_thread_exit() is wanted at its end. May be NULL. */
	void (*watch_thread)(void);
};

extern struct fs_libc fs_libc;

#endif
