#define _GNU_SOURCE
#include "estate.h"

#include <string.h>
#include <sys/mman.h>

#include "path.h"
#include "sys/sys.h"

void fs_estate_tree_of(struct fs_estate_tree *t)
{
	memset(t, 0, sizeof(*t));
	t->version = FS_REGION_VERSION;
	t->ncores = fs_proc.ncores;
	t->memfd = fs_proc.memfd;
	t->claims = fs_proc.claims;
	t->hub = fs_hub;
}

void fs_estate_part_of(struct fs_estate_part *part, unsigned group)
{
	const struct fs_group *p = &fs_groups[group];

	memset(part, 0, sizeof(*part));
	part->group = group;
	part->global = p->global;
	part->claim = p->claim;
	part->heir = p->heir;
	for (unsigned c = 0; c < fs_proc.ncores; c++) {
		part->local[c] = p->local[c];
		part->cookie[c] = p->local[c] > 0 ? fs_sockopt_cookie(p->local[c]) : 0;
	}
}

bool fs_estate_each(struct fs_estate_tree *t, bool (*fn)(int32_t *fd, void *arg), void *arg)
{
	bool ok = fn(&t->memfd, arg) && fn(&t->claims, arg) && fn(&t->hub.hub, arg) && fn(&t->hub.watchdog, arg);

	for (unsigned c = 0; ok && c < t->ncores && c < FS_CORES_MAX; c++)
		ok = fn(&t->hub.watch[c], arg) && fn(&t->hub.kick[c], arg);
	return ok;
}

bool fs_estate_each_part(struct fs_estate_part *p, unsigned ncores, bool (*fn)(int32_t *fd, void *arg), void *arg)
{
	bool ok = fn(&p->global, arg) && fn(&p->claim, arg) && fn(&p->heir, arg);

	for (unsigned c = 0; ok && c < ncores && c < FS_CORES_MAX; c++)
		ok = fn(&p->local[c], arg);
	return ok;
}

bool fs_estate_link_is(int fd, const char *target)
{
	char path[32], link[512];
	long len;

	/* Negative is no descriptor, and no path either. */
	len = fs_sys_readlink(fs_path(path, sizeof(path), "/proc/self/fd/", (unsigned)fd, ""), link, sizeof(link) - 1);
	return len > 0 && (size_t)len == strlen(target) && memcmp(link, target, (size_t)len) == 0;
}

/* From now on one of ours. Its number stays. */
static int keep(int fd)
{
	if (fd <= 0 || fd >= FS_FD_MAX || fs_sys_fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return 0;
	fs_fd_set_tag(fd, FS_TAG_INTERNAL, 0);
	return fd;
}

bool fs_estate_take(const struct fs_estate_tree *t)
{
	uint64_t size = fs_sys_file_size(t->memfd);
	static struct fs_region_head head; /* a copy: others may write to it */
	int rc, seals = fs_sys_fcntl(t->memfd, F_GET_SEALS, 0);

	if (t->version != FS_REGION_VERSION || seals < 0 || !(seals & F_SEAL_SHRINK) ||
	    !fs_estate_link_is(t->memfd, "/memfd:" FS_REGION_NAME " (deleted)") || size < sizeof(head))
		return false;
	rc = fs_sys_map_shared(t->memfd, size, &fs_proc.region);
	if (rc < 0)
		return false;
	memcpy(&head, fs_proc.region, sizeof(head));
	if (fs_region_check(&head, size) || head.ncores != t->ncores) {
		fs_sys_unmap(fs_proc.region, size);
		fs_proc.region = NULL;
		return false;
	}
	fs_proc.ncores = head.ncores;
	memcpy(fs_proc.cpu, head.cpu, sizeof(fs_proc.cpu));
	fs_proc.memfd = keep(t->memfd);
	fs_proc.claims = keep(t->claims);
	fs_hub.hub = keep(t->hub.hub);
	fs_hub.watchdog = keep(t->hub.watchdog);
	for (unsigned c = 0; c < fs_proc.ncores; c++) {
		fs_hub.watch[c] = keep(t->hub.watch[c]);
		fs_hub.kick[c] = keep(t->hub.kick[c]);
	}
	return true;
}

static bool part_true(const struct fs_estate_part *p)
{
	if (p->group >= FS_GROUPS_MAX || fs_groups[p->group].held || fs_group_state(p->group) == FS_GROUP_FREE ||
	    fs_group_state(p->group) == FS_GROUP_ABANDONED)
		return false;
	if (fs_sockopt_cookie(p->global) !=
	    atomic_load_explicit(&fs_group_rec(p->group)->member[0].cookie, memory_order_relaxed))
		return false;
	for (unsigned c = 0; c < fs_proc.ncores; c++)
		if (p->local[c] <= 0 || fs_sockopt_cookie(p->local[c]) != p->cookie[c])
			return false;
	return true;
}

bool fs_estate_take_part(const struct fs_estate_part *part)
{
	static struct fs_group p; /* large */

	if (!part_true(part))
		return false;
	memset(&p, 0, sizeof(p));
	p.global = keep(part->global);
	p.claim = keep(part->claim);
	p.heir = keep(part->heir);
	for (unsigned c = 0; c < fs_proc.ncores; c++)
		p.local[c] = keep(part->local[c]);
	fs_group_hold(part->group, &p);
	return true;
}

static bool drop_descriptor(int32_t *fd, void *unused)
{
	(void)unused;
	if (*fd > 2) {
		fs_fd_set_tag(*fd, FS_TAG_NONE, 0);
		fs_sys_close(*fd);
	}
	*fd = 0;
	return true;
}

void fs_estate_drop(struct fs_estate_tree *t)
{
	fs_estate_each(t, drop_descriptor, NULL);
}

void fs_estate_drop_part(struct fs_estate_part *p)
{
	fs_estate_each_part(p, FS_CORES_MAX, drop_descriptor, NULL);
}
