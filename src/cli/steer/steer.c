/* fastsock steer: reads the arguments. What it does needs the loader of the XDP program, which not every build has. */
#define _GNU_SOURCE
#include "config.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/cpu_list.h"
#include "steer.h"

static int help(void)
{
	puts("Usage: fastsock steer attach INTERFACE [--cpus LIST] [--generic]\n"
	     "       fastsock steer detach INTERFACE\n"
	     "       fastsock steer status [INTERFACE] [--json]\n"
	     "\n"
	     "Puts a program on a network interface (XDP) that sends each packet of a connection\n"
	     "which was opened on this machine to the CPU that its destination port names: with\n"
	     "N CPUs, to number (port modulo N) of the list. Packets of connections that are\n"
	     "accepted here, to ports outside net.ipv4.ip_local_port_range (read by attach), and\n"
	     "all others stay where they arrive. Under libfastsock a program then gets source\n"
	     "ports that lead to the CPU which it connects on.\n"
	     "The program stays when this command ends, until it is detached or the interface is\n"
	     "gone. All of this needs root.\n"
	     "\n"
	     "  --cpus LIST\n"
	     "      The CPUs, such as 0-3,8; the order counts. All that are online if not given.\n"
	     "  --generic\n"
	     "      For drivers that cannot run XDP programs: works with all of them, and is\n"
	     "      slower.\n"
	     "  --json\n"
	     "      The status for programs.\n"
	     "  --help\n"
	     "      Show this.\n"
	     "\n"
	     "Exit status: 0; 1 if it could not be done, or there is nothing to show; 2 for wrong\n"
	     "usage.");
	return fs_cli_finish(FS_EXIT_OK);
}

/* The actions, and the options that each of them takes. */
static const struct action {
	const char *name;
	int (*run)(const struct fs_steer_request *request);
	bool attaches, shows;
} actions[] = {
#ifdef HAVE_STEER
	{"attach", fs_steer_do_attach, true, false},
	{"detach", fs_steer_do_detach, false, false},
	{"status", fs_steer_do_status, false, true},
#else
	{"attach", NULL, true, false},
	{"detach", NULL, false, false},
	{"status", NULL, false, true},
#endif
};

static int usage_error(const char *what, const char *name)
{
	fs_cli_error("steer: %s%s%s; see fastsock steer --help", what, name ? " " : "", name ? name : "");
	return FS_EXIT_USAGE;
}

static int take_arguments(int argc, char **argv, const struct action **action, struct fs_steer_request *request)
{
	if (!argc)
		return usage_error("attach, detach or status is missing", NULL);
	for (size_t i = 0; i < FS_COUNT(actions); i++) {
		if (!strcmp(argv[0], actions[i].name))
			*action = &actions[i];
	}
	if (!*action)
		return usage_error("there is no action", argv[0]);
	if (argc > 2)
		return usage_error("one interface at a time, not also", argv[2]);
	if (argc < 2 && !(*action)->shows)
		return usage_error("an interface is missing after", argv[0]);
	request->interface = argv[1];
	if ((request->ncpus || request->generic) && !(*action)->attaches)
		return usage_error("--cpus and --generic are options of attach, not of", argv[0]);
	if (request->json && !(*action)->shows)
		return usage_error("--json is an option of status, not of", argv[0]);
	return FS_EXIT_OK;
}

static int run(const struct action *action, const struct fs_steer_request *request)
{
	if (action->run)
		return action->run(request);
	fs_cli_error("steer: this fastsock was built without %s: install that, then configure and build fastsock again",
		     STEER_MISSING);
	return FS_EXIT_FAILED;
}

int fs_cli_steer(int argc, char **argv)
{
	static const struct option options[] = {
		{"cpus", required_argument, NULL, 'c'},
		{"generic", no_argument, NULL, 'g'},
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	struct fs_steer_request request = {0};
	const struct action *action = NULL;
	int option, status = FS_EXIT_OK;

	while (status == FS_EXIT_OK && (option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (option) {
		case 'h':
			return help();
		case 'c':
			status = fs_cli_cpu_list("steer", optarg, request.cpu, &request.ncpus);
			break;
		case 'g':
			request.generic = true;
			break;
		case 'j':
			request.json = true;
			break;
		default:
			return fs_cli_option_error("steer", argv, options);
		}
	}
	if (status == FS_EXIT_OK)
		status = take_arguments(argc - optind, argv + optind, &action, &request);
	return status == FS_EXIT_OK ? run(action, &request) : status;
}
