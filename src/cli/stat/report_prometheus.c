/*
 * What `fastsock stat --prometheus` says: the text format that Prometheus scrapes,
 * version 0.0.4. All samples of a metric have to stand together, and no two may have
 * the same labels, whatever the trees say of themselves: a tree of somebody else's
 * must not spoil the others'. So trees and listeners that would look the same get
 * a number behind their name.
 */
#include "core/version.h"
#include "report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/put.h"
#include "cli/utf8.h"

/* Text that stands for one sample of each tree, listener and CPU, made once. */
struct labels {
	const struct fs_view *view;
	char pid[48];                           /* pid="1" */
	char listener[FS_GROUPS_MAX][192];      /* pid="1",listener="127.0.0.1:80" */
	char cpu[FS_CORES_MAX][16];             /* ,cpu="0" */
};

static void begin(const char *metric, const char *type, const char *help)
{
	const char *total = strcmp(type, "counter") ? "" : "_total";

	printf("# HELP fastsock_%s%s %s\n# TYPE fastsock_%s%s %s\n", metric, total, help, metric, total, type);
}

/* Backslash, quote and newline are what the format knows to escape. */
static void put_escaped(const char *value)
{
	const unsigned char *s = (const unsigned char *)value;

	while (*s) {
		size_t len = fs_utf8_length(s);

		if (!len) {
			fs_put_text("\xef\xbf\xbd"); /* U+FFFD */
			len = 1;
		} else if (*s == '"' || *s == '\\') {
			fs_put_text("\\");
			fs_put_bytes((const char *)s, 1);
		} else if (*s == '\n') {
			fs_put_text("\\n");
		} else {
			fs_put_bytes((const char *)s, len);
		}
		s += len;
	}
}

static void put_sample(const char *metric, const char *labels, const char *more, uint64_t value)
{
	fs_put_text("fastsock_");
	fs_put_text(metric);
	fs_put_text("{");
	fs_put_text(labels);
	fs_put_text(more);
	fs_put_text("} ");
	fs_put_number(value);
	fs_put_text("\n");
}

/* A gauge with a sample for each tree and group. */
static void put_group_gauge(const struct labels *trees, size_t n, const char *metric, const char *help,
			    int64_t (*get)(const struct fs_view *view, unsigned group))
{
	begin(metric, "gauge", help);
	for (size_t i = 0; i < n; i++) {
		for (unsigned group = 0; group < FS_GROUPS_MAX; group++) {
			int64_t value = -1;

			if (fs_view_has_group(trees[i].view, group))
				value = get(trees[i].view, group);
			if (value >= 0)
				put_sample(metric, trees[i].listener[group], "", (uint64_t)value);
		}
	}
}

/* The part of a line that is the same for all CPUs: name and first labels. */
static size_t line_start(char *line, size_t len, const char *metric, const char *total, const char *labels)
{
	int n = snprintf(line, len, "fastsock_%s%s{%s", metric, total, labels);

	return n < 0 ? 0 : (size_t)n < len ? (size_t)n : len - 1;
}

typedef int64_t (*core_value)(const struct fs_view *view, unsigned group, unsigned core, unsigned arg);

/* One row of samples of a metric: for each tree, group and core. `label` distinguishes it from others of the metric. */
static void put_cores(const struct labels *trees, size_t n, const char *metric, const char *total, const char *label,
		      core_value get, unsigned arg)
{
	char line[512], end[64];
	size_t end_len = (size_t)snprintf(end, sizeof(end), "%s%s} ", *label ? "," : "", label);

	for (size_t i = 0; i < n; i++) {
		const struct labels *tree = &trees[i];

		for (unsigned group = 0; group < FS_GROUPS_MAX; group++) {
			size_t len;

			if (!fs_view_has_group(tree->view, group))
				continue;
			len = line_start(line, sizeof(line), metric, total, tree->listener[group]);
			for (unsigned core = 0; core < tree->view->ncores; core++) {
				int64_t value = get(tree->view, group, core, arg);

				if (value < 0)
					continue;
				fs_put_bytes(line, len);
				fs_put_text(tree->cpu[core]);
				fs_put_bytes(end, end_len);
				fs_put_number((uint64_t)value);
				fs_put_bytes("\n", 1);
			}
		}
	}
}

