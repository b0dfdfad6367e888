/*
 * Parking: a worker that serves does not wait for the group at the moment. When no
 * worker of its core does, the others look after the core's local listener too: those that run by
 * themselves, those that sleep when the stealing thread wakes them. Steering is left alone. No lock needed.
 */
#ifndef FS_PARKING_H
#define FS_PARKING_H

void fs_parking_park(unsigned slot, unsigned group);
void fs_parking_unpark(unsigned slot, unsigned group);
/* The worker in `slot` serves the group no longer. Process lock held. */
void fs_parking_left(unsigned slot, unsigned group);

#endif
