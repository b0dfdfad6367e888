/*
 * SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash of short input, whose results
 * nobody can foretell who does not have the key. Pure.
 */
#ifndef FS_SIPHASH_H
#define FS_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t fs_siphash(const uint64_t key[2], const void *data, size_t len);

#endif
