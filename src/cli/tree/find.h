/* The trees that a command is about, and what to say when there are none. */
#ifndef FS_CLI_FIND_H
#define FS_CLI_FIND_H

#include "proc.h"

/*
 * Those of one process with all who share them; of all processes with `pid` 0. The
 * exit status, after a message in the name of `verb` when that is not 0. `scans` is
 * NULL, or what those who look again remember.
 */
int fs_find(const char *verb, struct fs_trees *trees, int pid, struct fs_scans *scans);
/*
 * The same without a message, for those who look again: 0, -ENOENT when the process
 * is gone or there is none, -EACCES, -ENODATA when it has no listener of the library.
 */
int fs_find_again(struct fs_trees *trees, int pid, struct fs_scans *scans);
/* The PID that the text is, or -1 after a message. */
int fs_find_parse(const char *verb, const char *text);

#endif
