/*
 * The process's source ports, as of the last time that the kernel was asked. One caller at a time
 * reads them anew; everybody else looks at any time, and signal-safely.
 */
#ifndef FS_PORTRANGE_H
#define FS_PORTRANGE_H

#include "common.h"

/* By one caller at a time: asks the kernel now and then, in seconds of the caller's clock. What cannot be read (any more, in a chroot) stays as it was. */
void fs_portrange_read(uint32_t now);
/* Likewise: the next time it asks whatever the clock says. */
void fs_portrange_forget(void);

/* False, and an empty range, when they could never be read. Both ends belong to it. */
bool fs_portrange(unsigned *low, unsigned *high);
/* The lowest of the ports of a range that may be bound, on kernels where that is needed (portbind.h): those of the upper quarter. */
static inline unsigned fs_portrange_bindable(unsigned low, unsigned high)
{
	return high + 1 - (high + 1 - low) / 4;
}

/* While they are being changed, perhaps wrong of those that change: the kernel then refuses a port, but for a bind(). */
bool fs_portrange_reserved(unsigned port);
/* How often they changed; 0 when they could never be read. */
uint32_t fs_portrange_changes(void);

#endif
