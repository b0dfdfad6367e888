/* fastsock nic: reads the arguments, and shows. */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "core/portsteer.h"
#include "cli/cli.h"
#include "cli/cpu_list.h"
#include "nic.h"

static int help(void)
{
	puts("Usage: fastsock nic INTERFACE [--channels] [--rps] [--cpus LIST] [--json]\n"
	     "       fastsock nic INTERFACE --apply [--channels] [--rps] [--cpus LIST]\n"
	     "       fastsock nic INTERFACE --undo\n"
	     "\n"
	     "Shows how a network interface deals its packets out to CPUs, and what would be better\n"
	     "for servers with one listener per CPU: an interrupt on one CPU for each queue, a queue\n"
	     "to send through for each CPU (XPS), the same share of the flows for each queue, and\n"
	     "packets that stay where they arrive. Says why, and what is left alone.\n"
	     "\n"
	     "  --apply\n"
	     "      Does it, all or nothing, and keeps what was there before. Needs root.\n"
	     "  --undo\n"
	     "      Puts back what was there before the first --apply. Needs root.\n"
	     "  --channels\n"
	     "      Also more queues, up to one for each CPU. Many drivers take the link down for a\n"
	     "      moment as they do that.\n"
	     "  --rps\n"
	     "      Also lets the kernel spread packets over CPUs (RPS) where there are fewer queues.\n"
	     "  --cpus LIST\n"
	     "      The CPUs to use, such as 0-3,8; the order counts. If not given: those that this\n"
	     "      command may use, the ones of the interface's NUMA node first.\n"
	     "  --json\n"
	     "      What is shown, for programs.\n"
	     "  --help\n"
	     "      Show this.\n"
	     "\n"
	     "Exit status: 0; 1 if it could not be done, or not all of it undone; 2 for wrong usage.");
	return fs_cli_finish(FS_EXIT_OK);
}

static int usage_error(const char *what, const char *name)
{
	fs_cli_error("nic: %s%s%s; see fastsock nic --help", what, name ? " " : "", name ? name : "");
	return FS_EXIT_USAGE;
}

static int take_arguments(int argc, char **argv, struct fs_nic_request *request)
{
	if (!argc)
		return usage_error("an interface is missing", NULL);
	if (argc > 1)
		return usage_error("one interface at a time, not also", argv[1]);
	request->interface = argv[0];
	if (request->apply && request->undo)
		return usage_error("--apply and --undo exclude each other", NULL);
	if (request->json && (request->apply || request->undo))
		return usage_error("--json is for what is shown, not for --apply and --undo", NULL);
	if (request->undo && (request->ncpus || request->wish.channels || request->wish.rps))
		return usage_error("--undo puts back what was there: it takes none of --cpus, --channels, --rps", NULL);
	return FS_EXIT_OK;
}

static int show(struct fs_pool *pool, const struct fs_nic_request *request)
{
	struct fs_nic_state state;
	struct fs_nic_plan plan;
	int status = fs_nic_read(pool, request->interface, request->cpu, request->ncpus, &state);

	if (status != FS_EXIT_OK)
		return status;
	fs_nic_plan(pool, &state, &request->wish, &plan);
	(request->json ? fs_nic_print_json : fs_nic_print)(pool, &state, &plan);
	return fs_cli_finish(FS_EXIT_OK);
}

static int run(const struct fs_nic_request *request)
{
	struct fs_pool pool = {0};
	int (*action)(struct fs_pool *, const struct fs_nic_request *) =
		request->apply ? fs_nic_apply : request->undo ? fs_nic_undo : show;
	int status = action(&pool, request);

	fs_pool_free(&pool);
	return status;
}

int fs_cli_nic(int argc, char **argv)
{
	static const struct option options[] = {
		{"apply", no_argument, NULL, 'a'},
		{"undo", no_argument, NULL, 'u'},
		{"channels", no_argument, NULL, 'n'},
		{"rps", no_argument, NULL, 'r'},
		{"cpus", required_argument, NULL, 'c'},
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	struct fs_nic_request request = {0};
	int option, status = FS_EXIT_OK;

	while (status == FS_EXIT_OK && (option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (option) {
		case 'h':
			return help();
		case 'a':
			request.apply = true;
			break;
		case 'u':
			request.undo = true;
			break;
		case 'n':
			request.wish.channels = true;
			break;
		case 'r':
			request.wish.rps = true;
			break;
		case 'c':
			status = fs_cli_cpu_list("nic", optarg, request.cpu, &request.ncpus);
			break;
		case 'j':
			request.json = true;
			break;
		default:
			return fs_cli_option_error("nic", argv, options);
		}
	}
	if (status == FS_EXIT_OK)
		status = take_arguments(argc - optind, argv + optind, &request);
	return status == FS_EXIT_OK ? run(&request) : status;
}
