/*
 * The sockets that stand beside the application's own in an own group: one local
 * listener for each core, bound but not listening (so that they take no SYN yet), and a
 * duplicate of the global listener. They are made by the process that calls listen(),
 * while it still may bind to the port. Process lock held.
 */
#ifndef FS_SIBLINGS_H
#define FS_SIBLINGS_H

#include "group.h"
#include "reasons.h"

/*
 * Fills p->global and p->local. `fd` gets SO_REUSEPORT, which a socket
 * that is bound without it may still take, and siblings may then share its address
 * (Linux 3.9; the group goes by the socket's uid). On failure everything is undone,
 * *why says what could not be done, and -errno is returned.
 */
int fs_siblings_make(struct fs_group *p, int fd, const struct fs_group_rec *rec, enum fs_plain *why);
/* Closes them and gives `fd` back the SO_REUSEPORT that the application had set. */
void fs_siblings_undo(struct fs_group *p, int fd, const struct fs_group_rec *rec);
/* Closes this process's descriptors of them. */
void fs_siblings_close(struct fs_group *p);
/* This process gives up a group of which it has no listener (any more). */
void fs_siblings_give_up(unsigned group);
/*
 * The application wants the number of a descriptor of ours: ours gets another one.
 * 0, or -EBUSY when it cannot be moved.
 */
int fs_siblings_move(int fd);
/* The application closed a descriptor of ours with a raw system call. */
void fs_siblings_lost(int fd);

#endif
