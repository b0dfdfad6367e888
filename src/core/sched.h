/* What the kernel's scheduler says of a thread of the process tree: /proc/PID/task/TID/stat, about 5 us. */
#ifndef FS_SCHED_H
#define FS_SCHED_H

#include "policy.h"

/* FS_SCHED_UNKNOWN when there is no such thread (any more), or /proc does not tell. No lock needed. */
enum fs_sched fs_sched_of(uint32_t pid, uint32_t tid);

#endif
