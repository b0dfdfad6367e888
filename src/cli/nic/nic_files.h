/* What nic_settings.c reads for nic_read.c as well. */
#ifndef FS_CLI_NIC_FILES_H
#define FS_CLI_NIC_FILES_H

#include <stdint.h>

#include "cli/pool.h"

/* The first line of a file of sysfs or procfs, without its newline; NULL with *err = -errno. */
const char *fs_nic_file_read(struct fs_pool *pool, const char *path, int *err);
/* RSS's indirection table; NULL with *err, which is -EOPNOTSUPP where there is none. */
const uint32_t *fs_nic_read_table(struct fs_pool *pool, const char *interface, unsigned *len, int *err);

#endif
