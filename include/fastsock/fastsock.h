/*
 * libfastsock: one listener per CPU for servers that were not written for it.
 *
 * A program that links with -lfastsock gets the same interposition as one
 * started with LD_PRELOAD=libfastsock.so, and may ask here how it works out.
 * No function below is needed for the interposition itself.
 */
#ifndef FASTSOCK_H
#define FASTSOCK_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FASTSOCK_VERSION_MAJOR 0
#define FASTSOCK_VERSION_MINOR 1
#define FASTSOCK_VERSION_PATCH 0

/**
 * The version of the library that runs, "0.1.0". The string is static.
 * Thread-safe, async-signal-safe; cannot fail.
 */
const char *fastsock_version(void);

/**
 * Whether the library is active in this process: 1 when at least one listener
 * that this process holds is served through per-CPU local listeners, 0 when
 * none is (switched off, a single worker, nothing that can be handled).
 * Thread-safe, async-signal-safe; cannot fail.
 */
int fastsock_active(void);

/** What one core did for one listener group, since the group was made. All counts are connections. */
struct fastsock_core {
	uint32_t size;            /**< set by the caller to sizeof(struct fastsock_core): how later versions grow */
	uint32_t cpu;             /**< CPU number */
	uint32_t workers;         /**< live workers that serve this core's local listener */
	uint32_t reserved;        /**< 0 */
	uint64_t accepted_local;  /**< accepted from a local listener (Fastsocket's term) */
	uint64_t accepted_global; /**< accepted from the global listener */
	uint64_t stolen;          /**< taken from other cores' local listeners; the three are all that the core accepted */
	uint64_t rx_sampled;      /**< accepted connections whose RX CPU (SO_INCOMING_CPU, Linux 3.19) was looked at */
	uint64_t rx_local;        /**< ... and was the CPU of this core */
};

/**
 * Number of cores that the listener behind `fd` is fanned out to.
 * Returns 0 when `fd` is no listener of a group (a program with one CPU, a
 * socket that is left alone, no socket at all). Thread-safe; not
 * async-signal-safe. Leaves errno alone.
 */
size_t fastsock_cores(int fd);

/**
 * Counters of core `index` (0 .. fastsock_cores(fd)-1) of the listener behind
 * `fd`, copied into `*core`, which the caller owns and whose `size` it sets.
 * The copy is not a snapshot: counters move on while it is taken.
 * Returns 0, or -1 with errno EBADF (`fd` is no listener of a group), EINVAL
 * (`index` out of range, or `core` NULL or of a size that this version does
 * not know). Thread-safe; not async-signal-safe.
 */
int fastsock_core_counters(int fd, size_t index, struct fastsock_core *core);

#ifdef __cplusplus
}
#endif

#endif /* FASTSOCK_H */
