/* See sample.h. */
#include "sample.h"

#include <stdlib.h>

#include "cli/cli.h"

#define TAKE(field, ...) to->counter[at++] = rec->field;

static void take_core(struct fs_sample_core *to, const struct fs_view *view, unsigned group, unsigned core)
{
	const struct fs_core_rec *rec = fs_view_core(view, group, core);
	unsigned at = 0;

	FS_CORE_COUNTERS(TAKE)
	to->queue = fs_view_queue(view, group, core);
	to->help = rec->help;
	to->out = rec->out != 0;
}

static void take_group(struct fs_sample_group *to, const struct fs_view *view, unsigned group)
{
	*to = (struct fs_sample_group){
		.slot = group,
		.state = fs_view_state(view, group),
		.mode = fs_view_mode(view, group),
		.workers = fs_view_workers(view, group),
		.queue = fs_view_global_queue(view, group),
		.core = fs_cli_grow(NULL, view->ncores, sizeof(*to->core)),
	};
	fs_view_address(view, group, to->address, sizeof(to->address));
	for (unsigned core = 0; core < view->ncores; core++)
		take_core(&to->core[core], view, group, core);
}

static void take_load(struct fs_sample_load *to, const struct fs_view *view, unsigned core)
{
	const struct fs_core_load *rec = fs_view_load(view, core);
	const struct fs_core_active *active = fs_view_connect(view, core);
	unsigned at = 0;

	FS_LOAD_COUNTERS(TAKE)
	at = 0;
#define TAKE_CONNECT(field, ...) to->connect[at++] = active->field;
	FS_CONNECT_COUNTERS(TAKE_CONNECT)
#undef TAKE_CONNECT
	for (unsigned i = 1; i < FS_FALLBACKS; i++)
		to->connect[at++] = active->fallback[i];
	to->open = fs_view_open(view, core);
	to->away = rec->away;
	to->cpu = view->head->cpu[core];
}

void fs_sample_take(struct fs_sample *sample, const struct fs_view *view)
{
	*sample = (struct fs_sample){
		.dev = view->tree->dev,
		.ino = view->tree->ino,
		.time_us = view->time_us,
		.pid = fs_view_tree_pid(view),
		.nprocesses = view->tree->nprocesses,
		.ncores = view->ncores,
		.load = fs_cli_grow(NULL, view->ncores, sizeof(*sample->load)),
	};
	fs_process_name(sample->pid, sample->command, sizeof(sample->command));
	for (unsigned core = 0; core < view->ncores; core++)
		take_load(&sample->load[core], view, core);
	for (unsigned group = 0; group < FS_GROUPS_MAX; group++)
		sample->ngroups += fs_view_has_group(view, group);
	sample->group = sample->ngroups ? fs_cli_grow(NULL, sample->ngroups, sizeof(*sample->group)) : NULL;
	sample->ngroups = 0;
	for (unsigned group = 0; group < FS_GROUPS_MAX; group++) {
		if (fs_view_has_group(view, group))
			take_group(&sample->group[sample->ngroups++], view, group);
	}
}

void fs_samples_free(struct fs_samples *samples)
{
	for (size_t i = 0; i < samples->n; i++)
		fs_sample_free(&samples->sample[i]);
	free(samples->sample);
	*samples = (struct fs_samples){0};
}
