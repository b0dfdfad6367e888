/*
 * Loading, attaching, finding and detaching the XDP program of `fastsock steer`.
 * The only user of libbpf. Nothing is pinned: an attached program lives as long
 * as its interface, and is found again by asking the interface.
 *
 * All need root, or CAP_NET_ADMIN, CAP_BPF and CAP_PERFMON to attach and
 * CAP_SYS_ADMIN to find; interfaces are those of the calling thread's network namespace.
 * Functions return 0 or -errno, and then what the kernel or libbpf said about it in
 * *why, which is empty where errno says it all.
 */
#ifndef FS_BPF_LOADER_H
#define FS_BPF_LOADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "port_steer.h"

/* The name by which the kernel knows the program, and we know it again. */
#define FS_STEER_PROGRAM "fastsock_steer"

struct fs_steer_why {
	char text[256];
};

/* A program that is loaded and not attached anywhere; it is gone when it is not attached before it is closed. */
struct fs_steer_program;

/*
 * ncpus is 1 .. PORT_STEER_CPUS_MAX. The CPUs have to be online, which is the caller's to check: a
 * thread is started on each. Packets to ports outside the range stay where they arrive.
 */
int fs_steer_load(const uint16_t *cpu, uint32_t ncpus, struct port_steer_range ports, struct fs_steer_program **out,
		  struct fs_steer_why *why);
void fs_steer_close(struct fs_steer_program *program);
uint32_t fs_steer_id(const struct fs_steer_program *program);
/* Its descriptor, which stays the program's. */
int fs_steer_fd(const struct fs_steer_program *program);

/*
 * -EBUSY or -EEXIST when the interface has an XDP program, -EOPNOTSUPP when the driver
 * cannot run one, and whatever else the driver says.
 */
int fs_steer_attach(const struct fs_steer_program *program, unsigned ifindex, bool generic, struct fs_steer_why *why);

enum fs_steer_mode { FS_STEER_NONE, FS_STEER_NATIVE, FS_STEER_GENERIC, FS_STEER_OFFLOADED };

/* The XDP program of an interface, ours or not. */
struct fs_steer_found {
	enum fs_steer_mode mode; /* FS_STEER_NONE: there is none, and the rest is not set */
	uint32_t prog_id;
	char name[16];
	bool ours;
	uint32_t ncpus; /* 0 when it is not ours, or of another version of fastsock */
	uint16_t cpu[PORT_STEER_CPUS_MAX];
	struct port_steer_range ports;
};

int fs_steer_find(unsigned ifindex, struct fs_steer_found *found, struct fs_steer_why *why);
/* Whether there is a program of ours with this id, attached or not; an error but -ENOENT leaves it open. */
int fs_steer_exists(uint32_t prog_id);
/* CPUs that the machine can have: the length of the array that fs_steer_counts() wants. */
unsigned fs_steer_possible_cpus(void);
int fs_steer_counts(uint32_t prog_id, struct port_steer_counts *counts, unsigned ncpus);
/* Takes off what fs_steer_find() found, and nothing that was put in its place since. */
int fs_steer_detach(unsigned ifindex, const struct fs_steer_found *found, struct fs_steer_why *why);

#endif
