/*
 * Help marks in the shared region: why others may take from a core's queue
 * (enum fs_help). Set by the core's own workers when they park or leave, and by
 * the active stealing thread. No lock needed.
 */
#ifndef FS_HELP_H
#define FS_HELP_H

#include "region_lock.h"

static inline enum fs_help fs_help_of(unsigned group, unsigned core)
{
	return (enum fs_help)atomic_load_explicit(&fs_core_rec(group, core)->help, memory_order_relaxed);
}

/* Some core of some group needs help: one load, for every wait and every accept. */
static inline bool fs_help_wanted(void)
{
	return atomic_load_explicit(&fs_region_head()->helpless, memory_order_relaxed) != 0;
}

/* Returns the mark that was there. */
enum fs_help fs_help_set(unsigned group, unsigned core, enum fs_help help);
/* As above, but only if `old` is the mark. */
bool fs_help_change(unsigned group, unsigned core, enum fs_help old, enum fs_help help);
/*
 * Counts all marks anew: who died between a mark and its count left it wrong. Tree
 * lock held; a mark that is set meanwhile may be missed until the next one.
 */
void fs_help_recount(void);

#endif
