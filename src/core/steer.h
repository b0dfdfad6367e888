/*
 * Steering, the pure part: from "who serves which CPU" to a table
 * (RX CPU, flow group) -> listener, and from the table to classic BPF for
 * SO_ATTACH_REUSEPORT_CBPF. No system call in here; 1 to FS_CPUS_MAX CPUs.
 */
#ifndef FS_STEER_H
#define FS_STEER_H

#include <linux/filter.h>

#include "topology.h"

/*
 * The unit that moves between cores: 12 bits of a hash of the client's address and
 * port (Affinity-Accept, section 3.3.2).
 */
#define FS_FLOW_GROUPS 4096
/* Segments of all rows together: each CPU split four ways on the largest machine. */
#define FS_STEER_SEGS_MAX (4 * FS_CPUS_MAX)

/*
 * A listener that takes connections, by its index in the reuseport group, and the CPU
 * that it serves. What it gives away and gains is in flow groups of a whole CPU's
 * FS_FLOW_GROUPS (balance.h).
 */
struct fs_steer_target {
	uint16_t cpu;
	uint16_t listener;
	uint16_t away; /* of its part of its own CPU: this share goes to those that gain */
	uint16_t gain; /* its weight among those that gain */
};

/*
 * Flow groups from the previous segment's end up to, but not including, `end` go to
 * `listener`. The last of a row ends at FS_FLOW_GROUPS.
 */
struct fs_steer_seg {
	uint16_t end;
	uint16_t listener;
};

struct fs_steer_row {
	uint32_t first; /* index of its first segment */
	uint32_t count; /* at least 1 */
};

struct fs_steer_table {
	unsigned ncpus;     /* rows in use: CPUs 0 .. ncpus-1 */
	unsigned nsegs;
	uint16_t otherwise; /* listener for a CPU beyond the table */
	struct fs_steer_row row[FS_CPUS_MAX];
	struct fs_steer_seg seg[FS_STEER_SEGS_MAX];
};

/*
 * Fills the table. A CPU with targets of its own is split evenly among them by
 * flow group, but for what they give away: those flow groups, of all CPUs in turn as
 * one line, are dealt out to the targets that gain, in proportion to their gains.
 * While nobody gains, nobody gives. A CPU without a target goes to targets near it: those behind the same
 * cache, else on the same node, else anywhere; each such neighbourhood's
 * ownerless CPUs are dealt out so that no target gets more than its even share
 * (whole CPUs in turn, what is left over split by flow group). With no target
 * at all, everything goes to `otherwise`. With `otherwise_unowned`, CPUs
 * without a target go to `otherwise` instead of to a neighbour (used while a
 * worker exists that does not serve a local listener yet).
 * 0, or -E2BIG when the table would not hold the segments.
 */
int fs_steer_plan(struct fs_steer_table *table, const struct fs_topology *topo,
		  const struct fs_steer_target *targets, size_t ntargets,
		  uint16_t otherwise, bool otherwise_unowned);

/*
 * The same, but blind to the CPU: every CPU's flow groups are split evenly over all
 * targets (FASTSOCK_STEER=hash), whatever they give away or gain.
 */
int fs_steer_plan_hash(struct fs_steer_table *table, const struct fs_steer_target *targets,
		       size_t ntargets, uint16_t otherwise);

/*
 * Compiles the table into at most `max` instructions of `prog`. The program returns
 * the listener's index for the CPU that it runs on and the packet that it sees
 * (IPv4 with or without options, IPv6; with extension headers the client's port is
 * left out of the hash). It looks into the packet only if a row has more than one
 * segment. Returns the number of instructions, or -E2BIG.
 */
int fs_steer_compile(const struct fs_steer_table *table, struct sock_filter *prog, size_t max);

/*
 * The flow group that the compiled program computes for a client: address as the
 * packet's last four bytes of it in host order, port in host order (0 where the
 * program cannot see it).
 */
unsigned fs_steer_flow_group(uint32_t address_low, uint16_t port);

#endif
