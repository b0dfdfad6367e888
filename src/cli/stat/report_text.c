/* The tables of `fastsock stat`: a header for each tree, one for each group, and a row for each core. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cli/put.h"
#include "report.h"

/* A name comes from the process and may hold anything; the terminal is not to obey it. */
static void print_name(const char *name)
{
	for (; *name; name++)
		putchar(iscntrl((unsigned char)*name) ? '?' : *name);
}

static void put_queue(int64_t queue, unsigned width)
{
	if (queue < 0)
		fs_put_column("-", width);
	else
		fs_put_number_column((uint64_t)queue, width);
}

static void put_owners(const struct fs_view *view, unsigned group, unsigned core)
{
	int pids[FS_WORKERS_MAX];
	unsigned n = fs_view_owners(view, group, core, pids);
	char text[32];

	if (n > 1) {
		snprintf(text, sizeof(text), "%d+%u", pids[0], n - 1);
		fs_put_column(text, 11);
	} else if (n) {
		fs_put_number_column((uint64_t)pids[0], 11);
	} else {
		fs_put_column("-", 11);
	}
}

static void put_share(double share, unsigned width)
{
	char text[32];

	if (share < 0)
		snprintf(text, sizeof(text), "-");
	else
		snprintf(text, sizeof(text), "%.1f%%", 100.0 * share);
	fs_put_column(text, width);
}

static void put_rate(double rate, unsigned width)
{
	if (rate < 0)
		fs_put_column("-", width);
	else
		fs_put_number_column((uint64_t)(rate + 0.5), width);
}

/* What is unusual about the core now; "-" mostly. */
static const char *format_state(const struct fs_core_rec *rec, const struct fs_core_load *load, char *text, size_t len)
{
	const char *help = rec->help ? fs_view_help(rec) : "";
	const char *out = rec->out ? " passed by" : "";

	if (load->away)
		snprintf(text, len, "%s%s%s%u%% moved", help, out, *help || *out ? ", " : "", load->away * 100 / 4096);
	else if (rec->help || rec->out)
		snprintf(text, len, "%s%s", help, out);
	else
		return "-";
	return text;
}

static void print_core_rates(const struct fs_rates *rates, unsigned sampled, unsigned core)
{
	double busy_us = fs_rate_load(rates, core, FS_LOAD_busy_us);

	put_rate(fs_rate_core(rates, sampled, core, FS_CORE_accepted_local), 9);
	put_rate(fs_rate_core(rates, sampled, core, FS_CORE_accepted_global), 9);
	put_rate(fs_rate_core(rates, sampled, core, FS_CORE_stolen), 9);
	put_rate(fs_rate_core(rates, sampled, core, FS_CORE_given), 9);
	put_share(busy_us < 0 ? busy_us : busy_us / 1e6, 7);
}

static void print_core(const struct fs_view *view, unsigned group, unsigned core, const struct fs_rates *rates,
		       unsigned sampled)
{
	const struct fs_core_rec *rec = fs_view_core(view, group, core);
	char state[64];

	fs_put_number_column(view->head->cpu[core], 8);
	put_owners(view, group, core);
	fs_put_number_column(rec->accepted_local, 12);
	fs_put_number_column(rec->accepted_global, 10);
	fs_put_number_column(rec->stolen, 10);
	fs_put_number_column(rec->given, 10);
	fs_put_number_column(fs_view_open(view, core), 9);
	put_queue(fs_view_queue(view, group, core), 7);
	put_share(fs_rate_share((double)rec->rx_local, (double)rec->rx_sampled), 10);
	if (rates)
		print_core_rates(rates, sampled, core);
	fs_put_text(" ");
	fs_put_text(format_state(rec, fs_view_load(view, core), state, sizeof(state)));
	fs_put_text("\n");
}

/* What the first table leaves out. */
static void print_group_details(const struct fs_view *view, unsigned group)
{
	fs_put_text("     CPU     RESCUED      PARKED       WOKEN  RX-SAMPLED    RX-LOCAL\n");
	for (unsigned core = 0; core < view->ncores; core++) {
		const struct fs_core_rec *rec = fs_view_core(view, group, core);

		fs_put_number_column(view->head->cpu[core], 8);
		fs_put_number_column(rec->rescued, 12);
		fs_put_number_column(rec->parked, 12);
		fs_put_number_column(rec->woken, 12);
		fs_put_number_column(rec->rx_sampled, 12);
		fs_put_number_column(rec->rx_local, 12);
		fs_put_text("\n");
	}
}

