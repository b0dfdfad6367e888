/*
 * Sets of CPU numbers: parsing and printing the kernel's list format, and the
 * mask that a thread may run on. Pure, but for fs_cpus_allowed().
 */
#ifndef FS_CPUS_H
#define FS_CPUS_H

#include "common.h"

struct fs_cpus {
	uint64_t bits[FS_CPUS_MAX / 64];
};

static inline bool fs_cpus_has(const struct fs_cpus *s, unsigned cpu)
{
	return cpu < FS_CPUS_MAX && (s->bits[cpu / 64] >> (cpu % 64) & 1);
}

static inline void fs_cpus_add(struct fs_cpus *s, unsigned cpu)
{
	if (cpu < FS_CPUS_MAX)
		s->bits[cpu / 64] |= UINT64_C(1) << (cpu % 64);
}

unsigned fs_cpus_count(const struct fs_cpus *s);
/* The lowest member at or above `from`; FS_CPUS_MAX when there is none. */
unsigned fs_cpus_next(const struct fs_cpus *s, unsigned from);
void fs_cpus_and(struct fs_cpus *s, const struct fs_cpus *other);
/*
 * "0-3,8": the kernel's list format (Documentation/admin-guide/cputopology.rst),
 * ended by NUL or newline. 0, or -EINVAL with *out untouched when the text is
 * no list, is empty, runs backwards or names a CPU of FS_CPUS_MAX or above.
 */
int fs_cpus_parse(const char *text, struct fs_cpus *out);
/* The same format back, NUL-terminated and cut to len. Returns the bytes written without the NUL. */
size_t fs_cpus_format(const struct fs_cpus *s, char *buf, size_t len);
/*
 * The CPUs that the thread may run on: its affinity, which the kernel keeps inside
 * the cpuset and the online CPUs. 0 or -errno.
 */
int fs_cpus_allowed(int tid, struct fs_cpus *out);

#endif
