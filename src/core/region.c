#include "region.h"

const char *fs_region_check(const struct fs_region_head *head, uint64_t actual)
{
	if (actual < sizeof(*head))
		return "it is shorter than its own head";
	if (head->magic != FS_REGION_MAGIC)
		return "it does not start with the magic number";
	if (head->version != FS_REGION_VERSION)
		return "it is of another version of the library";
	if (head->ncores < 1 || head->ncores > FS_CORES_MAX)
		return "its number of cores is out of range";
	if (head->size != fs_region_size(head->ncores) || actual < head->size)
		return "its size does not match its number of cores";
	for (uint32_t c = 0; c < head->ncores; c++)
		if (head->cpu[c] >= FS_CPUS_MAX)
			return "a CPU number is out of range";
	return NULL;
}