static void print_group(const struct fs_view *view, unsigned group, const struct fs_rates *rates, unsigned sampled,
			bool details)
{
	unsigned workers = fs_view_workers(view, group);
	char address[80];
	const char *text;
	int err;

	fs_view_address(view, group, address, sizeof(address));
	printf("  %s  %s (%s), %u worker%s, global queue ", address, fs_view_state(view, group),
	       fs_view_mode(view, group), workers, workers == 1 ? "" : "s");
	put_queue(fs_view_global_queue(view, group), 0);
	if (details)
		printf(", backlog %" PRIu32, view->group[group].backlog);
	putchar('\n');
	if (fs_view_reason(view, group, &text, &err))
		printf("    %s%s%s%s\n", text, err ? " (" : "", err ? strerror(err) : "", err ? ")" : "");
	printf("    %4s %10s %11s %9s %9s %9s %8s %6s %9s%s %s\n", "CPU", "OWNER", "LOCAL", "GLOBAL", "STOLEN", "GIVEN",
	       "OPEN", "QUEUE", "RX-LOCAL", rates ? "  LOCAL/S GLOBAL/S STOLEN/S  GIVEN/S   BUSY" : "", "STATE");
	for (unsigned core = 0; core < view->ncores; core++)
		print_core(view, group, core, rates, sampled);
	if (details)
		print_group_details(view, group);
}

static void print_balance(const struct fs_view *view)
{
	printf("  balance\n    %4s %11s %11s %11s %11s %11s\n", "CPU", "BUSY-S", "GROUPS-OUT", "GROUPS-IN", "AWAY", "GAINED");
	for (unsigned core = 0; core < view->ncores; core++) {
		const struct fs_core_load *load = fs_view_load(view, core);

		printf("    %4u %11.3f %11" PRIu64 " %11" PRIu64 " %11" PRIu32 " %11" PRIu32 "\n", view->head->cpu[core],
		       (double)load->busy_us / 1e6, load->groups_out, load->groups_in, load->away, load->gain);
	}
}

static void print_fallbacks(const struct fs_view *view)
{
	printf("    %4s", "CPU");
	for (unsigned i = FS_CONNECT_fallback; i < FS_CONNECT_NCOUNTERS; i++)
		printf(" %11s", fs_connect_counter[i].key);
	printf(" %11s\n", "RX-SAMPLED");
	for (unsigned core = 0; core < view->ncores; core++) {
		const struct fs_core_active *active = fs_view_connect(view, core);

		printf("    %4u", view->head->cpu[core]);
		for (unsigned i = 1; i < FS_FALLBACKS; i++)
			printf(" %11" PRIu64, active->fallback[i]);
		printf(" %11" PRIu64 "\n", active->rx_sampled);
	}
}

/* Connections that the tree opened: nothing about a program that opens none. */
static void print_connects(const struct fs_view *view, const struct fs_rates *rates, bool details)
{
	uint64_t calls = 0;

	for (unsigned core = 0; core < view->ncores; core++)
		calls += fs_view_connect(view, core)->calls;
	if (!calls)
		return;
	printf("  connect()\n    %4s %11s %11s %11s %11s %9s%s\n", "CPU", "CALLS", "STEERED", "TRIES", "FALLBACK", "RX-LOCAL",
	       rates ? "   CALLS/S STEERED/S" : "");
	for (unsigned core = 0; core < view->ncores; core++) {
		const struct fs_core_active *active = fs_view_connect(view, core);
		uint64_t fallback = 0;

		for (unsigned i = 1; i < FS_FALLBACKS; i++)
			fallback += active->fallback[i];
		printf("    %4u %11" PRIu64 " %11" PRIu64 " %11" PRIu64 " %11" PRIu64, view->head->cpu[core],
		       active->calls, active->steered, active->tries, fallback);
		put_share(fs_rate_share((double)active->rx_local, (double)active->rx_sampled), 10);
		if (rates) {
			put_rate(fs_rate_connect(rates, core, FS_CONNECT_calls), 10);
			put_rate(fs_rate_connect(rates, core, FS_CONNECT_steered), 10);
		}
		fs_put_text("\n");
	}
	if (details)
		print_fallbacks(view);
}

void fs_report_text(const struct fs_view *view, const struct fs_rates *rates, bool details)
{
	size_t n = view->tree->nprocesses;
	unsigned sampled = 0;
	char name[64];

	fs_process_name(fs_view_tree_pid(view), name, sizeof(name));
	print_name(name);
	printf(" (pid %d, %zu process%s): %s\n", fs_view_tree_pid(view), n, n == 1 ? "" : "es",
	       fs_view_active(view) ? "active" : "not active");
	for (unsigned group = 0; group < FS_GROUPS_MAX; group++) {
		if (fs_view_has_group(view, group))
			print_group(view, group, rates, sampled++, details);
	}
	if (details)
		print_balance(view);
	print_connects(view, rates, details);
}
