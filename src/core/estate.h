/*
 * What one process takes over from another one of the same server: the tree (region
 * and hub) and the parts of it that belong to a group. How it gets there is
 * handover.c's business (through execve()) or heir.c's (through a socket); here is what
 * it consists of, and what is checked before it is believed. Process lock held.
 */
#ifndef FS_ESTATE_H
#define FS_ESTATE_H

#include "group.h"
#include "hub.h"

struct fs_estate_tree {
	uint32_t version; /* of the region */
	uint32_t ncores;
	int32_t memfd;
	int32_t claims;
	struct fs_hub hub;
};

struct fs_estate_part {
	uint32_t group;
	int32_t global;
	int32_t claim;
	int32_t heir;
	int32_t local[FS_CORES_MAX];
	uint64_t cookie[FS_CORES_MAX]; /* of the local listeners */
};

/* This process's own, as it is. */
void fs_estate_tree_of(struct fs_estate_tree *t);
void fs_estate_part_of(struct fs_estate_part *p, unsigned group);

/* Calls fn for each of the descriptors, which it may replace. False as soon as one call says so. */
bool fs_estate_each(struct fs_estate_tree *t, bool (*fn)(int32_t *fd, void *arg), void *arg);
bool fs_estate_each_part(struct fs_estate_part *p, unsigned ncores, bool (*fn)(int32_t *fd, void *arg), void *arg);

/*
 * Takes over a tree: the region is mapped, and its descriptors are hidden ones of this
 * process from now on, under the numbers that they have. False, with nothing changed, if
 * it is not what it says, or of another version; the descriptors are the caller's then.
 */
bool fs_estate_take(const struct fs_estate_tree *t);
/* Likewise a group of the tree that was taken. */
bool fs_estate_take_part(const struct fs_estate_part *p);
/* Closes the descriptors of what is not taken. */
void fs_estate_drop(struct fs_estate_tree *t);
void fs_estate_drop_part(struct fs_estate_part *p);

/* Whether a descriptor is what /proc says of it. */
bool fs_estate_link_is(int fd, const char *target);

#endif
