/* The list of findings, and how it is printed. */
#define _GNU_SOURCE
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "core/version.h"
#include "doctor.h"
#include "cli/json.h"

static const struct {
	const char *word;
	const char *colour; /* SGR */
} levels[FS_LEVELS] = {
	[FS_LEVEL_OK] = {"ok", "32"},
	[FS_LEVEL_ADVICE] = {"advice", "33"},
	[FS_LEVEL_PROBLEM] = {"problem", "1;31"},
};

static char *text(const char *format, va_list args)
{
	char *out;

	if (vasprintf(&out, format, args) < 0) {
		fs_cli_error("out of memory");
		exit(FS_EXIT_FAILED);
	}
	return out;
}

static struct fs_finding *latest(struct fs_findings *f)
{
	return &f->finding[f->nfindings - 1];
}

void fs_found(struct fs_findings *f, const char *id, enum fs_level level, const char *what, ...)
{
	va_list args;

	f->finding = fs_cli_grow(f->finding, f->nfindings + 1, sizeof(*f->finding));
	f->finding[f->nfindings++] = (struct fs_finding){.section = f->section, .id = id, .level = level};
	f->count[level]++;
	va_start(args, what);
	latest(f)->what = text(what, args);
	va_end(args);
}

void fs_found_subject(struct fs_findings *f, const char *subject)
{
	latest(f)->subject = strdup(subject);
}

void fs_found_why(struct fs_findings *f, const char *why, ...)
{
	va_list args;

	va_start(args, why);
	latest(f)->why = text(why, args);
	va_end(args);
}

void fs_found_mend(struct fs_findings *f, const char *mend, ...)
{
	va_list args;

	va_start(args, mend);
	latest(f)->mend = text(mend, args);
	va_end(args);
}

enum fs_level fs_findings_worst(const struct fs_findings *f)
{
	return f->count[FS_LEVEL_PROBLEM] ? FS_LEVEL_PROBLEM : f->count[FS_LEVEL_ADVICE] ? FS_LEVEL_ADVICE : FS_LEVEL_OK;
}

void fs_findings_free(struct fs_findings *f)
{
	for (size_t i = 0; i < f->nfindings; i++) {
		free(f->finding[i].subject);
		free(f->finding[i].what);
		free(f->finding[i].why);
		free(f->finding[i].mend);
	}
	free(f->finding);
	*f = (struct fs_findings){0};
}

/* Names come from processes and files: the terminal is not to obey them. */
static void print_text(const char *s)
{
	for (; *s; s++)
		putchar(iscntrl((unsigned char)*s) ? '?' : *s);
}

static bool colours(void)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && (!no || !*no) && term && strcmp(term, "dumb") != 0;
}

static void print_finding(const struct fs_finding *finding, bool coloured)
{
	const char *word = levels[finding->level].word;

	if (coloured)
		printf("\033[%sm%-7s\033[0m  ", levels[finding->level].colour, word);
	else
		printf("%-7s  ", word);
	if (finding->subject) {
		print_text(finding->subject);
		fputs(": ", stdout);
	}
	print_text(finding->what);
	if (finding->why) {
		fputs(": ", stdout);
		print_text(finding->why);
	}
	putchar('\n');
	if (finding->mend) {
		printf("%9s-> ", "");
		print_text(finding->mend);
		putchar('\n');
	}
}

void fs_doctor_print(const struct fs_findings *f)
{
	bool coloured = colours();

	for (int level = FS_LEVEL_OK; level < FS_LEVELS; level++) {
		for (size_t i = 0; i < f->nfindings; i++) {
			if ((int)f->finding[i].level == level)
				print_finding(&f->finding[i], coloured);
		}
	}
	printf("%u problem%s, %u advice, %u ok\n", f->count[FS_LEVEL_PROBLEM], f->count[FS_LEVEL_PROBLEM] == 1 ? "" : "s",
	       f->count[FS_LEVEL_ADVICE], f->count[FS_LEVEL_OK]);
}

static void write_text(struct fs_json *json, const char *name, const char *value)
{
	if (value)
		fs_json_string(json, name, value);
	else
		fs_json_null(json, name);
}

void fs_doctor_print_json(const struct fs_findings *f, const char *target)
{
	struct fs_json json = {0};

	fs_json_open(&json, NULL, '{');
	fs_json_string(&json, "version", FS_VERSION_TEXT);
	write_text(&json, "target", target);
	fs_json_string(&json, "worst", levels[fs_findings_worst(f)].word);
	for (int level = FS_LEVEL_OK; level < FS_LEVELS; level++)
		fs_json_number(&json, levels[level].word, f->count[level]);
	fs_json_open(&json, "checks", '[');
	for (size_t i = 0; i < f->nfindings; i++) {
		const struct fs_finding *finding = &f->finding[i];

		fs_json_open(&json, NULL, '{');
		fs_json_string(&json, "section", finding->section);
		fs_json_string(&json, "id", finding->id);
		write_text(&json, "subject", finding->subject);
		fs_json_string(&json, "level", levels[finding->level].word);
		fs_json_string(&json, "what", finding->what);
		write_text(&json, "why", finding->why);
		write_text(&json, "mend", finding->mend);
		fs_json_close(&json, '}');
	}
	fs_json_close(&json, ']');
	fs_json_close(&json, '}');
}