/* Likewise for each tree and core; what is not whole is in millionths. */
static void put_tree_cores(const struct labels *trees, size_t n, const char *metric, const char *total,
			   const struct fs_counter *counter, uint64_t (*get)(const struct fs_view *, unsigned, unsigned),
			   unsigned arg)
{
	char line[512];

	for (size_t i = 0; i < n; i++) {
		size_t len = line_start(line, sizeof(line), metric, total, trees[i].pid);

		for (unsigned core = 0; core < trees[i].view->ncores; core++) {
			uint64_t value = get(trees[i].view, core, arg);

			fs_put_bytes(line, len);
			fs_put_text(trees[i].cpu[core]);
			if (counter && *counter->label) {
				fs_put_bytes(",", 1);
				fs_put_text(counter->label);
			}
			fs_put_bytes("} ", 2);
			if (counter && counter->divisor > 1)
				printf("%llu.%06llu\n", (unsigned long long)(value / counter->divisor),
				       (unsigned long long)(value % counter->divisor));
			else
				printf("%llu\n", (unsigned long long)value);
		}
	}
}

static int64_t core_counter(const struct fs_view *view, unsigned group, unsigned core, unsigned which)
{
	const struct fs_core_rec *rec = fs_view_core(view, group, core);
	uint64_t value = 0;

	switch ((enum fs_core_counter)which) {
#define CASE(field, ...) case FS_CORE_##field: value = rec->field; break;
	FS_CORE_COUNTERS(CASE)
#undef CASE
	case FS_CORE_NCOUNTERS:
		break;
	}
	return value > INT64_MAX ? INT64_MAX : (int64_t)value;
}

static int64_t core_queue(const struct fs_view *view, unsigned group, unsigned core, unsigned arg)
{
	(void)arg;
	return fs_view_queue(view, group, core);
}

static int64_t core_help(const struct fs_view *view, unsigned group, unsigned core, unsigned help)
{
	return fs_view_core(view, group, core)->help == help;
}

static int64_t core_out(const struct fs_view *view, unsigned group, unsigned core, unsigned arg)
{
	(void)arg;
	return fs_view_core(view, group, core)->out != 0;
}

static int64_t group_active(const struct fs_view *view, unsigned group)
{
	return view->group[group].state == FS_GROUP_ACTIVE;
}

static int64_t group_workers(const struct fs_view *view, unsigned group)
{
	return fs_view_workers(view, group);
}

static int64_t group_backlog(const struct fs_view *view, unsigned group)
{
	return view->group[group].backlog;
}

static uint64_t load_counter(const struct fs_view *view, unsigned core, unsigned which)
{
	const struct fs_core_load *load = fs_view_load(view, core);

	switch ((enum fs_load_counter)which) {
#define CASE(field, ...) case FS_LOAD_##field: return load->field;
	FS_LOAD_COUNTERS(CASE)
#undef CASE
	case FS_LOAD_NCOUNTERS:
		break;
	}
	return 0;
}

static uint64_t connect_counter(const struct fs_view *view, unsigned core, unsigned which)
{
	const struct fs_core_active *active = fs_view_connect(view, core);

	switch (which) {
#define CASE(field, ...) case FS_CONNECT_##field: return active->field;
	FS_CONNECT_COUNTERS(CASE)
#undef CASE
	default:
		return active->fallback[which - FS_CONNECT_fallback + 1];
	}
}

static uint64_t load_open(const struct fs_view *view, unsigned core, unsigned arg)
{
	(void)arg;
	return fs_view_open(view, core);
}

static uint64_t load_away(const struct fs_view *view, unsigned core, unsigned arg)
{
	(void)arg;
	return fs_view_load(view, core)->away;
}

static uint64_t load_gain(const struct fs_view *view, unsigned core, unsigned arg)
{
	(void)arg;
	return fs_view_load(view, core)->gain;
}

static void put_groups(const struct labels *trees, size_t n)
{
	put_group_gauge(trees, n, "listener_active", "Whether new connections are steered to local listeners.", group_active);
	put_group_gauge(trees, n, "listener_workers", "Workers that wait for the listener's connections.", group_workers);
	put_group_gauge(trees, n, "listener_backlog_connections", "Backlog that the program asked for.", group_backlog);
	put_group_gauge(trees, n, "global_queue_connections", "Connections that wait at the global listener.",
			fs_view_global_queue);
	for (unsigned i = 0; i < FS_CORE_NCOUNTERS; i++) {
		if (fs_core_counter[i].help)
			begin(fs_core_counter[i].metric, "counter", fs_core_counter[i].help);
		put_cores(trees, n, fs_core_counter[i].metric, "_total", fs_core_counter[i].label, core_counter, i);
	}
	begin("queue_connections", "gauge", "Connections that wait at the CPU's local listener.");
	put_cores(trees, n, "queue_connections", "", "", core_queue, 0);
	begin("core_help", "gauge", "1 for the reason why other CPUs' workers may take from the CPU's local listener.");
	for (unsigned help = FS_HELP_BUSY; help <= FS_HELP_DESERTED; help++) {
		char label[32];

		snprintf(label, sizeof(label), "reason=\"%s\"", fs_help_name(help));
		put_cores(trees, n, "core_help", "", label, core_help, help);
	}
	begin("core_passed_by", "gauge", "1 while new connections are steered past the CPU.");
	put_cores(trees, n, "core_passed_by", "", "", core_out, 0);
}

