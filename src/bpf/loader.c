/* See loader.h: loading, attaching and detaching. inspect.c has what looks at programs that run. */
#include "loader.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "object.h"

/*
 * Packets that may wait for another CPU; what comes beyond is dropped, as it is by the kernel's
 * own hand-over to another CPU (RPS) beyond net.core.netdev_max_backlog. Four times the default of
 * that: the thread that takes them shares its CPU with the application. 32 KiB a CPU.
 */
#define QUEUE_LEN 4096

struct fs_steer_program {
	struct bpf_object *object;
	int fd;
	uint32_t id;
};

/* libbpf prints; the last line that it prints before it fails, or the kernel's own, is the reason. */
static struct fs_steer_why said;

static int listen_to_libbpf(enum libbpf_print_level level, const char *format, va_list args)
{
	static const char libbpf[] = "libbpf: ", kernel[] = "Kernel error message: ";
	char line[sizeof(said.text)];
	char *text = line;

	if (level != LIBBPF_WARN)
		return 0;
	vsnprintf(line, sizeof(line), format, args);
	line[strcspn(line, "\n")] = '\0';
	if (!strncmp(text, libbpf, strlen(libbpf)))
		text += strlen(libbpf);
	if (!strncmp(text, kernel, strlen(kernel)))
		text += strlen(kernel);
	/* The log of the verifier is many lines, in one call or in several. */
	if (*text)
		snprintf(said.text, sizeof(said.text), "%s", text);
	return 0;
}

static void begin(struct fs_steer_why *why)
{
	libbpf_set_print(listen_to_libbpf);
	said.text[0] = why->text[0] = '\0';
}

static int end(int err, struct fs_steer_why *why)
{
	if (err)
		*why = said;
	return err;
}

static int set_config(struct bpf_object *object, const uint16_t *cpu, uint32_t ncpus, struct port_steer_range ports)
{
	struct port_steer_config config = {.ncpus = ncpus, .ports = ports};
	struct bpf_map *map = bpf_object__find_map_by_name(object, ".rodata");

	memcpy(config.cpu, cpu, ncpus * sizeof(*cpu));
	/* Refuses a size that is not the map's: then the two sides were not built together. */
	return map ? bpf_map__set_initial_value(map, &config, sizeof(config)) : -ENOENT;
}

static struct bpf_map *cpu_map(const struct bpf_object *object)
{
	return bpf_object__find_map_by_name(object, "steer_cpus");
}

static int set_cpu_map_size(struct bpf_object *object, const uint16_t *cpu, uint32_t ncpus)
{
	uint32_t entries = 0;

	for (uint32_t i = 0; i < ncpus; i++) {
		if (cpu[i] >= entries)
			entries = cpu[i] + 1u;
	}
	return cpu_map(object) ? bpf_map__set_max_entries(cpu_map(object), entries) : -ENOENT;
}

/* Each entry starts a thread of the kernel's that takes the packets in on its CPU. */
static int fill_cpu_map(const struct bpf_object *object, const uint16_t *cpu, uint32_t ncpus)
{
	int err = 0;

	for (uint32_t i = 0; i < ncpus && !err; i++) {
		struct bpf_cpumap_val value = {.qsize = QUEUE_LEN};
		uint32_t key = cpu[i];

		if (bpf_map_update_elem(bpf_map__fd(cpu_map(object)), &key, &value, BPF_ANY) < 0) {
			err = -errno;
			snprintf(said.text, sizeof(said.text), "CPU %u takes no packets: %s", key, strerror(-err));
		}
	}
	return err;
}

static int load(struct fs_steer_program *p, const uint16_t *cpu, uint32_t ncpus, struct port_steer_range ports)
{
	LIBBPF_OPTS(bpf_object_open_opts, opts, .object_name = "fastsock");
	struct bpf_prog_info info = {0};
	uint32_t len = sizeof(info);
	struct bpf_program *program;
	int err;

	p->object = bpf_object__open_mem(fs_bpf_object, (size_t)(fs_bpf_object_end - fs_bpf_object), &opts);
	if (!p->object)
		return -errno;
	program = bpf_object__find_program_by_name(p->object, FS_STEER_PROGRAM);
	if (!program)
		return -ENOENT;
	err = set_config(p->object, cpu, ncpus, ports);
	if (!err)
		err = set_cpu_map_size(p->object, cpu, ncpus);
	if (!err)
		err = bpf_object__load(p->object);
	if (!err)
		err = fill_cpu_map(p->object, cpu, ncpus);
	if (err)
		return err;
	p->fd = bpf_program__fd(program);
	if (bpf_obj_get_info_by_fd(p->fd, &info, &len) < 0)
		return -errno;
	p->id = info.id;
	return 0;
}

int fs_steer_load(const uint16_t *cpu, uint32_t ncpus, struct port_steer_range ports, struct fs_steer_program **out,
		  struct fs_steer_why *why)
{
	struct fs_steer_program *p;
	int err;

	begin(why);
	if (!ncpus || ncpus > PORT_STEER_CPUS_MAX)
		return -EINVAL;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	err = load(p, cpu, ncpus, ports);
	if (err)
		fs_steer_close(p);
	else
		*out = p;
	return end(err, why);
}

void fs_steer_close(struct fs_steer_program *program)
{
	bpf_object__close(program->object);
	free(program);
}

uint32_t fs_steer_id(const struct fs_steer_program *program)
{
	return program->id;
}

int fs_steer_fd(const struct fs_steer_program *program)
{
	return program->fd;
}

int fs_steer_attach(const struct fs_steer_program *program, unsigned ifindex, bool generic, struct fs_steer_why *why)
{
	uint32_t flags = XDP_FLAGS_UPDATE_IF_NOEXIST | (generic ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE);

	begin(why);
	return end(bpf_xdp_attach((int)ifindex, program->fd, flags, NULL), why);
}

int fs_steer_detach(unsigned ifindex, const struct fs_steer_found *found, struct fs_steer_why *why)
{
	LIBBPF_OPTS(bpf_xdp_attach_opts, opts);
	uint32_t flags = found->mode == FS_STEER_GENERIC ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE;
	int err;

	begin(why);
	opts.old_prog_fd = bpf_prog_get_fd_by_id(found->prog_id);
	if (opts.old_prog_fd < 0)
		return -errno;
	err = bpf_xdp_detach((int)ifindex, flags, &opts);
	close(opts.old_prog_fd);
	return end(err, why);
}
