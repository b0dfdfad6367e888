/*
 * One look of the active stealing thread at all groups that this process holds:
 * collects what the policy wants to know, and does what it says. Process lock held.
 */
#ifndef FS_TICK_H
#define FS_TICK_H

#include "group.h"

/*
 * A thread that was not active for `slept_us` has become it: what it remembers is
 * old, what the shared region says counts.
 */
void fs_tick_begin(uint64_t slept_us);
/*
 * `elapsed_us` since the last look; `first`: there was none, a connection has just
 * woken the thread. Returns after how many ticks another look is due; 0 when nothing is
 * queued, and a connection may wake the thread.
 *
 * While the workers are quick, the pause grows: a wake-up costs 13 to 28 us on a
 * virtual machine (measured), which at every tick would be 2 % of a CPU for nothing.
 * The more connections they accept in a millisecond, the less there is to see.
 */
uint32_t fs_tick(uint32_t elapsed_us, bool first);
/* Before the thread sleeps: every local listener wakes one again. False when the kernel refuses for one. */
bool fs_tick_arm(void);
/* Whether some local listener of this process's groups fired, or was not armed, meanwhile. */
bool fs_tick_fired(void);
/* Likewise of groups that other processes hold, and this one does not. */
bool fs_tick_fired_elsewhere(void);

#endif
