/* What the command says when something is wrong: one line on standard error, in one write. */
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli.h"

#define LINE_MAX_BYTES 2048

/* Names of processes and arguments may hold anything; the terminal is not theirs to drive. */
static void disarm(char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		/* The second: U+0080 to U+009F, which are control characters, too, as UTF-8. */
		if (c < ' ' || c == 0x7f)
			*text = '?';
		else if (c == 0xc2 && (unsigned char)text[1] >= 0x80 && (unsigned char)text[1] < 0xa0)
			text[0] = text[1] = '?';
	}
}

void fs_cli_error(const char *format, ...)
{
	char line[LINE_MAX_BYTES] = "fastsock: ";
	size_t prefix = strlen(line);
	va_list args;

	fflush(stdout);
	va_start(args, format);
	vsnprintf(line + prefix, sizeof(line) - prefix - 1, format, args);
	va_end(args);
	disarm(line);
	strcat(line, "\n"); /* for which a byte was kept */
	fputs(line, stderr);
}

int fs_cli_option_error(const char *verb, char **argv, const struct option *options)
{
	/* A long option is told by its text: getopt gives the same numbers to letters. */
	const char *text = argv[optind - 1];
	bool is_long = !strncmp(text, "--", 2);

	for (; is_long && optopt && options->name; options++) {
		if (options->val != optopt)
			continue;
		fs_cli_error("%s: --%s %s; see fastsock %s --help", verb, options->name,
			     options->has_arg == required_argument ? "needs a value" : "takes no value", verb);
		return FS_EXIT_USAGE;
	}
	if (is_long || !optopt)
		fs_cli_error("%s: there is no option %s; see fastsock %s --help", verb, text, verb);
	else
		fs_cli_error("%s: there is no option -%c; see fastsock %s --help", verb, optopt, verb);
	return FS_EXIT_USAGE;
}
