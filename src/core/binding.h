/*
 * Which core a worker gets, and binding its thread to that core's CPU
 * (FASTSOCK_PIN). Process lock held, but where binding.c says otherwise.
 */
#ifndef FS_BINDING_H
#define FS_BINDING_H

/*
 * A core for the calling thread: that of the one CPU it may run on, else the
 * one with the fewest workers among those it may run on. FS_NO_CORE when there
 * is none for it. Tree lock held.
 */
unsigned fs_binding_choose(void);
/* Binds the calling thread to its core's CPU, unless told otherwise or done. */
void fs_binding_begin(void);
/* Gives it its own affinity back, if it is still the one that we set. */
void fs_binding_end(void);

#endif
