#define _GNU_SOURCE
#include "inner.h"

#include <errno.h>

#include "hub.h"
#include "sys/sys.h"

int fs_inner_make(unsigned group, unsigned core, bool direct)
{
	struct fs_group *p = &fs_groups[group];
	struct epoll_event in = { .events = EPOLLIN | (direct ? EPOLLEXCLUSIVE : 0) };
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
	if (rc == 0)
		rc = fs_sys_epoll_ctl(fd, EPOLL_CTL_ADD, fs_hub_kick_fd(core), &in);
	if (rc < 0) {
		fs_fd_close_hidden(fd);
		return rc;
	}
	return fd;
}
