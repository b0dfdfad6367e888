/* fastsock stat: which trees to show, and what to say when there is none. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "report.h"
#include "version.h"

static int help(void)
{
	puts("Usage: fastsock stat [--json] [PID]\n"
	     "\n"
	     "Shows what libfastsock does in the process tree of PID, or in all process trees\n"
	     "that this user may look into: for each listener and CPU the owner, the\n"
	     "connections accepted from the CPU's local listener, from the global listener and\n"
	     "from other CPUs' listeners (stolen), those that others took from it (given), that\n"
	     "are open, that wait now, the share of (sampled) connections whose packets arrive\n"
	     "on the CPU that accepts them, and what is unusual about the CPU's worker.\n"
	     "\n"
	     "  --json\n"
	     "      The same for programs.\n"
	     "  --help\n"
	     "      Show this.\n"
	     "\n"
	     "Exit status: 0; 1 if there is nothing to show or not all could be read; 2 for\n"
	     "wrong usage.");
	return fs_cli_finish(FS_EXIT_OK);
}

/* All the regions of one process with all who share them; the status, after a message when that is not 0. */
static int find_one(struct fs_trees *trees, int pid)
{
	struct fs_trees own = {0};
	int err = fs_trees_add_process(&own, pid);
	size_t kept = 0;
	char name[64];

	if (err == -ENOENT) {
		fs_cli_error("stat: there is no process %d", pid);
		return FS_EXIT_FAILED;
	}
	fs_process_name(pid, name, sizeof(name));
	if (err == -EACCES) {
		fs_cli_error("stat: no permission to look into process %d (%s): run this as its user or as root", pid, name);
		fs_trees_free(&own);
		return FS_EXIT_FAILED;
	}
	if (!own.ntrees) {
		fs_cli_error("stat: process %d (%s) has no listener that libfastsock handles: start it with fastsock run,"
			     " and if it was, see what FASTSOCK_LOG=info says", pid, name);
		return FS_EXIT_FAILED;
	}
	err = fs_trees_scan(trees);
	for (size_t i = 0; i < trees->ntrees; i++) {
		if (fs_trees_find(&own, trees->tree[i].dev, trees->tree[i].ino))
			trees->tree[kept++] = trees->tree[i];
		else
			free(trees->tree[i].process);
	}
	trees->ntrees = kept;
	fs_trees_free(&own);
	if (err || !kept) {
		fs_cli_error("stat: process %d is gone", pid);
		return FS_EXIT_FAILED;
	}
	return FS_EXIT_OK;
}

static int find_all(struct fs_trees *trees)
{
	int err = fs_trees_scan(trees);

	if (err) {
		fs_cli_error("stat: cannot read /proc: %s", strerror(-err));
		return FS_EXIT_FAILED;
	}
	if (trees->ntrees)
		return FS_EXIT_OK;
	if (trees->unreadable)
		fs_cli_error("stat: no process with libfastsock found, but there was no permission to look into %u"
			     " process%s: run this as root to see them all", trees->unreadable,
			     trees->unreadable == 1 ? "" : "es");
	else
		fs_cli_error("stat: no process with libfastsock found: start one with fastsock run");
	return FS_EXIT_FAILED;
}

static int report(const struct fs_trees *trees, struct fs_json *json)
{
	struct fs_queues queues = {0};
	int status = FS_EXIT_OK;

	if (trees->ntrees)
		fs_queues_read(&queues);
	if (json) {
		fs_json_open(json, NULL, '{');
		fs_json_string(json, "version", FS_CLI_VERSION);
		fs_json_open(json, "trees", '[');
	}
	for (size_t i = 0; i < trees->ntrees; i++) {
		struct fs_view view;
		const char *why;

		if (fs_view_read(&view, &trees->tree[i], &queues, &why) < 0) {
			fs_cli_error("stat: the region of process %d cannot be read: %s; restart that program, with the"
				     " libfastsock that belongs to this command", trees->tree[i].process[0].pid, why);
			status = FS_EXIT_FAILED;
			continue;
		}
		if (json)
			fs_report_json(json, &view);
		else
			fs_report_text(&view);
		fs_view_free(&view);
	}
	if (json) {
		fs_json_close(json, ']');
		fs_json_close(json, '}');
	}
	fs_queues_free(&queues);
	return status;
}

static int parse_pid(const char *text)
{
	char *end;
	long pid;

	errno = 0;
	pid = strtol(text, &end, 10);
	return errno || end == text || *end || pid <= 0 || pid > 0x7fffffff ? -1 : (int)pid;
}

int fs_cli_stat(int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	struct fs_trees trees = {0};
	struct fs_json json = {0};
	char name[] = "fastsock: stat";
	bool as_json = false;
	int option, pid = 0, found, reported = FS_EXIT_OK;

	/* getopt names itself after this. */
	argv[0] = name;
	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'h')
			return help();
		if (option != 'j') {
			fs_cli_error("see fastsock stat --help");
			return FS_EXIT_USAGE;
		}
		as_json = true;
	}
	if (argc - optind > 1) {
		fs_cli_error("stat: one PID at most; see fastsock stat --help");
		return FS_EXIT_USAGE;
	}
	if (optind < argc) {
		pid = parse_pid(argv[optind]);
		if (pid < 0) {
			fs_cli_error("stat: \"%s\" is no PID; see fastsock stat --help", argv[optind]);
			return FS_EXIT_USAGE;
		}
	}
	found = pid ? find_one(&trees, pid) : find_all(&trees);
	/* JSON is complete even when there is nothing to show, so that whoever reads it need not know why. */
	if (found == FS_EXIT_OK || as_json)
		reported = report(&trees, as_json ? &json : NULL);
	fs_trees_free(&trees);
	return fs_cli_finish(found != FS_EXIT_OK ? found : reported);
}
