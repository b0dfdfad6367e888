/*
 * A histogram of latencies in nanoseconds, in buckets 1/32 of their value
 * wide: 32 for each power of two, so that microseconds and seconds are told
 * with the same care.
 */
#ifndef HISTOGRAM_H
#define HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_SUB_BITS 5
#define HISTOGRAM_BUCKETS (64 << HISTOGRAM_SUB_BITS)

struct histogram {
	uint64_t total;
	uint64_t bucket[HISTOGRAM_BUCKETS];
};

static inline unsigned histogram_bucket_of(uint64_t value)
{
	unsigned shift;

	if (value < 1u << HISTOGRAM_SUB_BITS)
		return (unsigned)value;
	shift = 63u - (unsigned)__builtin_clzll(value) - HISTOGRAM_SUB_BITS;
	return ((shift + 1) << HISTOGRAM_SUB_BITS) + (unsigned)(value >> shift & ((1u << HISTOGRAM_SUB_BITS) - 1));
}

/* The middle of the bucket. */
static inline double histogram_value_of(unsigned bucket)
{
	unsigned shift = bucket >> HISTOGRAM_SUB_BITS;
	uint64_t low;

	if (shift == 0)
		return bucket;
	low = (uint64_t)((bucket & ((1u << HISTOGRAM_SUB_BITS) - 1)) | 1u << HISTOGRAM_SUB_BITS) << (shift - 1);
	return (double)low + (double)(UINT64_C(1) << (shift - 1)) / 2;
}

static inline void histogram_add(struct histogram *h, uint64_t value)
{
	h->total++;
	h->bucket[histogram_bucket_of(value)]++;
}

static inline void histogram_merge(struct histogram *to, const struct histogram *from)
{
	to->total += from->total;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
		to->bucket[i] += from->bucket[i];
}

/* In microseconds; 0 of nothing. */
static inline double histogram_percentile(const struct histogram *h, double share)
{
	uint64_t rank = (uint64_t)(share * (double)h->total), seen = 0;

	for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
		seen += h->bucket[i];
		if (seen > rank)
			return histogram_value_of(i) / 1000;
	}
	return 0;
}

#endif
