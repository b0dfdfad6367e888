/*
 * fastsock run: checks the options as the library will read them, puts them
 * and LD_PRELOAD into the environment and executes the command.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/options.h"
#include "cli.h"
#include "command.h"
#include "library.h"

/* Where help texts wrap. */
#define WIDTH 79
#define INDENT 6

/* What getopt_long() returns for an option of the table: its index above all letters. */
#define FIRST_OPTION 256

/* FASTSOCK_PIN is --pin; FASTSOCK itself is --fastsock. */
static char *option_name(const char *variable)
{
	static const char prefix[] = "FASTSOCK_";
	char *name;

	if (!strncmp(variable, prefix, strlen(prefix)))
		variable += strlen(prefix);
	name = fs_cli_grow(NULL, strlen(variable) + 1, 1);
	for (size_t i = 0; i <= strlen(variable); i++)
		name[i] = (char)tolower((unsigned char)variable[i]);
	return name;
}

static void print_wrapped(const char *s)
{
	size_t column = 0;

	while (*s) {
		size_t word = strcspn(s, " ");

		if (column && column + 1 + word > WIDTH) {
			putchar('\n');
			column = 0;
		}
		if (!column)
			column = (size_t)printf("%*s", INDENT, "");
		else
			column += (size_t)printf(" ");
		column += (size_t)printf("%.*s", (int)word, s);
		s += word;
		s += strspn(s, " ");
	}
	putchar('\n');
}

static int help(void)
{
	puts("Usage: fastsock run [OPTION]... [--] COMMAND [ARGUMENT]...\n"
	     "\n"
	     "Starts COMMAND with libfastsock in LD_PRELOAD. Each option sets an environment\n"
	     "variable, which may as well be set by hand:\n");
	for (unsigned i = 0; i < fs_option_count; i++) {
		const struct fs_option_info *info = &fs_option_table[i];
		char *name = option_name(info->variable);
		char *accepted;

		printf("  --%s=VALUE  (%s)\n", name, info->variable);
		if (asprintf(&accepted, "VALUE: %s (default: %s).", info->accepted, info->fallback) >= 0) {
			print_wrapped(accepted);
			free(accepted);
		}
		print_wrapped(info->help);
		free(name);
	}
	puts("  --help\n"
	     "      Show this.\n"
	     "\n"
	     "Exit status: that of COMMAND; 127 if it is not found, 126 if it cannot be\n"
	     "executed, 125 if libfastsock cannot be found, 2 for a wrong option.");
	return fs_cli_finish(FS_EXIT_OK);
}

/* The library's parser asks for variables; while one value is checked, there is only that one. */
static const struct fs_option_info *checked;
static char *checked_value;
static bool checked_bad;

static char *get_checked(const char *variable)
{
	return strcmp(variable, checked->variable) ? NULL : checked_value;
}

static void complain(const char *variable, const char *value, const char *accepted)
{
	char *name = option_name(variable);

	fs_cli_error("run: bad value \"%s\" for --%s; accepted: %s", value, name, accepted);
	free(name);
	checked_bad = true;
}

static bool value_is_good(const struct fs_option_info *info, char *value)
{
	struct fs_options ignored;

	checked = info;
	checked_value = value;
	checked_bad = false;
	fs_options_read(&ignored, get_checked, complain);
	return !checked_bad;
}

static struct option *long_options(void)
{
	struct option *options = fs_cli_grow(NULL, fs_option_count + 2, sizeof(*options));

	for (unsigned i = 0; i < fs_option_count; i++) {
		options[i] = (struct option){option_name(fs_option_table[i].variable), required_argument, NULL,
					     FIRST_OPTION + (int)i};
	}
	options[fs_option_count] = (struct option){"help", no_argument, NULL, 'h'};
	options[fs_option_count + 1] = (struct option){0};
	return options;
}

static void free_long_options(struct option *options)
{
	for (unsigned i = 0; i < fs_option_count; i++)
		free((char *)options[i].name);
	free(options);
}

/*
 * The dynamic linker ignores a LD_PRELOAD with slashes when the program gains
 * rights by being executed: say so, for it looks like a defect.
 */
static void warn_of_setuid(const char *command)
{
	char path[4096];
	struct stat st;

	if (!fs_command_find(command, path, sizeof(path)) || stat(path, &st) < 0)
		return;
	if ((st.st_mode & S_ISUID && st.st_uid != getuid()) || (st.st_mode & S_ISGID && st.st_gid != getgid()))
		fs_cli_error("run: warning: %s is setuid or setgid, so the dynamic linker leaves libfastsock out: to have it, start a"
			     " copy without that bit, as the user that it changes to", path);
}

static int execute(char **command)
{
	char *library = fs_library_find();
	char *preload;
	int err;

	if (!library)
		return FS_EXIT_RUN_FAILED;
	preload = fs_library_preload(library, getenv("LD_PRELOAD"));
	err = setenv("LD_PRELOAD", preload, 1) < 0 ? errno : 0;
	free(preload);
	free(library);
	if (err) {
		fs_cli_error("run: cannot set LD_PRELOAD: %s", strerror(err));
		return FS_EXIT_RUN_FAILED;
	}
	warn_of_setuid(command[0]);
	execvp(command[0], command);
	err = errno;
	fs_cli_error("run: cannot execute %s: %s%s", command[0], strerror(err),
		     err == ENOENT ? "; is it installed, and in PATH?" : err == EACCES ? "; is it a program that you may execute?" : "");
	return err == ENOENT ? FS_EXIT_NOT_FOUND : FS_EXIT_NOT_EXECUTABLE;
}

/* FS_EXIT_OK, with the option's variable in the environment; else the status to end with, after a message. */
static int take_option(const struct fs_option_info *info, char *value)
{
	if (!value_is_good(info, value))
		return FS_EXIT_USAGE;
	if (setenv(info->variable, value, 1) == 0)
		return FS_EXIT_OK;
	fs_cli_error("run: cannot set %s: %s", info->variable, strerror(errno));
	return FS_EXIT_RUN_FAILED;
}

/*
 * Takes the options in front of the command. FS_EXIT_OK, or the status to end with;
 * *helped when that is because of --help.
 */
static int take_options(int argc, char **argv, bool *helped)
{
	struct option *options = long_options();
	int option, status = FS_EXIT_OK;

	/* "+": the options end where the command begins. */
	while (status == FS_EXIT_OK && (option = getopt_long(argc, argv, "+h", options, NULL)) != -1) {
		if (option == 'h') {
			*helped = true;
			break;
		}
		if (option >= FIRST_OPTION) {
			status = take_option(&fs_option_table[option - FIRST_OPTION], optarg);
		} else {
			status = fs_cli_option_error("run", argv, options);
		}
	}
	free_long_options(options);
	return status;
}

int fs_cli_run(int argc, char **argv)
{
	bool helped = false;
	int status;

	status = take_options(argc, argv, &helped);
	if (status != FS_EXIT_OK)
		return status;
	if (helped)
		return help();
	if (optind == argc) {
		fs_cli_error("run: a command is missing; see fastsock run --help");
		return FS_EXIT_USAGE;
	}
	return execute(argv + optind);
}
