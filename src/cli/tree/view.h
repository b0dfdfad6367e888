/*
 * A region copied out of a process tree and checked: whatever is asked of a
 * view stays within its bounds, whatever the tree wrote. Numbers that only
 * inform (counters, pids) are passed on as they are.
 */
#ifndef FS_CLI_VIEW_H
#define FS_CLI_VIEW_H

#include "core/region.h"
#include "proc.h"
#include "queues.h"

struct fs_view {
	const struct fs_tree *tree;
	const struct fs_queues *queues; /* NULL when they are another network namespace's */
	unsigned char *region;
	const struct fs_region_head *head;
	const struct fs_worker_rec *worker; /* FS_WORKERS_MAX */
	const struct fs_group_rec *group;   /* FS_GROUPS_MAX */
	unsigned ncores;
	uint64_t time_us; /* when it was read, by CLOCK_MONOTONIC */
	struct fs_view_index *index;
	int pid[FS_WORKERS_MAX]; /* of each worker, as this command sees it; 0 for a slot without a living one */
};

/*
 * Reads the tree's region. 0, or -1 with a few words in *why (static or in the
 * view's own buffers) when it cannot be read or does not make sense.
 */
int fs_view_read(struct fs_view *view, const struct fs_tree *tree, const struct fs_queues *queues, const char **why);
void fs_view_free(struct fs_view *view);

/* The pid by which to speak of the tree: its creator's, or the lowest once that is gone. */
int fs_view_tree_pid(const struct fs_view *view);
bool fs_view_active(const struct fs_view *view);
bool fs_view_has_group(const struct fs_view *view, unsigned group);
const struct fs_core_rec *fs_view_core(const struct fs_view *view, unsigned group, unsigned core);
const struct fs_core_load *fs_view_load(const struct fs_view *view, unsigned core);
const struct fs_core_active *fs_view_connect(const struct fs_view *view, unsigned core);
/* Connections that the core's living workers have open, of whatever group. */
uint64_t fs_view_open(const struct fs_view *view, unsigned core);
/* A word for why others may take from the core's queue: "none" while it copes. */
const char *fs_view_help(const struct fs_core_rec *rec);
/* Live workers that wait for the group's connections. */
unsigned fs_view_workers(const struct fs_view *view, unsigned group);
/* Distinct pids of the live workers that serve the core's local listener, in the order of their slots. */
unsigned fs_view_owners(const struct fs_view *view, unsigned group, unsigned core, int pids[FS_WORKERS_MAX]);
/*
 * Connections that wait at the core's local listeners; -1 when there is none, or
 * the number cannot be known.
 */
int64_t fs_view_queue(const struct fs_view *view, unsigned group, unsigned core);
/* Likewise at the group's other listeners: the global listener, or adopted ones that nobody serves. */
int64_t fs_view_global_queue(const struct fs_view *view, unsigned group);
/* "127.0.0.1:80", "[::]:80". */
void fs_view_address(const struct fs_view *view, unsigned group, char *text, size_t len);
/* Words for the group's state and mode. */
const char *fs_view_state(const struct fs_view *view, unsigned group);
const char *fs_view_mode(const struct fs_view *view, unsigned group);
/*
 * Why the group is not active: a word, and in *text a sentence; NULL when it is. In *err the errno
 * behind it, or 0.
 */
const char *fs_view_reason(const struct fs_view *view, unsigned group, const char **text, int *err);

#endif
