#define _GNU_SOURCE
#include "waiter.h"

#include <string.h>

#include "inner.h"
#include "worker.h"

static void alone_learn(unsigned group)
{
	if (fs_self.alone_epoch != fs_epoch()) {
		fs_self.alone_epoch = fs_epoch();
		memset(fs_self.alone, 0, sizeof(fs_self.alone));
	}
	fs_self.alone[group / 64] |= UINT64_C(1) << (group % 64);
}

int fs_waiter_join(unsigned group, unsigned member)
{
	sigset_t old;

	if (fs_foreign_process())
		return 0;
	fs_enter(&old);
	fs_worker_refresh();
	if (!fs_worker_join(group, member, false) || !fs_self.local[group]) {
		fs_fd_close_hidden(fs_self.inner[group]);
		fs_self.inner[group] = 0;
		alone_learn(group);
	} else if (!fs_self.inner[group]) {
		int fd = fs_inner_make(group, fs_self.core, true);

		/* Without one it could not hear its local listener: it leaves that to the others. */
		if (fd < 0)
			fs_worker_leave((unsigned)fs_self.slot - 1, group);
		else
			fs_self.inner[group] = fd;
	}
	fs_leave(&old);
	return fs_self.inner[group];
}

bool fs_waiter_poll_begin(const struct pollfd *fds, nfds_t n, struct pollfd *copy)
{
	bool replaced = false;

	for (nfds_t i = 0; i < n; i++) {
		uint16_t tag = fs_fd_tag(fds[i].fd);
		struct fs_listener *l = fs_listener_of(tag);
		int inner = l && (fds[i].events & (POLLIN | POLLRDNORM)) && fs_listener_true(l, fds[i].fd) ?
				    fs_waiter_inner(l->group, l->member) : 0;

		copy[i] = fds[i];
		if (inner) {
			copy[i].fd = inner;
			replaced = true;
		} else if (fs_tag_kind(tag) == FS_TAG_INTERNAL) {
			copy[i].fd = FS_FD_MAX * 2 - 1; /* nobody's: POLLNVAL, as for any number that is not open */
			replaced = true;
		}
	}
	return replaced;
}

void fs_waiter_poll_done(struct pollfd *fds, nfds_t n, const struct pollfd *copy)
{
	for (nfds_t i = 0; i < n; i++)
		fds[i].revents = copy[i].revents;
}
