/* See rates.h. */
#include "rates.h"

#include <stdlib.h>
#include <string.h>

void fs_sample_free(struct fs_sample *sample)
{
	for (unsigned i = 0; i < sample->ngroups; i++)
		free(sample->group[i].core);
	free(sample->group);
	free(sample->load);
	*sample = (struct fs_sample){0};
}

const struct fs_sample *fs_sample_find(const struct fs_sample *samples, size_t n, dev_t dev, ino_t ino)
{
	for (size_t i = 0; i < n; i++) {
		if (samples[i].dev == dev && samples[i].ino == ino)
			return &samples[i];
	}
	return NULL;
}

/* A slot may have been another group's meanwhile. */
static const struct fs_sample_group *find_group(const struct fs_sample *sample, const struct fs_sample_group *wanted)
{
	for (unsigned i = 0; i < sample->ngroups; i++) {
		if (sample->group[i].slot == wanted->slot && !strcmp(sample->group[i].address, wanted->address))
			return &sample->group[i];
	}
	return NULL;
}

void fs_rates_set(struct fs_rates *rates, const struct fs_sample *now, const struct fs_sample *before)
{
	*rates = (struct fs_rates){.now = now};
	if (!before || before->dev != now->dev || before->ino != now->ino || before->time_us >= now->time_us)
		return;
	rates->before = before;
	rates->seconds = (double)(now->time_us - before->time_us) / 1e6;
	for (unsigned i = 0; i < now->ngroups; i++)
		rates->group[i] = find_group(before, &now->group[i]);
}

/* A counter that went back was started anew: how far it came before that, nobody knows. */
static double rate(const struct fs_rates *rates, uint64_t now, uint64_t before)
{
	return now >= before ? (double)(now - before) / rates->seconds : FS_RATE_UNKNOWN;
}

/* Cores keep their place for the life of a region; who says otherwise gets no rates. */
static bool core_was_there(const struct fs_rates *rates, unsigned core)
{
	return rates->before && core < rates->before->ncores && core < rates->now->ncores &&
	       rates->before->load[core].cpu == rates->now->load[core].cpu;
}

double fs_rate_core(const struct fs_rates *rates, unsigned group, unsigned core, enum fs_core_counter counter)
{
	if (!core_was_there(rates, core) || !rates->group[group])
		return FS_RATE_UNKNOWN;
	return rate(rates, rates->now->group[group].core[core].counter[counter],
		    rates->group[group]->core[core].counter[counter]);
}

double fs_rate_load(const struct fs_rates *rates, unsigned core, enum fs_load_counter counter)
{
	if (!core_was_there(rates, core))
		return FS_RATE_UNKNOWN;
	return rate(rates, rates->now->load[core].counter[counter], rates->before->load[core].counter[counter]);
}

double fs_rate_connect(const struct fs_rates *rates, unsigned core, unsigned counter)
{
	if (!core_was_there(rates, core))
		return FS_RATE_UNKNOWN;
	return rate(rates, rates->now->load[core].connect[counter], rates->before->load[core].connect[counter]);
}

/* The two are not read at one instant, so that the part may be ahead. */
double fs_rate_share(double part, double whole)
{
	if (part < 0 || whole <= 0)
		return FS_RATE_UNKNOWN;
	return part < whole ? part / whole : 1.0;
}

double fs_rate_add(double sum, double more)
{
	if (more < 0)
		return sum;
	return sum < 0 ? more : sum + more;
}
