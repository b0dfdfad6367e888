/* The fastsock command: finds the verb and leaves the rest to it. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "core/version.h"

static const struct verb {
	const char *name;
	int (*run)(int argc, char **argv);
	const char *help;
} verbs[] = {
	{"nic", fs_cli_nic, "show how a network interface deals its packets out to CPUs, and improve it"},
	{"run", fs_cli_run, "start a program with libfastsock"},
	{"stat", fs_cli_stat, "show what libfastsock does in running programs"},
	{"top", fs_cli_top, "show it on a screen that follows what happens"},
	{"doctor", fs_cli_doctor, "find what keeps libfastsock from working, and say how to mend it"},
	{"steer", fs_cli_steer, "send the packets of opened connections to the CPU that their port names"},
};

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (!strcmp(verbs[i].name, name))
			return &verbs[i];
	}
	return NULL;
}

int fs_cli_finish(int status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return status;
	fs_cli_error("cannot write to standard output: %s", strerror(errno));
	return FS_EXIT_FAILED;
}

void *fs_cli_grow(void *old, size_t count, size_t size)
{
	void *grown = reallocarray(old, count, size);

	if (!grown) {
		fs_cli_error("out of memory");
		exit(FS_EXIT_FAILED);
	}
	return grown;
}

static int usage_error(const char *what, const char *name)
{
	fs_cli_error("%s%s%s; see fastsock --help", what, name ? " " : "", name ? name : "");
	return FS_EXIT_USAGE;
}

static int help(void)
{
	puts("Usage: fastsock VERB [ARGUMENT...]\n"
	     "       fastsock --help | --version\n"
	     "\n"
	     "One listener per CPU for servers that were not written for it.\n");
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		printf("  %-6s %s\n", verbs[i].name, verbs[i].help);
	puts("  help   show this, or with a verb, the verb's help\n"
	     "\n"
	     "See fastsock(1) and libfastsock(7).");
	return fs_cli_finish(FS_EXIT_OK);
}

static int help_verb(int argc, char **argv)
{
	char option[] = "--help";
	const struct verb *verb;

	if (argc < 2)
		return help();
	if (argc > 2)
		return usage_error("help takes one verb, not", argv[2]);
	verb = find_verb(argv[1]);
	if (!verb)
		return usage_error("there is no verb", argv[1]);
	return verb->run(2, (char *[]){argv[1], option, NULL});
}

int main(int argc, char **argv)
{
	const struct verb *verb;

	if (argc < 2)
		return usage_error("a verb is missing", NULL);
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h"))
		return help();
	if (!strcmp(argv[1], "help"))
		return help_verb(argc - 1, argv + 1);
	if (!strcmp(argv[1], "--version")) {
		puts("fastsock " FS_VERSION_TEXT);
		return fs_cli_finish(FS_EXIT_OK);
	}
	if (argv[1][0] == '-')
		return usage_error("there is no option", argv[1]);
	verb = find_verb(argv[1]);
	if (!verb)
		return usage_error("there is no verb", argv[1]);
	opterr = 0; /* fs_cli_option_error() says it in one line */
	return verb->run(argc - 1, argv + 1);
}
