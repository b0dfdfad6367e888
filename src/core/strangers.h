/*
 * Sockets that share a group's address without being the group's: those of
 * another program, by SO_REUSEPORT. Asks the kernel; not for hot paths.
 */
#ifndef FS_STRANGERS_H
#define FS_STRANGERS_H

#include "region.h"

/*
 * Whether a listener stands behind the record's address that is none of its
 * first `members` members. 1, 0, or -errno when the kernel does not tell.
 */
int fs_strangers(const struct fs_group_rec *rec, unsigned members);
/* How many of its first `members` members listen no longer; 0 when the kernel does not tell. */
int fs_listeners_missing(const struct fs_group_rec *rec, unsigned members);

#endif
