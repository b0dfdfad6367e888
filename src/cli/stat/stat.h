/* What the files of `fastsock stat` share. stat.c reads the arguments, stat_watch.c goes on with --watch. */
#ifndef FS_CLI_STAT_H
#define FS_CLI_STAT_H

#include <stdbool.h>
#include <stdint.h>

#include "cli/tree/proc.h"
#include "cli/tree/sample.h"

enum fs_stat_format {
	FS_STAT_TEXT,
	FS_STAT_JSON,
	FS_STAT_PROMETHEUS,
};

struct fs_stat_request {
	int pid; /* 0: all */
	enum fs_stat_format format;
	bool details;
	uint64_t watch_us; /* 0: once */
};

/*
 * Reads and prints the trees. With --watch, `before` are the samples of the last
 * time, which are replaced by new ones; NULL without. FS_EXIT_OK, or FS_EXIT_FAILED after a message.
 */
int fs_stat_report(const struct fs_stat_request *request, const struct fs_trees *trees, struct fs_samples *before);
/* Prints again and again, until a signal, or until nobody reads it, or the process is gone. */
int fs_stat_watch(const struct fs_stat_request *request);

#endif
