/* fastsock top: reads the arguments. The screen needs ncurses, which not every build has. */
#include "config.h"

#include <getopt.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/tree/find.h"
#include "top.h"

static int help(void)
{
	puts("Usage: fastsock top [PID]\n"
	     "\n"
	     "Shows what libfastsock does in the process tree of PID, or in all process trees\n"
	     "that this user may look into, on a screen that follows what happens: for each CPU\n"
	     "the connections accepted per second as a bar, # from its local listener, + from\n"
	     "the global listener, ! stolen from other CPUs; those that wait and are open, the\n"
	     "share of local ones, how busy its worker is, and what is unusual about it. The\n"
	     "key h shows the keys, q quits.\n"
	     "\n"
	     "  --help\n"
	     "      Show this.\n"
	     "\n"
	     "Without colours where NO_COLOR is set.\n"
	     "\n"
	     "Exit status: 0; 1 if there is nothing to show, or no terminal; 2 for wrong usage.");
	return fs_cli_finish(FS_EXIT_OK);
}

static int run(int pid)
{
#ifdef HAVE_TOP
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
		fs_cli_error("top: standard %s is no terminal: start it in one, or use fastsock stat --watch 1",
			     isatty(STDIN_FILENO) ? "output" : "input");
		return FS_EXIT_FAILED;
	}
	return fs_top_run(pid);
#else
	(void)pid;
	fs_cli_error("top: this fastsock was built without ncurses: install that, then configure and build fastsock again,"
		     " or use fastsock stat --watch 1");
	return FS_EXIT_FAILED;
#endif
}

int fs_cli_top(int argc, char **argv)
{
	static const struct option options[] = {
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	int option, pid = 0;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		if (option == 'h')
			return help();
		return fs_cli_option_error("top", argv, options);
	}
	if (argc - optind > 1) {
		fs_cli_error("top: one PID at most; see fastsock top --help");
		return FS_EXIT_USAGE;
	}
	if (optind < argc)
		pid = fs_find_parse("top", argv[optind]);
	return pid < 0 ? FS_EXIT_USAGE : run(pid);
}
