#include "toeplitz.h"

/* The 32 bits of the key that start at bit `bit`. */
static uint32_t window(const uint8_t *key, size_t bit)
{
	const uint8_t *k = key + bit / 8;
	uint64_t wide = (uint64_t)k[0] << 32 | (uint64_t)k[1] << 24 | (uint64_t)k[2] << 16 | (uint64_t)k[3] << 8;

	/* The fifth byte counts only where the window starts inside a byte: the key may end before it. */
	if (bit % 8)
		wide |= k[4];
	return (uint32_t)(wide >> (8 - bit % 8));
}

uint32_t fs_toeplitz(const uint8_t *key, size_t at, const void *data, size_t len)
{
	const uint8_t *in = data;
	uint32_t hash = 0;

	for (size_t i = 0; i < len * 8; i++)
		if (in[i / 8] >> (7 - i % 8) & 1)
			hash ^= window(key, at * 8 + i);
	return hash;
}
