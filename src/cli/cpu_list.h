/* The operand of --cpus, which several verbs have. */
#ifndef FS_CLI_CPU_LIST_H
#define FS_CLI_CPU_LIST_H

#include "core/portsteer.h"

/* "0-3,8" into *ncpus numbers. FS_EXIT_OK, or FS_EXIT_USAGE after a message that begins with the verb. */
int fs_cli_cpu_list(const char *verb, const char *list, uint16_t cpu[FS_CORES_MAX], uint32_t *ncpus);

#endif
