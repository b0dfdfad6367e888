#define _GNU_SOURCE
#include "group.h"

#include <errno.h>
#include <string.h>

#include "help.h"
#include "sockopt.h"
#include "worker_rec.h"

struct fs_listener fs_listeners[FS_TAG_INDEX_MAX];
struct fs_group fs_groups[FS_GROUPS_MAX];
unsigned fs_groups_end;

void fs_group_hold(unsigned group, const struct fs_group *p)
{
	fs_groups[group] = *p;
	fs_groups[group].held = true;
	fs_groups[group].cookie = p->global > 0 ? fs_sockopt_cookie(p->global) : 0;
	if (group >= fs_groups_end)
		fs_groups_end = group + 1;
	if (group >= atomic_load_explicit(&fs_region_head()->groups_end, memory_order_relaxed))
		atomic_store_explicit(&fs_region_head()->groups_end, group + 1, memory_order_relaxed);
}

int fs_listener_make(int fd, unsigned group, unsigned member)
{
	for (unsigned i = 0; i < FS_TAG_INDEX_MAX; i++) {
		struct fs_listener *l = &fs_listeners[i];

		if (l->refs)
			continue;
		*l = (struct fs_listener){ .group = (uint16_t)group, .member = (uint16_t)member, .refs = 1,
					   .cookie = fs_sockopt_cookie(fd), .fd = fd };
		fs_groups[group].listeners++;
		fs_fd_set_tag(fd, FS_TAG_LISTENER, i);
		return 0;
	}
	return -ENOSPC;
}

void fs_group_set_member(unsigned group, unsigned member, uint64_t cookie, uint32_t core)
{
	struct fs_member_rec *m = &fs_group_rec(group)->member[member];

	atomic_store_explicit(&m->cookie, cookie, memory_order_relaxed);
	atomic_store_explicit(&m->core, core, memory_order_relaxed);
	atomic_store_explicit(&m->worker, 0, memory_order_relaxed);
}

int fs_group_alloc(void)
{
	for (unsigned g = 0; g < FS_GROUPS_MAX; g++) {
		if (fs_groups[g].held)
			continue;
		if (!fs_group_claimed(g)) {
			/* Marks are counted. */
			for (unsigned c = 0; c < fs_proc.ncores; c++)
				fs_help_set(g, c, FS_HELP_NONE);
			/* Readers outside the tree look at nothing else of a free one. */
			atomic_store_explicit(&fs_group_rec(g)->state, FS_GROUP_FREE, memory_order_relaxed);
			memset((void *)fs_group_rec(g), 0, sizeof(struct fs_group_rec));
			for (unsigned c = 0; c < fs_proc.ncores; c++)
				memset((void *)fs_core_rec(g, c), 0, sizeof(struct fs_core_rec));
			fs_workers_forget_group(g);
			return (int)g;
		}
	}
	return -ENOSPC;
}

void fs_listener_ref(struct fs_listener *l, int fd)
{
	l->refs++;
	fs_fd_set_tag(fd, FS_TAG_LISTENER, (unsigned)(l - fs_listeners));
}

bool fs_listener_recognise(int fd)
{
	uint64_t cookie = fs_sockopt_cookie(fd);

	if (!fs_proc.region || !cookie || fd >= FS_FD_MAX)
		return false;
	for (unsigned i = 0; i < FS_TAG_INDEX_MAX; i++)
		if (fs_listeners[i].refs && fs_listeners[i].cookie == cookie) {
			fs_listener_ref(&fs_listeners[i], fd);
			return true;
		}
	for (unsigned g = 0; g < FS_GROUPS_MAX; g++)
		if (fs_groups[g].held && fs_group_own(g) && fs_groups[g].cookie == cookie)
			return fs_listener_make(fd, g, 0) == 0;
	return false;
}