static void put_loads(const struct labels *trees, size_t n)
{
	begin("open_connections", "gauge", "Accepted connections that the CPU's workers have open.");
	put_tree_cores(trees, n, "open_connections", "", NULL, load_open, 0);
	begin("flow_groups_away", "gauge", "Flow groups of the CPU, of 4096, that others take at the moment.");
	put_tree_cores(trees, n, "flow_groups_away", "", NULL, load_away, 0);
	begin("flow_groups_gained", "gauge", "Flow groups of other CPUs that this one takes at the moment.");
	put_tree_cores(trees, n, "flow_groups_gained", "", NULL, load_gain, 0);
	for (unsigned i = 0; i < FS_LOAD_NCOUNTERS; i++) {
		if (fs_load_counter[i].help)
			begin(fs_load_counter[i].metric, "counter", fs_load_counter[i].help);
		put_tree_cores(trees, n, fs_load_counter[i].metric, "_total", &fs_load_counter[i], load_counter, i);
	}
	for (unsigned i = 0; i < FS_CONNECT_NCOUNTERS; i++) {
		if (fs_connect_counter[i].help)
			begin(fs_connect_counter[i].metric, "counter", fs_connect_counter[i].help);
		put_tree_cores(trees, n, fs_connect_counter[i].metric, "_total", &fs_connect_counter[i], connect_counter, i);
	}
}

/* "#2" behind the second one of a name, and so on. */
static void number_name(char *text, size_t len, const char *name, unsigned earlier)
{
	if (earlier)
		snprintf(text, len, "%.80s#%u", name, earlier + 1);
	else
		snprintf(text, len, "%.80s", name);
}

static void make_labels(struct labels *trees, size_t tree, const struct fs_view *view)
{
	struct labels *to = &trees[tree];
	char address[FS_GROUPS_MAX][80], name[96];
	unsigned earlier = 0;

	to->view = view;
	for (size_t i = 0; i < tree; i++)
		earlier += fs_view_tree_pid(trees[i].view) == fs_view_tree_pid(view);
	snprintf(address[0], sizeof(address[0]), "%d", fs_view_tree_pid(view));
	number_name(name, sizeof(name), address[0], earlier);
	snprintf(to->pid, sizeof(to->pid), "pid=\"%.32s\"", name);
	for (unsigned group = 0; group < FS_GROUPS_MAX; group++) {
		address[group][0] = '\0';
		if (!fs_view_has_group(view, group))
			continue;
		fs_view_address(view, group, address[group], sizeof(address[group]));
		earlier = 0;
		for (unsigned i = 0; i < group; i++)
			earlier += !strcmp(address[i], address[group]);
		number_name(name, sizeof(name), address[group], earlier);
		snprintf(to->listener[group], sizeof(to->listener[group]), "%.40s,listener=\"%.95s\"", to->pid, name);
	}
	for (unsigned core = 0; core < view->ncores; core++)
		snprintf(to->cpu[core], sizeof(to->cpu[core]), ",cpu=\"%u\"", view->head->cpu[core]);
}

static void put_trees(const struct labels *trees, size_t n)
{
	begin("build_info", "gauge", "Always 1, with the version of the fastsock command.");
	printf("fastsock_build_info{version=\"%s\"} 1\n", FS_VERSION_TEXT);
	begin("tree_processes", "gauge", "Processes that share the listeners, with the command of the first one.");
	for (size_t i = 0; i < n; i++) {
		char name[64];

		fs_process_name(fs_view_tree_pid(trees[i].view), name, sizeof(name));
		printf("fastsock_tree_processes{%s,command=\"", trees[i].pid);
		put_escaped(name);
		printf("\"} %zu\n", trees[i].view->tree->nprocesses);
	}
}

void fs_report_prometheus(const struct fs_view *views, size_t n)
{
	struct labels *trees = n ? fs_cli_grow(NULL, n, sizeof(*trees)) : NULL;

	for (size_t i = 0; i < n; i++)
		make_labels(trees, i, &views[i]);
	put_trees(trees, n);
	put_groups(trees, n);
	put_loads(trees, n);
	free(trees);
}
