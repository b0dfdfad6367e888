/*
 * The descriptors through which the processes of a tree wake each other, made with
 * the region and inherited by what is forked:
 *
 *   local listener --one-shot--> watch[core] --> hub <-- watchdog
 *
 * Every stealing thread of the tree sleeps on the hub, which wakes one of them for
 * an event. A local listener stands in its core's watch one-shot: the first
 * connection fires it, and until somebody arms it again, further ones cost the
 * kernel one look into an epoll instance that no other CPU touches.
 *
 * Whoever is woken may be stopped or killed at any instruction, and the event must not be
 * lost with him. So the hub tells of it until somebody has taken it out of the watch
 * (level-triggered: the kernel passes the wake-up on to the next sleeper), and nobody does
 * before he has set the watchdog.
 *
 * The thread that was woken takes the lease and is the active one until nothing is
 * queued anywhere. A lock that its holder's death releases would not do: a holder
 * that is merely stopped (SIGSTOP) keeps it. So the lease has a watchdog, a timer of
 * the tree's that the active thread pushes ahead of itself; when it expires, another
 * thread wakes and takes over. Two active threads at once, after one that was stopped
 * goes on, are harmless: what they change is under the tree lock or atomic.
 *
 * kick[core] is an eventfd in each inner instance of the core: it wakes a worker for
 * another core's connection.
 */
#ifndef FS_HUB_H
#define FS_HUB_H

#include "region_lock.h"

/* Makes them, once per process tree. Process lock held. 0 or -errno, and nothing made. */
int fs_hub_make(void);

/*
 * The next connection in the queue of this core's local listener wakes a thread; one that
 * waits there already does at once. Tells the shared record. 0 or -errno.
 */
int fs_hub_arm(unsigned group, unsigned core, int listener);
/* Whether it has fired since. */
static inline bool fs_hub_fired(unsigned group, unsigned core)
{
	return !atomic_load_explicit(&fs_core_rec(group, core)->armed, memory_order_seq_cst) ||
	       atomic_load_explicit(&fs_core_load(core)->taking, memory_order_seq_cst);
}

/* The group's heir socket (heir.h) wakes a thread, too: one, once for each that asks. */
void fs_hub_heir(unsigned group, int fd);
/* Not any more, in the whole tree. */
void fs_hub_no_heir(int fd);
/*
 * Sleeps until a connection fires or the watchdog expires. Returns the core that fired,
 * FS_HUB_WATCHDOG, FS_HUB_HEIR + the group where somebody asks for it, or -errno. Called
 * without any lock. The event stays: for a core until fs_hub_take(), for the watchdog until it is set anew.
 */
#define FS_HUB_WATCHDOG 0x8000
#define FS_HUB_HEIR 0x10000
int fs_hub_sleep(void);
/*
 * Notes which of the core's listeners fired, and silences them. The caller has set the
 * watchdog, and sees to it that somebody looks at the queues.
 */
void fs_hub_take(unsigned core);
/* For who becomes active: what threads took that did not get to note it counts as fired. */
void fs_hub_retake(void);

/* ---- the lease ---- */

/* How long the active thread may be late before another one takes over. */
#define FS_WATCHDOG_MS 10

/* Takes the lease and starts the watchdog, if nobody has it, or whoever has it let it run out. */
bool fs_lease_take(void);
/* Before each pause: still the holder? Pushes the watchdog ahead, beyond the pause. */
bool fs_lease_keep(uint32_t pause_us);
void fs_lease_release(void);
/* Wakes a sleeping thread `ms` from now, whoever it is. */
void fs_hub_wake_later(unsigned ms);
/*
 * Nothing is queued, and all is armed: nobody need be woken. After fs_lease_release(), and after the last
 * look at what fired: a caller that is stopped before this leaves the watchdog to somebody.
 */
void fs_hub_rest(void);

/* ---- kicks ---- */

/* The core's eventfd, for its inner instances. 0 without one. */
int fs_hub_kick_fd(unsigned core);
void fs_hub_kick(unsigned core);
void fs_hub_unkick(unsigned core);

/* Where this process keeps the number of one of these descriptors; NULL for others. */
int *fs_hub_holder(int fd);

struct fs_hub {
	int hub;
	int watchdog;
	int watch[FS_CORES_MAX];
	int kick[FS_CORES_MAX];
};

extern struct fs_hub fs_hub;

#endif
