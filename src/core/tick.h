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
 * woken the thread. Returns whether anything is queued, so that another look is due.
 */
bool fs_tick(uint32_t elapsed_us, bool first);
/* Whether the last look changed nothing, woke nobody, and no worker moved. */
bool fs_tick_in_vain(void);
/* Before the thread sleeps: every local listener wakes one again. */
void fs_tick_arm(void);
/* Whether some local listener fired, or was not armed, meanwhile. */
bool fs_tick_fired(void);

#endif
