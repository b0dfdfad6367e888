#include "help.h"

static void count(enum fs_help old, enum fs_help help)
{
	if (!old != !help)
		atomic_fetch_add_explicit(&fs_region_head()->helpless, help ? 1 : (uint32_t)-1, memory_order_relaxed);
}

enum fs_help fs_help_set(unsigned group, unsigned core, enum fs_help help)
{
	/* Sequentially consistent: of two workers of a core that park at once, one must see both (worker.c). */
	enum fs_help old = (enum fs_help)atomic_exchange_explicit(&fs_core_rec(group, core)->help, help, memory_order_seq_cst);

	count(old, help);
	return old;
}

bool fs_help_change(unsigned group, unsigned core, enum fs_help old, enum fs_help help)
{
	uint32_t expected = old;

	if (!atomic_compare_exchange_strong_explicit(&fs_core_rec(group, core)->help, &expected, help, memory_order_seq_cst,
						     memory_order_relaxed))
		return false;
	count(old, help);
	return true;
}

void fs_help_recount(void)
{
	uint32_t seen = atomic_load_explicit(&fs_region_head()->helpless, memory_order_relaxed);
	uint32_t marks = 0;

	for (unsigned g = 0; g < FS_GROUPS_MAX; g++) {
		if (atomic_load_explicit(&fs_group_rec(g)->state, memory_order_relaxed) == FS_GROUP_FREE)
			continue;
		for (unsigned c = 0; c < fs_proc.ncores; c++)
			marks += fs_help_of(g, c) != FS_HELP_NONE;
	}
	/* Only if nobody counted in between. */
	if (marks != seen)
		atomic_compare_exchange_strong_explicit(&fs_region_head()->helpless, &seen, marks, memory_order_relaxed,
							memory_order_relaxed);
}
