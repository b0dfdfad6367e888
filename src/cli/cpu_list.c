/* See cpu_list.h. */
#include "cpu_list.h"

#include <errno.h>

#include "cli.h"
#include "core/cpus.h"

int fs_cli_cpu_list(const char *verb, const char *list, uint16_t cpu[FS_CORES_MAX], uint32_t *ncpus)
{
	switch (fs_portsteer_parse_cpus(list, cpu, ncpus)) {
	case 0:
		return FS_EXIT_OK;
	case -EEXIST:
		fs_cli_error("%s: --cpus: a CPU is named twice in \"%s\"", verb, list);
		break;
	case -E2BIG:
		fs_cli_error("%s: --cpus: more than %d CPUs in \"%s\"", verb, FS_CORES_MAX, list);
		break;
	case -ERANGE:
		fs_cli_error("%s: --cpus: a CPU above %d in \"%s\"", verb, FS_CPUS_MAX - 1, list);
		break;
	default:
		fs_cli_error("%s: --cpus: \"%s\" is no list of CPUs such as 0-3,8", verb, list);
	}
	return FS_EXIT_USAGE;
}
