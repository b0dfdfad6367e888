/*
 * Listener groups in this process: the records of what stands behind one
 * listen() of the application. How a group comes to be is listen.c's business,
 * who serves it worker.c's, where connections go steering.c's.
 *
 * All functions want the process lock held unless they say otherwise.
 */
#ifndef FS_GROUP_H
#define FS_GROUP_H

#include <sys/socket.h>

#include "region_lock.h"
#include "sockopt.h"

/* A listening socket of the application: all descriptors dup'ed from one another share it. */
struct fs_listener {
	uint16_t group;
	uint16_t member;   /* its index in the group: 0 in an own group */
	uint32_t refs;     /* descriptors of the application; 0: record is free */
	uint64_t cookie;   /* to tell it from another socket under a reused number */
	int fd;            /* one of the descriptors; may be closed behind our back, so only for what may fail */
};

/* This process's part of a group. Descriptors are never taken from shared memory. */
struct fs_group {
	bool held;
	uint32_t listeners; /* records of this group in use */
	_Atomic uint32_t regs; /* registrations with epoll instances (epoll.c) */
	int global;         /* own group: a hidden duplicate of the global listener */
	uint64_t cookie;    /* ... and its SO_COOKIE: the shared record's could be a guess at somebody else's */
	int heir;           /* own group: a socket that another process of the same server may ask (heir.h); 0 without one */
	int claim;          /* a hidden descriptor: the group is in use (fs_group_claim) */
	int local[FS_CORES_MAX]; /* own group: local listeners, bound; listening once a worker serves them */
};

extern struct fs_listener fs_listeners[FS_TAG_INDEX_MAX];
extern struct fs_group fs_groups[FS_GROUPS_MAX];
/* Groups from here on were never held by this process: bounds the frequent searches. */
extern unsigned fs_groups_end;

/* The listener behind a tag, or NULL. No lock. */
static inline struct fs_listener *fs_listener_of(uint16_t tag)
{
	return fs_tag_kind(tag) == FS_TAG_LISTENER ? &fs_listeners[fs_tag_index(tag)] : NULL;
}

/*
 * Whether `fd` still is the listener that its tag speaks of: it may have been
 * closed past the hooks and its number reused. One system call.
 */
static inline bool fs_listener_true(const struct fs_listener *l, int fd)
{
	return fs_sockopt_cookie(fd) == l->cookie;
}

static inline enum fs_group_state fs_group_state(unsigned group)
{
	return (enum fs_group_state)atomic_load_explicit(&fs_group_rec(group)->state, memory_order_relaxed);
}

static inline bool fs_group_own(unsigned group)
{
	return atomic_load_explicit(&fs_group_rec(group)->mode, memory_order_relaxed) == FS_GROUP_OWN;
}

/* Members in use, never more than there is room for, whatever the shared memory says. */
static inline uint32_t fs_group_members(unsigned group)
{
	uint32_t n = atomic_load_explicit(&fs_group_rec(group)->nmembers, memory_order_relaxed);

	return n > FS_MEMBERS_MAX ? FS_MEMBERS_MAX : n;
}

/* A record for a listener in `fd`, which gets the tag. 0, or -ENOSPC. */
int fs_listener_make(int fd, unsigned group, unsigned member);
/* This process holds the group from now on. */
void fs_group_hold(unsigned group, const struct fs_group *p);
/* A descriptor that was dup'ed from a listener's. */
void fs_listener_ref(struct fs_listener *l, int fd);
/*
 * A socket that listens already may be a listener that this process knows, or the
 * global listener of a group that it holds: somebody passed it on. Then it gets its record.
 */
bool fs_listener_recognise(int fd);
/*
 * A free group record, wiped; one whose processes are all gone counts as free. Tree
 * lock held. -ENOSPC when there is none.
 */
int fs_group_alloc(void);
/* Fills in a member's record; the caller counts it. Tree lock held. */
void fs_group_set_member(unsigned group, unsigned member, uint64_t cookie, uint32_t core);

#endif
