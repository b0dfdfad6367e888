/* Samples of process trees (rates.h), taken from what was read of them. */
#ifndef FS_CLI_SAMPLE_H
#define FS_CLI_SAMPLE_H

#include "rates.h"
#include "view.h"

void fs_sample_take(struct fs_sample *sample, const struct fs_view *view);

/* Of several trees. Owned by whoever declares it. */
struct fs_samples {
	struct fs_sample *sample;
	size_t n;
};

void fs_samples_free(struct fs_samples *samples);

#endif
