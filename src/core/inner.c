#define _GNU_SOURCE
#include "inner.h"

#include <errno.h>

#include "log.h"
#include "sys/sys.h"

int fs_inner_make(unsigned group, unsigned core, bool direct)
{
	struct fs_group *p = &fs_groups[group];
	struct epoll_event in = { .events = EPOLLIN | (direct ? EPOLLEXCLUSIVE : 0) };
	struct epoll_event nested = { .events = EPOLLIN };
	int fd = fs_sys_epoll_create(EPOLL_CLOEXEC);
	int rc;

	if (fd < 0)
		return fd;
	if (p->local[core] <= 0 || p->global <= 0) {
		fs_sys_close(fd);
		return -EBADF;
	}
	fd = fs_fd_hide(fd);
	if (fd < 0)
		return fd;
	rc = fs_sys_epoll_ctl(fd, EPOLL_CTL_ADD, p->local[core], &in);
	if (rc == 0)
		rc = fs_sys_epoll_ctl(fd, EPOLL_CTL_ADD, p->global, &in);
	if (rc < 0) {
		fs_fd_close_hidden(fd);
		return rc;
	}
	rc = fs_sys_epoll_ctl(fd, EPOLL_CTL_ADD, p->parkset, &nested);
	if (rc < 0)
		fs_log(FS_LOG_DEBUG, "a worker of group %u does not watch parked cores (%s)", group, fs_errname(-rc));
	return fd;
}

int fs_inner_drop_parked(int inner, unsigned group)
{
	return fs_sys_epoll_ctl(inner, EPOLL_CTL_DEL, fs_groups[group].parkset, NULL);
}
