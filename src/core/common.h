/* What every file of the core needs: limits with their reasons, and names for what the compiler is told. */
#ifndef FS_COMMON_H
#define FS_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FS_LIKELY(x) __builtin_expect(!!(x), 1)
#define FS_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define FS_COUNT(a) (sizeof(a) / sizeof((a)[0]))

/*
 * Highest CPU number + 1 that steering can name: half of the most that the kernel
 * can be built for on x86-64 (NR_CPUS 8192).
 */
#define FS_CPUS_MAX 4096
/* CPUs that one process tree fans out to. The bar for the design is 256 cores. */
#define FS_CORES_MAX 256
/* Listener groups in one process tree; a listen() beyond it works as without us. */
#define FS_GROUPS_MAX 128
/* Workers (threads that take connections) in one process tree, reloads overlapping included. */
#define FS_WORKERS_MAX 1024
/*
 * Sockets in one listener group: the global listener, a local one for each core, or
 * what the application made itself.
 */
#define FS_MEMBERS_MAX 512

#define FS_NO_CORE 0xffffu
#define FS_CACHELINE 64

#endif
