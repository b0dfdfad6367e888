/* The public API (fastsock.h). */
#define _GNU_SOURCE
#include <errno.h>

#include "fastsock/fastsock.h"
#include "group.h"
#include "version.h"
#include "worker_rec.h"

#define EXPORT __attribute__((visibility("default")))

EXPORT const char *fastsock_version(void)
{
	return FS_VERSION_TEXT;
}

EXPORT int fastsock_active(void)
{
	if (!fs_proc.region)
		return 0;
	for (unsigned g = 0; g < fs_groups_end; g++)
		if (fs_groups[g].held && fs_group_state(g) == FS_GROUP_ACTIVE)
			return 1;
	return 0;
}

static struct fs_listener *listener(int fd)
{
	struct fs_listener *l = fs_listener_of(fs_fd_tag(fd));

	return l && fs_listener_true(l, fd) ? l : NULL;
}

EXPORT size_t fastsock_cores(int fd)
{
	return listener(fd) ? fs_proc.ncores : 0;
}

EXPORT int fastsock_core_counters(int fd, size_t index, struct fastsock_core *core)
{
	struct fs_listener *l = listener(fd);
	const struct fs_core_rec *rec;
	int err = 0;

	if (!l)
		err = EBADF;
	else if (index >= fs_proc.ncores || !core || core->size != sizeof(*core))
		err = EINVAL;
	if (err) {
		errno = err;
		return -1;
	}
	rec = fs_core_rec(l->group, (unsigned)index);
	core->cpu = fs_proc.cpu[index];
	core->workers = fs_workers_serving(l->group, (unsigned)index);
	core->reserved = 0;
	core->accepted_local = atomic_load_explicit(&rec->accepted_local, memory_order_relaxed);
	core->accepted_global = atomic_load_explicit(&rec->accepted_global, memory_order_relaxed);
	core->stolen = atomic_load_explicit(&rec->stolen, memory_order_relaxed);
	core->rx_sampled = atomic_load_explicit(&rec->rx_sampled, memory_order_relaxed);
	core->rx_local = atomic_load_explicit(&rec->rx_local, memory_order_relaxed);
	return 0;
}
