/*
 * What becomes of a process's state when it forks or ends. Forking holds the
 * process lock, so that the child finds everything whole.
 */
#ifndef FS_LIFECYCLE_H
#define FS_LIFECYCLE_H

/* For pthread_atfork(). */
void fs_fork_before(void);
void fs_fork_parent(void);
/* The child keeps the listeners, but is no worker and not bound to a CPU. */
void fs_fork_child(void);
/* At exit: what this process serves is handed to the others. */
void fs_exit(void);

#endif
