/*
 * Steering, the part that acts: from who serves what, as the shared region
 * tells it, to a program in the kernel. The decisions are steer.h's. Process
 * and tree lock held.
 */
#ifndef FS_STEERING_H
#define FS_STEERING_H

#include "group.h"

/*
 * Compiles and attaches the program for the group as it stands now
 * (SO_ATTACH_REUSEPORT_CBPF, Linux 4.5; about 6 us). Without any worker that
 * serves, an own group's connections go to the global listener. 0 or -errno.
 */
int fs_steering_apply(unsigned group);
/*
 * The kernel chooses by its own hash again (SO_DETACH_REUSEPORT_BPF, Linux 5.3;
 * before, a program that always misses).
 */
void fs_steering_detach(unsigned group);
/*
 * The group is handled no further: steering off, every member keeps what it
 * has. `why` and `err` (an errno, or 0) go into its record, and into the one line that
 * says so.
 */
void fs_steering_abandon(unsigned group, enum fs_abandon why, int err);

#endif
