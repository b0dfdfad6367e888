#define _GNU_SOURCE
#include "waiter.h"

#include <errno.h>
#include <string.h>

#include "inner.h"
#include "parking.h"
#include "stealer.h"
#include "worker.h"

/* What was learnt before the epoch that the coming look starts from. */
static void alone_forget(void)
{
	if (fs_self.alone_epoch == fs_epoch())
		return;
	fs_self.alone_epoch = fs_epoch();
	memset(fs_self.alone, 0, sizeof(fs_self.alone));
}

int fs_waiter_join(unsigned group, unsigned member)
{
	sigset_t old;

	if (fs_foreign_process())
		return 0;
	fs_enter(&old);
	if (fs_self.shared || fs_self.views != atomic_load_explicit(&fs_proc.views, memory_order_relaxed))
		fs_worker_view();
	alone_forget();
	if (!fs_worker_join(group, member, false) || !fs_self.local[group]) {
		fs_fd_close_hidden(fs_self.inner[group]);
		fs_self.inner[group] = 0;
		fs_self.alone[group / 64] |= UINT64_C(1) << (group % 64);
	} else if (!fs_self.inner[group]) {
		int fd = fs_inner_make(group, fs_self.core, true);

		/* Without one it could not hear its local listener: it leaves that to the others. */
		if (fd < 0)
			fs_worker_leave((unsigned)fs_self.slot - 1, group);
		else
			fs_self.inner[group] = fd;
	}
	if (fs_self.inner[group]) {
		fs_parking_unpark((unsigned)fs_self.slot - 1, group);
		fs_self.waiting[group / 64] |= UINT64_C(1) << (group % 64);
		fs_self.waits = true;
	}
	fs_leave(&old);
	fs_stealer_ensure();
	return fs_self.inner[group];
}

void fs_waiter_look(unsigned group)
{
	bool told;

	if (fs_foreign_process())
		return;
	if (fs_beat_flags() & FS_WORKER_OUT)
		fs_worker_back();
	told = fs_beat_flags() & FS_WORKER_KICKED;
	fs_beat_clear(FS_WORKER_KICKED);
	fs_steal_look(group);
	/* A poll() may look for several groups, one after the other: those that it waits for. */
	if (told)
		fs_steal_tidy(fs_self.waiting);
}

void fs_waiter_absent(const uint64_t *present)
{
	sigset_t old;

	if (!fs_self.slot || fs_foreign_process())
		return;
	fs_enter(&old);
	fs_self.waits = false;
	for (unsigned g = 0; g < FS_GROUPS_MAX; g++) {
		uint64_t bit = UINT64_C(1) << (g % 64);

		if (!(fs_self.waiting[g / 64] & bit))
			continue;
		if (present && (present[g / 64] & bit)) {
			fs_self.waits = true;
			continue;
		}
		fs_self.waiting[g / 64] &= ~bit;
		fs_parking_park((unsigned)fs_self.slot - 1, g);
	}
	fs_leave(&old);
}

/* What to poll instead of one descriptor; itself, mostly. Notes its group in `present`. */
static int replacement(int fd, short events, uint64_t *present)
{
	uint16_t tag = fs_fd_tag(fd);
	struct fs_listener *l = fs_listener_of(tag);
	int inner = 0;

	if (fs_tag_kind(tag) == FS_TAG_INTERNAL)
		return FS_FD_MAX * 2 - 1; /* nobody's: POLLNVAL, as for any number that is not open */
	if (l && (events & (POLLIN | POLLRDNORM)) && fs_listener_true(l, fd))
		inner = fs_waiter_inner(l->group, l->member);
	if (!inner)
		return fd;
	present[l->group / 64] |= UINT64_C(1) << (l->group % 64);
	return inner;
}

unsigned fs_waiter_poll_begin(struct pollfd *fds, nfds_t n, struct fs_waiter_swap *swaps)
{
	uint64_t present[FS_GROUPS_MAX / 64] = { 0 };
	unsigned count = 0;

	for (nfds_t i = 0; i < n && count < FS_SWAPS_MAX; i++) {
		int instead = fs_fd_tag(fds[i].fd) ? replacement(fds[i].fd, fds[i].events, present) : fds[i].fd;

		if (instead == fds[i].fd)
			continue;
		swaps[count++] = (struct fs_waiter_swap){ .index = i, .fd = fds[i].fd };
		fds[i].fd = instead;
	}
	if (fs_self.waits)
		fs_waiter_absent(present);
	return count;
}

void fs_waiter_poll_done(struct pollfd *fds, const struct fs_waiter_swap *swaps, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		fds[swaps[i].index].fd = swaps[i].fd;
}

int fs_waiter_move(int fd)
{
	for (unsigned g = 0; g < FS_GROUPS_MAX; g++) {
		int moved;

		if (fs_self.inner[g] != fd)
			continue;
		moved = fs_fd_move_hidden(fd);
		if (moved < 0)
			return moved;
		fs_self.inner[g] = moved;
		return 0;
	}
	return -EBUSY;
}
