/* Hooks on sockets. Each forwards at once unless the descriptor is a listener of a group. */
#define _GNU_SOURCE
#include "real.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>

#include "core/accept.h"
#include "core/active.h"
#include "core/active_socket.h"
#include "core/conn.h"
#include "core/descriptor.h"
#include "core/group.h"
#include "core/listen.h"
#include "core/process.h"
#include "core/sockopt.h"
#include "start.h"

/* What is defined from here on is what the version script exports, but for the static functions. */
#pragma GCC visibility push(default)

/* -errno to what libc returns; success leaves errno alone. */
static int libc_result(int rc)
{
	if (rc >= 0)
		return rc;
	errno = -rc;
	return -1;
}

static struct fs_listener *listener(int fd)
{
	return fs_listener_of(fs_fd_tag(fd));
}

int socket(int domain, int type, int protocol)
{
	int fd = FS_REAL(socket)(domain, type, protocol);

	fs_descriptor_new(fd);
	/* A number that is still somebody's is the parent's, and this a vfork child that closed its own copy. */
	if (FS_LIKELY(!fs_fd_tag(fd)))
		fs_active_socket(fd, domain, type, protocol);
	return fd;
}

int bind(int fd, __CONST_SOCKADDR_ARG addr, socklen_t len)
{
	int rc = FS_REAL(bind)(fd, addr, len);

	if (fs_tag_kind(fs_fd_tag(fd)) == FS_TAG_ACTIVE)
		fs_active_bound(fd);
	/*
	 * A listener can be bound again only after it was stopped: its group is about an
	 * address that it left.
	 */
	if (FS_UNLIKELY(listener(fd) != NULL) && rc == 0)
		fs_descriptor_close(fd);
	return rc;
}

int listen(int fd, int backlog)
{
	fs_start();
	if (!fs_proc.on || (unsigned)fd >= FS_FD_MAX)
		return FS_REAL(listen)(fd, backlog);
	return libc_result(fs_listen(fd, backlog));
}

static int accepted(const struct fs_listener *l, int conn)
{
	fs_descriptor_new(conn);
	if (FS_LIKELY(l && conn >= 0))
		fs_conn_opened(conn);
	return conn;
}

int accept(int fd, __SOCKADDR_ARG addr, socklen_t *len)
{
	struct fs_listener *l = listener(fd);
	int rc;

	if (FS_LIKELY(!l))
		rc = FS_REAL(accept)(fd, addr, len);
	else
		rc = fs_accept(l, fd, addr.__sockaddr__, len, 0);
	return accepted(l, rc);
}

int accept4(int fd, __SOCKADDR_ARG addr, socklen_t *len, int flags)
{
	struct fs_listener *l = listener(fd);
	int rc;

	if (FS_LIKELY(!l))
		rc = FS_REAL(accept4)(fd, addr, len, flags);
	else
		rc = fs_accept(l, fd, addr.__sockaddr__, len, flags);
	return accepted(l, rc);
}

int connect(int fd, __CONST_SOCKADDR_ARG addr, socklen_t len)
{
	struct fs_listener *l = listener(fd);
	int rc;

	if (FS_LIKELY(!l))
		return fs_proc.connects ? fs_active_connect(fd, addr.__sockaddr__, len) : FS_REAL(connect)(fd, addr, len);
	rc = FS_REAL(connect)(fd, addr, len);
	/* connect(AF_UNSPEC) on a listener stops it, as shutdown() does. */
	if (rc == 0)
		fs_listen_stopped(l);
	return rc;
}

int shutdown(int fd, int how)
{
	struct fs_listener *l = listener(fd);
	int rc, saved = errno;

	if (fs_tag_kind(fs_fd_tag(fd)) == FS_TAG_ACTIVE) {
		fs_active_shutdown(fd);
		errno = saved;
	}
	rc = FS_REAL(shutdown)(fd, how);

	if (FS_UNLIKELY(l != NULL) && rc == 0 && how != SHUT_WR)
		fs_listen_stopped(l);
	return rc;
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	struct fs_listener *l = listener(fd);
	int rc, reuse;

	if (FS_LIKELY(!l)) {
		rc = FS_REAL(setsockopt)(fd, level, name, value, len);
		if (fs_tag_kind(fs_fd_tag(fd)) == FS_TAG_ACTIVE && rc == 0)
			fs_active_setsockopt(fd, level, name);
		if (FS_UNLIKELY(!fs_sockopt_known(level, name)) && rc == 0 && fs_proc.on)
			fs_descriptor_odd(fd, level, name);
		return rc;
	}
	/* The group needs the flag; the application is told its own value. */
	if (level == SOL_SOCKET && name == SO_REUSEPORT && value && len >= sizeof(reuse)) {
		memcpy(&reuse, value, sizeof(reuse));
		fs_group_rec(l->group)->reuseport = reuse != 0;
		return 0;
	}
	if (level == SOL_SOCKET && (name == SO_ATTACH_REUSEPORT_CBPF || name == SO_ATTACH_REUSEPORT_EBPF))
		fs_listen_leave_alone(l, FS_ABANDON_STEERED);
	rc = FS_REAL(setsockopt)(fd, level, name, value, len);
	if (rc == 0)
		fs_listen_setsockopt(l, level, name, value, len);
	return rc;
}

int getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	int rc = FS_REAL(getsockopt)(fd, level, name, value, len);
	struct fs_listener *l = listener(fd);
	int reuse;

	if (FS_UNLIKELY(l != NULL) && rc == 0 && level == SOL_SOCKET && name == SO_REUSEPORT) {
		reuse = fs_group_rec(l->group)->reuseport != 0;
		memcpy(value, &reuse, *len < sizeof(reuse) ? *len : sizeof(reuse));
	} else if (name == SO_REUSEADDR && level == SOL_SOCKET && rc == 0 && fs_active_hides_reuse(fd)) {
		memset(value, 0, *len);
	}
	return rc;
}

ssize_t recvmsg(int fd, struct msghdr *msg, int flags)
{
	ssize_t rc = FS_REAL(recvmsg)(fd, msg, flags);

	/* Descriptors may come along, under numbers that were somebody else's before. */
	if (FS_LIKELY(rc < 0 || !msg->msg_controllen))
		return rc;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; CMSG_LEN((i + 1) * sizeof(int)) <= c->cmsg_len; i++) {
			int got;

			memcpy(&got, CMSG_DATA(c) + i * sizeof(int), sizeof(got));
			fs_descriptor_new(got);
			fs_listen_received(got);
		}
	}
	return rc;
}
