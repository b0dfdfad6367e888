#define _GNU_SOURCE
#include "siblings.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>

#include "help.h"
#include "hub.h"
#include "log.h"
#include "sched.h"
#include "sockopt.h"
#include "sys/sys.h"

static int hide(int fd, int *slot)
{
	if (fd < 0)
		return fd;
	fd = fs_fd_hide(fd);
	if (fd < 0)
		return fd;
	*slot = fd;
	return 0;
}

/* One local listener: same options, same address, non-blocking whatever the application's is. */
static int sibling(int fd, const struct fs_group_rec *rec, int *out, enum fs_plain *why)
{
	union {
		struct sockaddr sa;
		struct sockaddr_in6 in6;
	} addr;
	socklen_t len = sizeof(addr);
	int one = 1, level = 0, name = 0;
	int rc, s;

	s = fs_sys_socket((int)rec->family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
	if (s < 0) {
		*why = FS_PLAIN_SOCKET;
		return s;
	}
	rc = fs_sockopt_copy(fd, s, &level, &name);
	if (rc < 0) {
		*why = FS_PLAIN_COPY;
		fs_log(FS_LOG_INFO, "the kernel refuses setsockopt(level %d, option %d) on a local listener (%s)", level, name,
		       fs_errtext(-rc));
		goto fail;
	}
	*why = FS_PLAIN_SHARE;
	rc = fs_sys_setsockopt(s, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	if (rc < 0)
		goto fail;
	rc = fs_sys_getsockname(fd, &addr, &len);
	if (rc < 0)
		goto fail;
	rc = fs_sys_bind(s, &addr, len);
	if (rc < 0)
		goto fail;
	*why = FS_PLAIN_DESCRIPTOR;
	return hide(s, out);
fail:
	fs_sys_close(s);
	return rc;
}

int fs_siblings_make(struct fs_group *p, int fd, const struct fs_group_rec *rec, enum fs_plain *why)
{
	int one = 1;
	int rc;

	*why = FS_PLAIN_REUSEPORT;
	rc = fs_sys_setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	if (rc < 0)
		return rc;
	*why = FS_PLAIN_DESCRIPTOR;
	rc = fs_sys_fcntl(fd, F_DUPFD_CLOEXEC, 0);
	rc = hide(rc, &p->global);
	for (unsigned c = 0; rc == 0 && c < fs_proc.ncores; c++)
		rc = sibling(fd, rec, &p->local[c], why);
	if (rc < 0)
		fs_siblings_undo(p, fd, rec);
	return rc;
}

void fs_siblings_undo(struct fs_group *p, int fd, const struct fs_group_rec *rec)
{
	int zero = 0;

	fs_siblings_close(p);
	if (!rec->reuseport)
		fs_sys_setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &zero, sizeof(zero));
}

void fs_siblings_close(struct fs_group *p)
{
	for (unsigned c = 0; c < FS_CORES_MAX; c++) {
		fs_fd_close_hidden(p->local[c]);
		p->local[c] = 0;
	}
	fs_fd_close_hidden(p->global);
	fs_fd_close_hidden(p->heir);
	p->heir = 0;
	p->global = 0;
}

void fs_siblings_give_up(unsigned group)
{
	struct fs_group *p = &fs_groups[group];

	fs_siblings_close(p);
	fs_fd_close_hidden(p->claim);
	memset(p, 0, sizeof(*p));
	/* Somebody may be taking the record for another group at this moment. Then he clears it. */
	if (fs_group_claimed(group) || fs_tree_trylock() < 0)
		return;
	if (!fs_group_claimed(group)) {
		for (unsigned c = 0; c < fs_proc.ncores; c++)
			fs_help_set(group, c, FS_HELP_NONE);
		atomic_store_explicit(&fs_group_rec(group)->state, FS_GROUP_FREE, memory_order_relaxed);
	}
	fs_tree_unlock();
}

/*
 * Where this process keeps the number of a hidden descriptor that belongs to a
 * group or is the region's; NULL for others.
 */
static int *holder(int fd)
{
	int *where;

	if (fd == fs_proc.memfd)
		return &fs_proc.memfd;
	if (fd == fs_proc.claims)
		return &fs_proc.claims;
	for (unsigned g = 0; g < FS_GROUPS_MAX; g++) {
		struct fs_group *p = &fs_groups[g];

		if (!p->held)
			continue;
		if (p->global == fd)
			return &p->global;
		if (p->claim == fd)
			return &p->claim;
		if (p->heir == fd)
			return &p->heir;
		for (unsigned c = 0; c < fs_proc.ncores; c++)
			if (p->local[c] == fd)
				return &p->local[c];
	}
	where = fs_hub_holder(fd);
	return where ? where : fs_sched_holder(fd);
}

int fs_siblings_move(int fd)
{
	int *where = holder(fd);
	int moved;

	if (!where)
		return -EBUSY;
	moved = fs_fd_move_hidden(fd);
	if (moved < 0)
		return moved;
	*where = moved;
	if (where == &fs_proc.memfd) {
		fs_sys_close(fd);
		fs_worker_renew_claims();
	}
	/* Threads that know the old number look again. */
	atomic_fetch_add_explicit(&fs_proc.views, 1, memory_order_release);
	return 0;
}

void fs_siblings_lost(int fd)
{
	int *where = holder(fd);

	if (where && where != &fs_proc.memfd && where != &fs_proc.claims)
		*where = 0;
	atomic_fetch_add_explicit(&fs_proc.views, 1, memory_order_release);
}
