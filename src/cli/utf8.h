/* Names of processes hold any bytes, and JSON and the Prometheus exposition are UTF-8. */
#ifndef FS_CLI_UTF8_H
#define FS_CLI_UTF8_H

#include <stddef.h>

/*
 * Bytes of the well-formed UTF-8 sequence at s (RFC 3629, section 4), or 0 if there
 * is none. s is NUL-terminated.
 */
size_t fs_utf8_length(const unsigned char *s);

#endif
