/* Where libfastsock.so is, and how LD_PRELOAD comes to name it. */
#ifndef FS_CLI_LIBRARY_H
#define FS_CLI_LIBRARY_H

#include <stdbool.h>

/*
 * The library's path, which the caller frees; NULL after a message when there is
 * none, or none that LD_PRELOAD could name.
 */
char *fs_library_find(void);
/* The library's path, which the caller frees; NULL when there is none. Says nothing. */
char *fs_library_look(void);
/* Whether LD_PRELOAD can name that path: it has no way to escape what separates its entries. */
bool fs_library_nameable(const char *path);
/*
 * The value for LD_PRELOAD: `library` first, then what `old` (may be NULL) names
 * but for libfastsock itself. The caller frees it.
 */
char *fs_library_preload(const char *library, const char *old);

#endif
