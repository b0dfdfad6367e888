/* Process trees that share a region of libfastsock, as /proc shows them. */
#ifndef FS_CLI_PROC_H
#define FS_CLI_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct fs_tree_process {
	int pid;
	int own_pid; /* what it calls itself, and writes into the region: another number in a PID namespace of its own */
	int fd;      /* its descriptor of the region */
};

struct fs_tree {
	dev_t dev; /* dev and ino identify the region */
	ino_t ino;
	uid_t owner; /* who made the region */
	struct fs_tree_process *process; /* in the order of /proc: by pid, lowest first */
	size_t nprocesses;
};

struct fs_trees {
	struct fs_tree *tree;
	size_t ntrees;
	unsigned unreadable; /* processes that could not be looked into */
	unsigned left_out;   /* regions that were one too many: of their process, or of their user */
};

/*
 * Adds the regions that process `pid` holds to *trees. 0; -ENOENT when there
 * is no such process, -EACCES when this user may not look into it.
 */
int fs_trees_add_process(struct fs_trees *trees, int pid);
/* Adds those of all processes. 0, or -errno when /proc cannot be read. */
int fs_trees_scan(struct fs_trees *trees);

/*
 * What earlier scans found out, for commands that look again and again: to go through
 * the descriptors of a server with 100,000 connections takes half a second.
 */
struct fs_scans {
	struct fs_scanned *process; /* by pid */
	size_t n;
};

/*
 * Likewise, with what is remembered: processes that still hold their region are not
 * searched, the others not so often that it costs more than a hundredth of the time.
 */
int fs_trees_scan_again(struct fs_trees *trees, struct fs_scans *scans);
void fs_scans_free(struct fs_scans *scans);
/* Leaves those trees that the process belongs to; how many. */
size_t fs_trees_keep(struct fs_trees *trees, int pid);
const struct fs_tree *fs_trees_find(const struct fs_trees *trees, dev_t dev, ino_t ino);
void fs_trees_free(struct fs_trees *trees);

/*
 * A descriptor of the tree's region to read from, or -errno. Refuses whatever else
 * has come to be behind the process's descriptor by now.
 */
int fs_tree_open(const struct fs_tree *tree);
/* The process of the tree that calls itself `own_pid`, or NULL. */
const struct fs_tree_process *fs_tree_process(const struct fs_tree *tree, unsigned own_pid);
/* Whether the tree's sockets are in this command's network namespace. */
bool fs_tree_same_network(const struct fs_tree *tree);

/* Whether the process is gone, or about to be: it exits, or has and waits for its parent. */
bool fs_process_ends(int pid);
/* What the process is called, in `name`; "?" when it is gone. May hold any bytes. */
void fs_process_name(int pid, char *name, size_t len);

#endif
