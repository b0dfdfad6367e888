/* Commands that start the one behind them, and leave its environment alone: "taskset -c 0-3 server". */
#define _GNU_SOURCE
#include <ctype.h>
#include <string.h>

#include "core/common.h"
#include "doctor.h"

/* What stands behind each other: more is not looked through. */
#define PREFIXES_MAX 8

/* Words are between blanks, and at both ends of the text. An option that is not here is not understood. */
static const struct prefix {
	const char *name;
	const char *flags;  /* letters of options */
	const char *valued; /* of those with a value */
	const char *long_flags;
	const char *long_valued;
	unsigned arguments; /* before the command; they start with a digit */
} prefixes[] = {
	{"taskset", "ac", "", " all-tasks cpu-list ", " ", 1},
	{"nice", "0123456789", "n", " ", " adjustment ", 0},
	{"ionice", "t", "cn", " ignore ", " class classdata ", 0},
	{"numactl", "al", "CNmip", " all localalloc ", " cpunodebind physcpubind membind interleave preferred ", 0},
	{"timeout", "v", "ks", " foreground preserve-status verbose ", " kill-after signal ", 1},
	{"setpriv", "", "", " clear-groups keep-groups init-groups no-new-privs nnp ",
	 " reuid regid ruid euid rgid egid groups inh-caps ambient-caps bounding-set securebits pdeathsig ", 0},
	{"setsid", "cfw", "", " ctty fork wait ", " ", 0},
	{"stdbuf", "", "ioe", " ", " input output error ", 0},
	{"chrt", "abfiorv", "", " all-tasks batch fifo idle other rr verbose ", " ", 1},
	{"env", "iv", "C", " ignore-environment debug ", " chdir ", 0},
	{"fastsock", "", "", " ", " ", 0},
};

/* They start another command too, but as somebody else or elsewhere. */
static const char strangers[] = " sudo su runuser doas podman ";

static bool is_word(const char *words, const char *word, size_t len)
{
	for (const char *at = words; len && (at = strchr(at, ' ')); at++)
		if (!strncmp(at + 1, word, len) && at[1 + len] == ' ')
			return true;
	return false;
}

/* The number of words that an option takes; 0 when it is not understood. */
static unsigned option_words(const struct prefix *p, const char *option)
{
	const char *end = option + strcspn(option, "=");

	if (option[1] == '-') {
		if (is_word(p->long_flags, option + 2, (size_t)(end - option - 2)))
			return *end ? 0 : 1;
		/* All options of fastsock run that set something have their value behind "=". */
		if (*end && !strcmp(p->name, "fastsock"))
			return 1;
		return is_word(p->long_valued, option + 2, (size_t)(end - option - 2)) ? (*end ? 1 : 2) : 0;
	}
	for (const char *at = option + 1; *at; at++) {
		if (strchr(p->valued, *at))
			return at[1] ? 1 : 2;
		if (!strchr(p->flags, *at))
			return 0;
	}
	return 1;
}

/* The command behind a prefix; NULL when that is not sure. */
static char **behind(const struct prefix *p, char **command)
{
	bool env = !strcmp(p->name, "env");

	if (!strcmp(p->name, "fastsock") && (!*++command || strcmp(*command, "run") != 0))
		return NULL;
	for (command++; *command && **command == '-'; ) {
		/* "env -" is "env -i". */
		unsigned words = env && !(*command)[1] ? 1 : option_words(p, *command);

		if (!strcmp(*command, "--")) {
			command++;
			break;
		}
		if (!words || (words == 2 && !command[1]))
			return NULL;
		command += words;
	}
	for (; env && *command && strchr(*command, '='); command++)
		if (!strncmp(*command, "LD_PRELOAD=", strlen("LD_PRELOAD=")))
			return NULL;
	for (unsigned i = 0; i < p->arguments && *command; i++, command++)
		if (!isdigit((unsigned char)**command))
			return NULL;
	return *command ? command : NULL;
}

char **fs_doctor_behind(char **command, bool *unsure)
{
	*unsure = false;
	for (unsigned depth = 0; depth < PREFIXES_MAX; depth++) {
		const char *slash = strrchr(command[0], '/'), *name = slash ? slash + 1 : command[0];
		const struct prefix *p = NULL;
		char **next;

		for (unsigned i = 0; i < FS_COUNT(prefixes) && !p; i++)
			if (!strcmp(name, prefixes[i].name))
				p = &prefixes[i];
		next = p ? behind(p, command) : NULL;
		if (!next) {
			*unsure = (p && command[1]) || is_word(strangers, name, strlen(name));
			return command;
		}
		command = next;
	}
	*unsure = true;
	return command;
}
