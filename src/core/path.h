/* Paths with a number in them, such as /proc/self/fd/7, without stdio: pure, and safe anywhere. */
#ifndef FS_PATH_H
#define FS_PATH_H

#include <stddef.h>

/*
 * Writes PREFIX NUMBER SUFFIX and a NUL to `to`, which has room for `size` bytes. Returns `to`. What
 * does not fit becomes the empty path, which no file has.
 */
char *fs_path(char *to, size_t size, const char *prefix, unsigned number, const char *suffix);

#endif
