/* Reads process trees and prints them once, with rates when there is an earlier time to compare with. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "cli/cli.h"
#include "core/version.h"
#include "report.h"
#include "stat.h"

/* All processes have ended since they were found, or are about to: no fault of theirs. */
static bool is_gone(const struct fs_tree *tree)
{
	for (size_t i = 0; i < tree->nprocesses; i++)
		if (!fs_process_ends(tree->process[i].pid))
			return false;
	return true;
}

/* Reads the trees that can be read, one after the other; how many. Those that cannot are told of if `tell`. */
static size_t read_views(struct fs_view *views, const struct fs_trees *trees, const struct fs_queues *queues, bool tell,
			 int *status)
{
	size_t n = 0;

	for (size_t i = 0; i < trees->ntrees; i++) {
		const char *why;

		if (fs_view_read(&views[n], &trees->tree[i], queues, &why) == 0) {
			n++;
			continue;
		}
		if (is_gone(&trees->tree[i]))
			continue;
		if (tell)
			fs_cli_error("stat: the counters of process %d cannot be read: %s; restart that program, with the"
				     " libfastsock that belongs to this command", trees->tree[i].process[0].pid, why);
		*status = FS_EXIT_FAILED;
	}
	return n;
}

static double unix_time(void)
{
	struct timeval now;

	gettimeofday(&now, NULL);
	return (double)now.tv_sec + (double)now.tv_usec / 1e6;
}

static void print_json(const struct fs_view *views, size_t n, const struct fs_rates *rates)
{
	struct fs_json json = {.compact = rates != NULL};

	fs_json_open(&json, NULL, '{');
	fs_json_string(&json, "version", FS_VERSION_TEXT);
	fs_json_decimal_or_null(&json, "time", unix_time());
	fs_json_open(&json, "trees", '[');
	for (size_t i = 0; i < n; i++)
		fs_report_json(&json, &views[i], rates ? &rates[i] : NULL);
	fs_json_close(&json, ']');
	fs_json_close(&json, '}');
}

static void print_text(const struct fs_view *views, size_t n, const struct fs_rates *rates, bool details)
{
	if (rates) {
		time_t now = time(NULL);
		char text[64] = "";

		strftime(text, sizeof(text), "%F %T", localtime(&now));
		printf("--- %s\n", text);
	}
	for (size_t i = 0; i < n; i++)
		fs_report_text(&views[i], rates ? &rates[i] : NULL, details);
}

static void print(const struct fs_stat_request *request, const struct fs_view *views, size_t n,
		  const struct fs_rates *rates)
{
	switch (request->format) {
	case FS_STAT_TEXT:
		print_text(views, n, rates, request->details);
		break;
	case FS_STAT_JSON:
		print_json(views, n, rates);
		break;
	case FS_STAT_PROMETHEUS:
		fs_report_prometheus(views, n);
		break;
	}
}

static void print_with_rates(const struct fs_stat_request *request, const struct fs_view *views, size_t n,
			     struct fs_samples *before)
{
	/* One more, so that there is something to point to when there is none. */
	struct fs_rates *rates = fs_cli_grow(NULL, n + 1, sizeof(*rates));
	struct fs_samples now = {.sample = fs_cli_grow(NULL, n + 1, sizeof(*now.sample)), .n = n};

	for (size_t i = 0; i < n; i++) {
		fs_sample_take(&now.sample[i], &views[i]);
		fs_rates_set(&rates[i], &now.sample[i],
			     fs_sample_find(before->sample, before->n, now.sample[i].dev, now.sample[i].ino));
	}
	print(request, views, n, rates);
	free(rates);
	fs_samples_free(before);
	*before = now;
}

int fs_stat_report(const struct fs_stat_request *request, const struct fs_trees *trees, struct fs_samples *before)
{
	struct fs_view *views = fs_cli_grow(NULL, trees->ntrees + 1, sizeof(*views));
	struct fs_queues queues = {0};
	int status = FS_EXIT_OK;
	size_t n;

	if (trees->ntrees)
		fs_queues_read(&queues);
	/* Once is enough, the first time. */
	n = read_views(views, trees, &queues, !before || !before->sample, &status);
	if (before)
		print_with_rates(request, views, n, before);
	else
		print(request, views, n, NULL);
	for (size_t i = 0; i < n; i++)
		fs_view_free(&views[i]);
	free(views);
	fs_queues_free(&queues);
	return status;
}
