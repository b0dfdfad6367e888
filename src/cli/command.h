/* Which file a command is. */
#ifndef FS_CLI_COMMAND_H
#define FS_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>

/* The file that execvp() would take, in `path`; false when it will not find one. */
bool fs_command_find(const char *command, char *path, size_t len);

#endif
