/* What is known of a socket that connect() may be called on, or was. Signal-safe, but for the one that needs a lock. */
#ifndef FS_ACTIVE_SOCKET_H
#define FS_ACTIVE_SOCKET_H

#include "fdtab.h"

/*
 * What a tag says of an active socket, in its index. A socket without a tag may have been
 * made past the hooks, and is asked. While a connect() blocks, its descriptor may be closed and be another
 * socket's: what is written after it is swapped, not set.
 */
#define FS_ACTIVE_FRESH 0x1000u   /* made by socket(), a TCP socket, and nothing happened to it since that would matter */
#define FS_ACTIVE_PLAIN 0x0800u   /* no TCP socket, or it has an option that sends it another way: left alone */
#define FS_ACTIVE_ODD 0x0001u     /* FS_ACTIVE_FRESH or FS_ACTIVE_PLAIN, and what FS_TAG_ODD says */
#define FS_ACTIVE_SAMPLED 0x0400u /* connected, from the core in the low bits; its RX CPU is looked at when it is closed */
#define FS_ACTIVE_LEARN 0x0200u   /* ... and the kernel chose the port */
#define FS_ACTIVE_CORE 0x00ffu
/* One bit, which the kernel tells apart: */
#define FS_ACTIVE_PINNED 0x0100u  /* since 6.3: in connect(), with one port as its range: left like that by a jump or a cancellation */
#define FS_ACTIVE_BOUND 0x0100u   /* before: its SO_REUSEADDR is ours (portbind.h) */

/* The index of an FS_TAG_ACTIVE, or 0 of another tag. */
static inline unsigned fs_active_index(uint16_t tag)
{
	return fs_tag_kind(tag) == FS_TAG_ACTIVE ? fs_tag_index(tag) : 0;
}

/* FS_ACTIVE_BOUND, where the bit is set and means that; else 0. */
unsigned fs_active_bound_bit(unsigned index);
/*
 * If the tag still is `old`, it gets this index. With 0, it is no active socket any more: without a tag, or
 * with that of an odd one.
 */
void fs_active_retag(int fd, uint16_t old, unsigned index);

/* socket() made `fd`. */
void fs_active_socket(int fd, int domain, int type, int protocol);
/* `fd`, whose tag is FS_TAG_ACTIVE, got an option, */
void fs_active_setsockopt(int fd, int level, int name);
/* ... an option that nobody knows: whether it did (what FS_TAG_ODD says of other sockets), */
void fs_active_odd(int fd);
bool fs_active_is_odd(int fd);
/* ... an address by bind(), */
void fs_active_bound(int fd);
/* ... another number. Process lock held. */
void fs_active_dup(int fd, int copy);
/* Whether its SO_REUSEADDR is the library's, and the application's own is 0. */
bool fs_active_hides_reuse(int fd);

#endif
