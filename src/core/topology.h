/*
 * Which CPUs exist and which of them are near each other, as the kernel
 * publishes it under /sys/devices/system. Read once, when a group becomes
 * active, because a packet may arrive on any CPU that can come online.
 */
#ifndef FS_TOPOLOGY_H
#define FS_TOPOLOGY_H

#include "cpus.h"

/*
 * The id of a CPU about which the kernel says nothing (offline, no /sys): those
 * count as one cache and one node.
 */
#define FS_TOPOLOGY_UNKNOWN 0xffffu

struct fs_topology {
	unsigned ncpus;              /* highest possible CPU number + 1 */
	uint8_t possible[FS_CPUS_MAX];
	uint16_t cache[FS_CPUS_MAX]; /* an id shared by the CPUs behind one last-level cache */
	uint16_t node[FS_CPUS_MAX];  /* an id shared by the CPUs of one NUMA node */
};

/*
 * Reads the machine's topology. What cannot be read (no /sys in a container)
 * is taken as one cache, one node and the CPUs of `known`. Never fails. Not
 * for signal handlers: it reads files.
 */
void fs_topology_read(struct fs_topology *topo, const struct fs_cpus *known);
/* The same from a directory laid out as /sys/devices/system. */
void fs_topology_read_from(struct fs_topology *topo, const struct fs_cpus *known, const char *root);

#endif
