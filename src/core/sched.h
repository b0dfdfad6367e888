/* What the kernel's scheduler says of a thread of the process tree. Each question costs about 5 us. */
#ifndef FS_SCHED_H
#define FS_SCHED_H

#include "policy.h"

/*
 * From /proc/PID/task/TID/stat. FS_SCHED_UNKNOWN when there is no
 * such thread (any more), or /proc does not tell. Process lock held, here and below. */
enum fs_sched fs_sched_of(uint32_t pid, uint32_t tid);

/*
 * Nanoseconds that the thread ever ran, and that it was ready to run and waited for its
 * CPU (/proc/PID/task/TID/schedstat). False where the kernel does not tell.
 */
bool fs_sched_times(uint32_t pid, uint32_t tid, uint64_t *ran, uint64_t *waited);

/* Where this process keeps the number of a descriptor of such a file; NULL for others. */
int *fs_sched_holder(int fd);
/* Closes them: in a forked child, they would be about its parent's business. */
void fs_sched_forget(void);

#endif
