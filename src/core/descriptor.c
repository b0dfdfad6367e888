#define _GNU_SOURCE
#include "descriptor.h"

#include <errno.h>
#include <linux/close_range.h>

#include "active.h"
#include "active_socket.h"
#include "conn.h"
#include "epoll.h"
#include "group.h"
#include "listen.h"
#include "log.h"
#include "siblings.h"
#include "sys/sys.h"
#include "waiter.h"

/* Process lock held. */
static void forget(int fd)
{
	uint16_t tag = fs_fd_tag(fd);
	struct fs_listener *l = fs_listener_of(tag);

	if (l) {
		fs_epoll_closing(l, fd);
		fs_listener_unref(l, fd);
	} else if (fs_tag_kind(tag) == FS_TAG_EPOLL) {
		fs_instance_unref(fs_tag_index(tag), fd);
	} else if (fs_tag_kind(tag) == FS_TAG_CONNECTION) {
		fs_conn_closed(fd, tag);
	} else if (fs_tag_kind(tag) == FS_TAG_ACTIVE) {
		fs_active_dropped(fd);
	} else if (fs_tag_kind(tag) != FS_TAG_INTERNAL) {
		fs_fd_set_tag(fd, FS_TAG_NONE, 0);
	}
}

int fs_descriptor_close(int fd)
{
	enum fs_tag_kind kind = fs_tag_kind(fs_fd_tag(fd));
	sigset_t old;

	if (kind == FS_TAG_INTERNAL)
		return -EBADF;
	if (kind == FS_TAG_STDERR)
		return 0;
	/* A vfork child closes its own descriptor, but would write into its parent's tables. */
	if (fs_foreign_process())
		return 0;
	fs_enter(&old);
	forget(fd);
	fs_leave(&old);
	return 0;
}

void fs_descriptor_reused(int fd)
{
	static bool said; /* the process lock guards it */
	enum fs_tag_kind kind = fs_tag_kind(fs_fd_tag(fd));
	sigset_t old;

	if (kind == FS_TAG_STDERR || fs_foreign_process())
		return;
	fs_enter(&old);
	if (kind == FS_TAG_INTERNAL) {
		/*
		 * Somebody closed ours with a raw system call: what it was for works without it, or
		 * not at all, but is not in the way.
		 */
		if (!said)
			fs_log(FS_LOG_WARN, "the application closed descriptor %d of libfastsock's by a system call of its own: a CPU's"
					    " connections may be served by others from now on; restart the program (said once)", fd);
		said = true;
		fs_siblings_lost(fd);
		fs_fd_set_tag(fd, FS_TAG_NONE, 0);
	} else {
		forget(fd);
	}
	fs_leave(&old);
}

void fs_descriptor_dup(int fd, int copy)
{
	uint16_t tag;
	struct fs_listener *l;
	sigset_t old;

	if (fs_foreign_process())
		return;
	fs_enter(&old);
	tag = fs_fd_tag(fd);
	l = fs_listener_of(tag);
	if (l)
		fs_listener_ref(l, copy);
	else if (fs_tag_kind(tag) == FS_TAG_EPOLL)
		fs_instance_ref(fs_tag_index(tag), copy);
	else if (fs_tag_kind(tag) == FS_TAG_ODD)
		fs_fd_set_tag(copy, FS_TAG_ODD, 0);
	else if (fs_tag_kind(tag) == FS_TAG_ACTIVE)
		fs_active_dup(fd, copy);
	fs_leave(&old);
}

void fs_descriptor_odd(int fd, int level, int name)
{
	enum fs_tag_kind kind = fs_tag_kind(fs_fd_tag(fd));

	if ((kind != FS_TAG_NONE && kind != FS_TAG_ACTIVE) || fs_foreign_process())
		return;
	/* Not above debug: there are programs that do this to each connection. */
	fs_log(FS_LOG_DEBUG, "setsockopt(level %d, option %d) on descriptor %d is none that other sockets can be given", level, name, fd);
	if (kind == FS_TAG_ACTIVE)
		fs_active_odd(fd);
	else
		fs_fd_set_tag(fd, FS_TAG_ODD, 0);
}

void fs_descriptor_stderr(bool open)
{
	if (fs_foreign_process())
		return;
	fs_log_mute(!open);
	fs_fd_set_tag(2, open ? FS_TAG_NONE : FS_TAG_STDERR, 0);
}

/*
 * A descriptor of ours gets another number. Another thread's own inner instance
 * cannot be moved: -EBUSY, as dup2(2) has it.
 */
static int move(int fd)
{
	int rc = fs_siblings_move(fd);

	if (rc == -EBUSY)
		rc = fs_epoll_move(fd);
	return rc == -EBUSY ? fs_waiter_move(fd) : rc;
}

int fs_descriptor_replace(int target)
{
	sigset_t old;
	int rc = 0;

	if (fs_foreign_process())
		return fs_tag_kind(fs_fd_tag(target)) == FS_TAG_INTERNAL ? -EBUSY : 0;
	fs_enter(&old);
	if (fs_tag_kind(fs_fd_tag(target)) == FS_TAG_INTERNAL)
		rc = move(target);
	else
		forget(target);
	fs_leave(&old);
	return rc;
}

int fs_descriptor_close_range(unsigned first, unsigned last, unsigned flags)
{
	bool foreign = fs_foreign_process();
	int any = -EBADF;

	/* What the kernel will refuse must not have closed anything before. */
	if (first > last || (flags & ~(unsigned)(CLOSE_RANGE_UNSHARE | CLOSE_RANGE_CLOEXEC)))
		return fs_sys_close_range(first, last, flags);
	/* Ours have their close-on-exec flag already. */
	if (flags & CLOSE_RANGE_CLOEXEC)
		return fs_sys_close_range(first, last, flags);
	if (first <= 2 && last >= 2)
		fs_descriptor_stderr(false);
	for (;;) {
		int next = fs_fd_next_tagged(first, last);
		int rc;

		if (next < 0) {
			rc = fs_sys_close_range(first, last, flags);
			return any == 0 && rc == -EBADF ? 0 : rc;
		}
		if ((unsigned)next > first) {
			rc = fs_sys_close_range(first, (unsigned)next - 1, flags);
			if (rc < 0)
				return rc;
		}
		any = 0;
		if (fs_tag_kind(fs_fd_tag(next)) != FS_TAG_INTERNAL) {
			if (!foreign)
				fs_descriptor_close(next);
			fs_sys_close(next);
		}
		first = (unsigned)next + 1;
		if (first > last)
			return 0;
	}
}
