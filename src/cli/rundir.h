/*
 * The directories below /run/fastsock, where commands leave what others are to know: root's
 * alone, made when the first file comes and removed with the last one.
 */
#ifndef FS_CLI_RUNDIR_H
#define FS_CLI_RUNDIR_H

#include <stddef.h>

#define FS_RUNDIR "/run/fastsock"

/* A descriptor of the directory FS_RUNDIR/..., or -errno; -EPERM when others than root may write to it. */
int fs_rundir_open(const char *path);
/* The same, and makes it when it is not there. */
int fs_rundir_make(const char *path);
/* Writes the file whole or not at all, for everybody to read; `temporary` is its name meanwhile. 0 or -errno. */
int fs_rundir_write(int dir, const char *name, const char *temporary, const char *text, size_t len);
/* Removes the directory, and the one above it, if they are empty. */
void fs_rundir_remove(const char *path);

#endif
