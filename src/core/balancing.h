/*
 * Balance, the part that acts: measures each core over a period, has balance.h say how
 * many flow groups go elsewhere, and has all groups steered anew. Called by the active
 * stealing thread. Process lock held.
 */
#ifndef FS_BALANCING_H
#define FS_BALANCING_H

#include "group.h"

/*
 * What one tick saw of a core in one group. `queued`: a connection waits there. On a
 * CPU that its worker shares with others (the clients, interrupts) the worker itself
 * may run for half of the time and yet never catch up.
 */
void fs_balancing_note(unsigned core, bool able, bool out, bool standing, bool queued, uint32_t taken);
/*
 * The end of a tick, `elapsed_us` after the one before; `beat` by worker slot. Most of
 * the time nothing is due.
 */
void fs_balancing_tick(uint32_t elapsed_us, const uint32_t *beat);
/* A thread that was asleep for so long has become the active one: what went before was quiet. */
void fs_balancing_begin(uint64_t slept_us);

#endif
