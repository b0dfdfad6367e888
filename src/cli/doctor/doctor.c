/* fastsock doctor: what to look at, and the status by what was found. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "doctor.h"

static int help(void)
{
	puts("Usage: fastsock doctor [--json] [COMMAND [ARGUMENT]... | PID]\n"
	     "\n"
	     "Looks for what keeps libfastsock from working, or from working well: on this\n"
	     "machine; in the program that COMMAND would start, which is not run; and in the\n"
	     "process PID and its process tree. Says for each thing that it looks at whether it\n"
	     "is ok, could be better (advice) or is a problem, why, and how to mend it; the worst\n"
	     "come last. Nothing is changed.\n"
	     "\n"
	     "  --json\n"
	     "      The same for programs.\n"
	     "  --help\n"
	     "      Show this.\n"
	     "\n"
	     "Exit status: 0 if all is ok, 3 if there is advice, 4 if there is a problem; 1 if\n"
	     "COMMAND or PID could not be looked at, 2 for wrong usage.");
	return fs_cli_finish(FS_EXIT_OK);
}

/* A positive number is a PID; a command of that name is called by its path. 0 when it is none, -1 when it is out of range. */
static int parse_pid(const char *text)
{
	char *end;
	long pid;

	if (!*text || text[strspn(text, "0123456789")])
		return 0;
	errno = 0;
	pid = strtol(text, &end, 10);
	return errno || pid <= 0 || pid > 0x7fffffff ? -1 : (int)pid;
}

static int examine(int pid, char **command, bool json)
{
	struct fs_findings f = {.section = "machine"};
	struct fs_elf library;
	bool known, looked = true;
	int status;

	fs_doctor_machine(&f, pid);
	fs_doctor_network(&f);
	known = fs_doctor_library(&f, &library);
	if (pid)
		looked = fs_doctor_process(&f, pid, known ? &library : NULL);
	else if (*command)
		looked = fs_doctor_command(&f, command, known ? &library : NULL);
	status = fs_findings_worst(&f) == FS_LEVEL_PROBLEM ? FS_EXIT_PROBLEM :
		 fs_findings_worst(&f) == FS_LEVEL_ADVICE ? FS_EXIT_ADVICE : FS_EXIT_OK;
	if (!looked)
		status = FS_EXIT_FAILED;
	if (json)
		fs_doctor_print_json(&f, *command);
	else if (looked)
		fs_doctor_print(&f);
	fs_findings_free(&f);
	return fs_cli_finish(status);
}

int fs_cli_doctor(int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	bool json = false;
	int option, pid = 0;

	/* "+": the options end where the command begins. */
	while ((option = getopt_long(argc, argv, "+h", options, NULL)) != -1) {
		if (option == 'h')
			return help();
		if (option != 'j')
			return fs_cli_option_error("doctor", argv, options);
		json = true;
	}
	if (optind < argc)
		pid = parse_pid(argv[optind]);
	if (pid < 0 || (optind < argc && !argv[optind][0])) {
		fs_cli_error("doctor: \"%s\" is no PID and no command; see fastsock doctor --help", argv[optind]);
		return FS_EXIT_USAGE;
	}
	if (pid && argc - optind > 1) {
		fs_cli_error("doctor: one PID, and no arguments with it; see fastsock doctor --help");
		return FS_EXIT_USAGE;
	}
	return examine(pid, argv + optind, json);
}
