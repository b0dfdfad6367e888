/* See loader.h: which program an interface has, and what ours has counted. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "loader.h"

/* Ours has three. One with more is not ours. */
#define MAPS_MAX 8

/* A program by its id, with its maps. */
struct program {
	int fd;
	struct bpf_prog_info info;
	uint32_t map[MAPS_MAX];
};

static int open_program(uint32_t id, struct program *p)
{
	uint32_t len = sizeof(p->info);
	int err;

	p->fd = bpf_prog_get_fd_by_id(id);
	if (p->fd < 0)
		return -errno;
	memset(&p->info, 0, sizeof(p->info));
	p->info.nr_map_ids = MAPS_MAX;
	p->info.map_ids = (uint64_t)(uintptr_t)p->map;
	if (bpf_obj_get_info_by_fd(p->fd, &p->info, &len) == 0)
		return 0;
	err = -errno;
	close(p->fd);
	return err;
}

static bool is_ours(const struct program *p)
{
	return p->info.type == BPF_PROG_TYPE_XDP && !strcmp(p->info.name, FS_STEER_PROGRAM);
}

/* Its map of this type whose values have this size; a descriptor, -ENOENT when it has none. */
static int open_map(const struct program *p, uint32_t type, size_t value_size)
{
	for (uint32_t i = 0; i < p->info.nr_map_ids && i < MAPS_MAX; i++) {
		struct bpf_map_info info = {0};
		uint32_t len = sizeof(info);
		int fd = bpf_map_get_fd_by_id(p->map[i]);

		if (fd < 0)
			return -errno;
		if (bpf_obj_get_info_by_fd(fd, &info, &len) == 0 && info.type == type && info.value_size == value_size &&
		    info.max_entries == 1)
			return fd;
		close(fd);
	}
	return -ENOENT;
}

static int read_config(const struct program *p, struct fs_steer_found *found)
{
	struct port_steer_config config;
	uint32_t key = 0;
	int fd = open_map(p, BPF_MAP_TYPE_ARRAY, sizeof(config));
	int err;

	if (fd < 0)
		return fd;
	err = bpf_map_lookup_elem(fd, &key, &config) < 0 ? -errno : 0;
	close(fd);
	if (err)
		return err;
	if (!config.ncpus || config.ncpus > PORT_STEER_CPUS_MAX)
		return -EPROTO;
	found->ncpus = config.ncpus;
	memcpy(found->cpu, config.cpu, sizeof(config.cpu));
	found->ports = config.ports;
	return 0;
}

static int describe(struct fs_steer_found *found)
{
	struct program p;
	int err = open_program(found->prog_id, &p);

	if (err)
		return err;
	memcpy(found->name, p.info.name, sizeof(found->name));
	found->name[sizeof(found->name) - 1] = '\0';
	found->ours = is_ours(&p);
	/* One that calls itself ours and has no such map is another version's: known, not understood. */
	err = found->ours ? read_config(&p, found) : 0;
	close(p.fd);
	return err == -ENOENT || err == -EPROTO ? 0 : err;
}

int fs_steer_find(unsigned ifindex, struct fs_steer_found *found, struct fs_steer_why *why)
{
	LIBBPF_OPTS(bpf_xdp_query_opts, query);
	int err = bpf_xdp_query((int)ifindex, 0, &query);

	why->text[0] = '\0';
	memset(found, 0, sizeof(*found));
	if (err)
		return err;
	/* An interface can have one on the card as well, which is nobody's business here. */
	if (query.drv_prog_id || query.skb_prog_id) {
		found->mode = query.drv_prog_id ? FS_STEER_NATIVE : FS_STEER_GENERIC;
		found->prog_id = query.drv_prog_id ? query.drv_prog_id : query.skb_prog_id;
	} else if (query.hw_prog_id) {
		found->mode = FS_STEER_OFFLOADED;
		found->prog_id = query.hw_prog_id;
	} else {
		return 0;
	}
	return describe(found);
}

int fs_steer_exists(uint32_t prog_id)
{
	struct program p;
	int err = open_program(prog_id, &p);

	if (err)
		return err;
	err = is_ours(&p) ? 0 : -ENOENT;
	close(p.fd);
	return err;
}

unsigned fs_steer_possible_cpus(void)
{
	int n = libbpf_num_possible_cpus();

	return n > 0 ? (unsigned)n : 1;
}

int fs_steer_counts(uint32_t prog_id, struct port_steer_counts *counts, unsigned ncpus)
{
	struct program p;
	uint32_t key = 0;
	int err, fd;

	/* The kernel writes one for each possible CPU, whatever there is room for. */
	if (ncpus != fs_steer_possible_cpus())
		return -EINVAL;
	err = open_program(prog_id, &p);
	if (err)
		return err;
	fd = open_map(&p, BPF_MAP_TYPE_PERCPU_ARRAY, sizeof(*counts));
	close(p.fd);
	if (fd < 0)
		return fd;
	err = bpf_map_lookup_elem(fd, &key, counts) < 0 ? -errno : 0;
	close(fd);
	return err;
}
