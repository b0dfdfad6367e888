/* fastsock stat: what it was asked to show. */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/tree/find.h"
#include "stat.h"

/* Output of a server with many CPUs and listeners is tens of megabytes; each write() costs. */
#define BUFFER (256 * 1024)
/* Shorter intervals show nothing but this command; longer ones are nobody's. */
#define WATCH_MIN 0.01
#define WATCH_MAX 86400.0

static int help(void)
{
	puts("Usage: fastsock stat [--details] [--watch N] [--json | --prometheus] [PID]\n"
	     "\n"
	     "Shows what libfastsock does in the process tree of PID, or in all process trees\n"
	     "that this user may look into: for each listener and CPU the owner, the\n"
	     "connections accepted from the CPU's local listener, from the global listener and\n"
	     "from other CPUs' listeners (stolen), those that others took from it (given), that\n"
	     "are open, that wait now, the share of (sampled) connections whose packets arrive\n"
	     "on the CPU that accepts them, and what is unusual about the CPU's worker.\n"
	     "\n"
	     "  --details\n"
	     "      All counters, in more tables.\n"
	     "  --watch N\n"
	     "      Again every N seconds, such as 1 or 0.5, with rates since the last time,\n"
	     "      until interrupted, or PID is gone.\n"
	     "  --json\n"
	     "      The same for programs; with --watch one object a line.\n"
	     "  --prometheus\n"
	     "      The same as Prometheus scrapes it.\n"
	     "  --help\n"
	     "      Show this.\n"
	     "\n"
	     "Exit status: 0; 1 if there is nothing to show or not all could be read; 2 for\n"
	     "wrong usage.");
	return fs_cli_finish(FS_EXIT_OK);
}

static int once(const struct fs_stat_request *request)
{
	struct fs_trees trees = {0};
	int reported = FS_EXIT_OK;
	int found = fs_find("stat", &trees, request->pid, NULL);

	/* What programs read is complete even when there is nothing to show, so that they need not know why. */
	if (found == FS_EXIT_OK || request->format != FS_STAT_TEXT)
		reported = fs_stat_report(request, &trees, NULL);
	fs_trees_free(&trees);
	return fs_cli_finish(found != FS_EXIT_OK ? found : reported);
}

static int parse_watch(struct fs_stat_request *request, const char *text)
{
	char *end;
	double seconds;

	errno = 0;
	seconds = strtod(text, &end);
	if (errno || end == text || *end || !isfinite(seconds) || seconds < WATCH_MIN || seconds > WATCH_MAX) {
		fs_cli_error("stat: --watch takes %g to %g seconds, not \"%s\"; see fastsock stat --help", WATCH_MIN,
			     WATCH_MAX, text);
		return FS_EXIT_USAGE;
	}
	request->watch_us = (uint64_t)(seconds * 1e6);
	return FS_EXIT_OK;
}

static int take_format(struct fs_stat_request *request, enum fs_stat_format format)
{
	if (request->format != FS_STAT_TEXT && request->format != format) {
		fs_cli_error("stat: --json and --prometheus exclude each other; see fastsock stat --help");
		return FS_EXIT_USAGE;
	}
	request->format = format;
	return FS_EXIT_OK;
}

static int take_arguments(struct fs_stat_request *request, int argc, char **argv)
{
	if (argc > 1) {
		fs_cli_error("stat: one PID at most; see fastsock stat --help");
		return FS_EXIT_USAGE;
	}
	/* One exposition is one scrape, and has no rates: Prometheus makes them. */
	if (request->format == FS_STAT_PROMETHEUS && request->watch_us) {
		fs_cli_error("stat: --prometheus and --watch exclude each other; see fastsock stat --help");
		return FS_EXIT_USAGE;
	}
	if (argc)
		request->pid = fs_find_parse("stat", argv[0]);
	return request->pid < 0 ? FS_EXIT_USAGE : FS_EXIT_OK;
}

int fs_cli_stat(int argc, char **argv)
{
	static const struct option options[] = {
		{"details", no_argument, NULL, 'd'},
		{"json", no_argument, NULL, 'j'},
		{"prometheus", no_argument, NULL, 'p'},
		{"watch", required_argument, NULL, 'w'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	struct fs_stat_request request = {0};
	int option, status = FS_EXIT_OK;

	while (status == FS_EXIT_OK && (option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (option) {
		case 'h':
			return help();
		case 'd':
			request.details = true;
			break;
		case 'j':
			status = take_format(&request, FS_STAT_JSON);
			break;
		case 'p':
			status = take_format(&request, FS_STAT_PROMETHEUS);
			break;
		case 'w':
			status = parse_watch(&request, optarg);
			break;
		default:
			return fs_cli_option_error("stat", argv, options);
		}
	}
	if (status == FS_EXIT_OK)
		status = take_arguments(&request, argc - optind, argv + optind);
	if (status != FS_EXIT_OK)
		return status;
	setvbuf(stdout, NULL, _IOFBF, BUFFER);
	return request.watch_us ? fs_stat_watch(&request) : once(&request);
}
