/*
 * The Toeplitz hash by which a NIC spreads received packets over its queues (Microsoft,
 * "RSS hashing functions"; its verification vectors are the unit test). It is linear: the
 * hash of a whole is the exclusive or of its parts' hashes, which is why a port's share of
 * it can be looked up. Pure.
 */
#ifndef FS_TOEPLITZ_H
#define FS_TOEPLITZ_H

#include <stddef.h>
#include <stdint.h>

/* Source address, destination address, source port, destination port, in network order. */
#define FS_TOEPLITZ_INPUT4 12
#define FS_TOEPLITZ_INPUT6 36
/* Bytes of key that an input of so many bytes needs. */
#define FS_TOEPLITZ_KEY(input) ((input) + 4)

/*
 * The share of `len` bytes that stand at offset `at` of the input. The key has at least
 * FS_TOEPLITZ_KEY(at + len) bytes.
 */
uint32_t fs_toeplitz(const uint8_t *key, size_t at, const void *data, size_t len);

#endif
