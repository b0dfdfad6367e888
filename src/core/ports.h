/*
 * The source ports that connect() may choose from, as the kernel has them: a range less
 * what is reserved (ip-sysctl: ip_local_port_range, ip_local_reserved_ports). Parsing is
 * pure; fs_ports_read() asks the kernel.
 */
#ifndef FS_PORTS_H
#define FS_PORTS_H

#include "common.h"

struct fs_ports {
	uint32_t low, high; /* both belong to it */
	uint64_t reserved[65536 / 64];
};

static inline bool fs_port_reserved(const struct fs_ports *p, unsigned port)
{
	return p->reserved[port / 64] >> (port % 64) & 1;
}

/* "32768\t60999\n". 0, or -EINVAL with *p as it was. */
int fs_ports_parse_range(struct fs_ports *p, const char *text);
/* "8080,9000-9010\n" or nothing. 0, or -EINVAL, with none reserved then. */
int fs_ports_parse_reserved(struct fs_ports *p, const char *text);
/* Those of the caller's network namespace. 0 or -errno. Opens and closes two files. One caller at a time. */
int fs_ports_read(struct fs_ports *p);

#endif
