/* Texts of /proc and /sys that fastsock doctor reads. Pure, but for the reader of files. */
#ifndef FS_CLI_DOCTOR_PARSE_H
#define FS_CLI_DOCTOR_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/cpus.h"

/*
 * The whole file at the formatted path, with a NUL behind it, in memory that the caller frees; NULL when
 * it cannot be read. *len, if not NULL, gets its length: there may be more NULs. At most 16 MiB.
 */
char *fs_text_read(size_t *len, const char *path, ...) __attribute__((format(printf, 2, 3)));
/* The number that is all of a file; `otherwise` when it cannot be read or is none. */
int64_t fs_text_number(int64_t otherwise, const char *path, ...) __attribute__((format(printf, 2, 3)));

/* "00000000,00000003", as masks of CPUs are shown: the lowest last. 0 or -EINVAL. */
int fs_text_mask(const char *text, struct fs_cpus *out);
/* "6.18.44-generic": true with its two first numbers. */
bool fs_text_version(const char *text, unsigned *major, unsigned *minor);
/* The limits of "Max open files" in /proc/PID/limits; "unlimited" is UINT64_MAX. */
bool fs_text_nofile(const char *limits, uint64_t *soft, uint64_t *hard);
/* The value of a variable in an environment as /proc has it: NUL after each. NULL when it is not there. */
const char *fs_text_environ(const char *environment, size_t len, const char *name);
/* The rest of the line that starts with `key`, without the blanks between; false when there is none. */
bool fs_text_line(const char *text, const char *key, char *value, size_t len);
/*
 * A counter of /proc/net/netstat or snmp: pairs of lines, names and then values, both of which start with
 * `table`. -1 when it is not there.
 */
int64_t fs_text_counter(const char *text, const char *table, const char *name);
/*
 * The file behind the first mapping in /proc/PID/maps whose name starts with `name`, into `path`. True when there
 * is one; *deleted when it was removed since.
 */
bool fs_text_mapping(const char *maps, const char *name, char *path, size_t len, bool *deleted);
/* Whether an entry of LD_PRELOAD or ld.so.preload (`separators`) has a file name that starts with `name`; the entry. */
bool fs_text_preloads(const char *list, const char *separators, const char *name, char *entry, size_t len);

struct fs_text_listener {
	char address[64]; /* "127.0.0.1:80", "[::]:80" */
	bool v6;
	uint8_t raw[16];  /* in network order */
	uint16_t port;
	uint32_t queue;   /* connections that wait */
	uint64_t inode;
};

/* One line of /proc/net/tcp or tcp6; false when it is no listener. */
bool fs_text_listener(const char *line, struct fs_text_listener *out);

#endif
