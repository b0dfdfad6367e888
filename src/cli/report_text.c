/* The table of `fastsock stat`: a header for each tree, one for each group, and a row for each core. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>

#include "report.h"

/* A name comes from the process and may hold anything; the terminal is not to obey it. */
static void print_name(const char *name)
{
	for (; *name; name++)
		putchar(iscntrl((unsigned char)*name) ? '?' : *name);
}

static void format_queue(char *text, size_t len, int64_t queue)
{
	if (queue < 0)
		snprintf(text, len, "-");
	else
		snprintf(text, len, "%" PRId64, queue);
}

static void format_owners(char *text, size_t len, const struct fs_view *view, unsigned group, unsigned core)
{
	int pids[FS_WORKERS_MAX];
	unsigned n = fs_view_owners(view, group, core, pids);

	if (!n)
		snprintf(text, len, "-");
	else if (n == 1)
		snprintf(text, len, "%d", pids[0]);
	else
		snprintf(text, len, "%d+%u", pids[0], n - 1);
}

/* The two counters are not read at one instant, so that the one may be ahead. */
static void format_share(char *text, size_t len, uint64_t part, uint64_t all)
{
	if (!all)
		snprintf(text, len, "-");
	else
		snprintf(text, len, "%.1f%%", part >= all ? 100.0 : 100.0 * (double)part / (double)all);
}

/* What is unusual about the core now; "-" mostly. */
static const char *format_state(const struct fs_core_rec *rec, const struct fs_core_load *load, char *text, size_t len)
{
	const char *help = rec->help ? fs_view_help(rec) : "";
	const char *out = rec->out ? " passed by" : "";

	if (load->away)
		snprintf(text, len, "%s%s%s%u%% moved", help, out, *help || *out ? ", " : "", load->away * 100 / 4096);
	else
		snprintf(text, len, "%s%s", help, out);
	return *text ? text : "-";
}

static void print_core(const struct fs_view *view, unsigned group, unsigned core)
{
	const struct fs_core_rec *rec = fs_view_core(view, group, core);
	char owners[32], queue[32], share[32], state[64];

	format_owners(owners, sizeof(owners), view, group, core);
	format_queue(queue, sizeof(queue), fs_view_queue(view, group, core));
	format_share(share, sizeof(share), rec->rx_local, rec->rx_sampled);
	printf("    %4u %10s %11" PRIu64 " %9" PRIu64 " %9" PRIu64 " %9" PRIu64 " %8" PRIu64 " %6s %9s %s\n",
	       view->head->cpu[core], owners, rec->accepted_local, rec->accepted_global, rec->stolen, rec->given,
	       fs_view_open(view, core), queue, share, format_state(rec, fs_view_load(view, core), state, sizeof(state)));
}

static void print_group(const struct fs_view *view, unsigned group)
{
	unsigned workers = fs_view_workers(view, group);
	char address[80], queue[32];

	fs_view_address(view, group, address, sizeof(address));
	format_queue(queue, sizeof(queue), fs_view_global_queue(view, group));
	printf("  %s  %s (%s), %u worker%s, global queue %s\n", address, fs_view_state(view, group),
	       fs_view_mode(view, group), workers, workers == 1 ? "" : "s", queue);
	printf("    %4s %10s %11s %9s %9s %9s %8s %6s %9s %s\n", "CPU", "OWNER", "LOCAL", "GLOBAL", "STOLEN", "GIVEN", "OPEN",
	       "QUEUE", "RX-LOCAL", "STATE");
	for (unsigned core = 0; core < view->ncores; core++)
		print_core(view, group, core);
}

/* Connections that the tree opened: nothing about a program that opens none. */
static void print_connects(const struct fs_view *view)
{
	uint64_t calls = 0;

	for (unsigned core = 0; core < view->ncores; core++)
		calls += fs_view_connect(view, core)->calls;
	if (!calls)
		return;
	printf("  connect()\n    %4s %11s %11s %11s %11s %9s\n", "CPU", "CALLS", "STEERED", "TRIES", "FALLBACK", "RX-LOCAL");
	for (unsigned core = 0; core < view->ncores; core++) {
		const struct fs_core_active *active = fs_view_connect(view, core);
		uint64_t fallback = 0;
		char share[32];

		for (unsigned i = 1; i < FS_FALLBACKS; i++)
			fallback += active->fallback[i];
		format_share(share, sizeof(share), active->rx_local, active->rx_sampled);
		printf("    %4u %11" PRIu64 " %11" PRIu64 " %11" PRIu64 " %11" PRIu64 " %9s\n", view->head->cpu[core],
		       active->calls, active->steered, active->tries, fallback, share);
	}
}

void fs_report_text(const struct fs_view *view)
{
	char name[64];
	size_t n = view->tree->nprocesses;

	fs_process_name(fs_view_tree_pid(view), name, sizeof(name));
	print_name(name);
	printf(" (pid %d, %zu process%s): %s\n", fs_view_tree_pid(view), n, n == 1 ? "" : "es",
	       fs_view_active(view) ? "active" : "not active");
	for (unsigned group = 0; group < FS_GROUPS_MAX; group++) {
		if (fs_view_has_group(view, group))
			print_group(view, group);
	}
	print_connects(view);
}
