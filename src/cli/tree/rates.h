/*
 * Samples of process trees, and what happened between two of them. Pure: no system
 * call and no clock; sample.h takes samples of running trees.
 */
#ifndef FS_CLI_RATES_H
#define FS_CLI_RATES_H

#include <stdbool.h>
#include <sys/types.h>

#include "counters.h"

/* What cannot be known: no earlier sample, a counter that started anew, nothing to take a share of. */
#define FS_RATE_UNKNOWN (-1.0)

struct fs_sample_core {
	uint64_t counter[FS_CORE_NCOUNTERS];
	int64_t queue; /* connections that wait, -1 where that cannot be known */
	enum fs_help help;
	bool out; /* steering passes it by */
};

struct fs_sample_load {
	uint64_t counter[FS_LOAD_NCOUNTERS];
	uint64_t connect[FS_CONNECT_NCOUNTERS];
	uint64_t open;
	uint32_t away;
	uint16_t cpu;
};

struct fs_sample_group {
	unsigned slot;         /* in the region; together with the address, by which it is known again */
	char address[80];      /* "127.0.0.1:80" */
	const char *state;     /* words, static */
	const char *mode;
	unsigned workers;
	int64_t queue;         /* of the global listener */
	struct fs_sample_core *core; /* ncores */
};

struct fs_sample {
	dev_t dev; /* dev and ino identify the tree */
	ino_t ino;
	uint64_t time_us; /* of a clock that never goes back */
	int pid;
	size_t nprocesses;
	char command[64];
	unsigned ncores, ngroups; /* ngroups: FS_GROUPS_MAX at most */
	struct fs_sample_load *load; /* ncores */
	struct fs_sample_group *group;
};

void fs_sample_free(struct fs_sample *sample);

/* Two samples of one tree. Refers to them, so that they must stay. */
struct fs_rates {
	const struct fs_sample *now, *before; /* before: NULL where there is none, or none of this tree */
	double seconds;                       /* between the two; 0 without `before` */
	/* Each group of `now` as it was before; NULL where it was not there. */
	const struct fs_sample_group *group[FS_GROUPS_MAX];
};

/* The sample of the same tree, or NULL. */
const struct fs_sample *fs_sample_find(const struct fs_sample *samples, size_t n, dev_t dev, ino_t ino);
/* `before` may be NULL, or of another tree: then all rates are unknown. */
void fs_rates_set(struct fs_rates *rates, const struct fs_sample *now, const struct fs_sample *before);

/* Per second, or FS_RATE_UNKNOWN. Groups and cores are those of `now`. */
double fs_rate_core(const struct fs_rates *rates, unsigned group, unsigned core, enum fs_core_counter counter);
double fs_rate_load(const struct fs_rates *rates, unsigned core, enum fs_load_counter counter);
/* enum fs_connect_counter, or a fallback behind it. */
double fs_rate_connect(const struct fs_rates *rates, unsigned core, unsigned counter);

/* The share of two rates, 0 to 1. */
double fs_rate_share(double part, double whole);
/* The sum, where what is unknown is left out, and nothing known is unknown. */
double fs_rate_add(double sum, double rate);

#endif
