/*
 * What this process knows about its descriptors: one tag a descriptor, in a
 * table that is all zeroes until a listener is made. Every hook looks here
 * first, with one plain load, and forwards when the tag is 0.
 *
 * A tag can be stale: libc's internals and raw system calls close descriptors
 * past the hooks. Every hook through which a descriptor number is handed out
 * anew drops what is left of the old one (fs_descriptor_new in descriptor.h).
 */
#ifndef FS_FDTAB_H
#define FS_FDTAB_H

#include <stdatomic.h>

#include "common.h"

/* Descriptors from here on are never tracked. 2 MiB of address space, of which only touched pages exist. */
#define FS_FD_MAX (1 << 20)
/* 13 bits of the tag. */
#define FS_TAG_INDEX_MAX 8192

enum fs_tag_kind {
	FS_TAG_NONE = 0,
	FS_TAG_LISTENER = 1, /* index of an fs_listener */
	FS_TAG_EPOLL = 2,    /* index of an fs_instance */
	FS_TAG_INTERNAL = 3, /* ours: the application must not reach it */
	FS_TAG_ODD = 4,      /* a socket with an option that cannot be given to siblings */
	FS_TAG_STDERR = 5,   /* descriptor 2, closed by the application: nobody's standard error */
	FS_TAG_CONNECTION = 6, /* accepted from a group: slot of the worker (conn.h) */
	FS_TAG_ACTIVE = 7,     /* a TCP socket that may connect, or did (active.c) */
};

extern _Atomic uint16_t fs_fd_tags[FS_FD_MAX];

/* Relaxed: a descriptor's number reaches another thread only through the application, which orders it. */
static inline uint16_t fs_fd_tag(int fd)
{
	return FS_LIKELY((unsigned)fd < FS_FD_MAX) ? atomic_load_explicit(&fs_fd_tags[fd], memory_order_relaxed) : 0;
}

void fs_fd_set_tag(int fd, enum fs_tag_kind kind, unsigned index);
/* Likewise, if the tag still is `old`: the descriptor may have been closed, and its number be another one's, in a call that blocked. */
bool fs_fd_swap_tag(int fd, uint16_t old, enum fs_tag_kind kind, unsigned index);

static inline enum fs_tag_kind fs_tag_kind(uint16_t tag)
{
	return (enum fs_tag_kind)(tag >> 13);
}

static inline unsigned fs_tag_index(uint16_t tag)
{
	return tag & (FS_TAG_INDEX_MAX - 1);
}

/*
 * Where hidden descriptors start at most. Higher would keep them farther away,
 * but the kernel's table is an array: 8 bytes for every number below the
 * highest one, copied at each fork.
 */
#define FS_HIDDEN_BASE_MAX 8192
/* How far beyond the soft limit they may reach: some dozens of listeners on hundreds of CPUs. */
#define FS_HIDDEN_BEYOND_MAX 65536

/* Where hidden descriptors can lie, by the limits of the process: from the soft limit up to `beyond` first, then from `base` up. */
struct fs_hidden_room {
	unsigned long beyond; /* the soft limit while one is made; not above that limit when there is nothing beyond */
	unsigned long base;
};

static inline struct fs_hidden_room fs_fd_hidden_room(unsigned long soft, unsigned long hard)
{
	unsigned long raised = hard > soft && hard - soft > FS_HIDDEN_BEYOND_MAX ? soft + FS_HIDDEN_BEYOND_MAX : hard;
	unsigned long base = soft / 4 * 3;

	return (struct fs_hidden_room){
		.beyond = soft > FS_HIDDEN_BASE_MAX || hard <= soft ? 0 : raised,
		.base = base > FS_HIDDEN_BASE_MAX ? FS_HIDDEN_BASE_MAX : base,
	};
}

/* How many there is room for. */
static inline unsigned long fs_fd_hidden_count(unsigned long soft, unsigned long hard)
{
	struct fs_hidden_room room = fs_fd_hidden_room(soft, hard);
	unsigned long end = room.beyond > soft ? room.beyond : soft;

	return (end < FS_FD_MAX ? end : FS_FD_MAX) - room.base;
}

/*
 * Moves a descriptor that the library opened out of the application's way and
 * marks it as ours: close-on-exec, numbered far above what the application has
 * open, protected. Returns the new number; on failure -errno, with `fd` closed.
 */
int fs_fd_hide(int fd);
/*
 * Gives a hidden descriptor another number, because the application wants this
 * one, which stays open for the caller to let go. The new number, or -EBUSY.
 */
int fs_fd_move_hidden(int fd);
/* Closes a hidden descriptor. Ignores fd <= 0. */
void fs_fd_close_hidden(int fd);
/*
 * The lowest descriptor in from..to that has a tag, or -1. How close_range() and
 * closefrom() go around ours.
 */
int fs_fd_next_tagged(unsigned from, unsigned to);
/*
 * The highest open descriptor of this process that is not one of ours; -1 when
 * /proc does not tell. Reads a directory.
 */
int fs_fd_highest_foreign(void);

#endif
