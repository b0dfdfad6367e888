/*
 * Writing JSON (RFC 8259) to standard output. Commas and nesting are taken
 * care of; a name is given before each value of an object, NULL in an array. Names
 * are the command's own words, in which nothing has to be escaped.
 */
#ifndef FS_CLI_JSON_H
#define FS_CLI_JSON_H

#include <stdbool.h>
#include <stdint.h>

struct fs_json {
	unsigned depth;
	bool compact; /* on one line, as JSON lines want it */
	bool empty;   /* nothing was written yet inside the innermost object or array */
};

void fs_json_open(struct fs_json *json, const char *name, char bracket);
/* Closes with '}' or ']' what was opened with '{' or '['. */
void fs_json_close(struct fs_json *json, char bracket);
/* Any bytes: what is no UTF-8 comes out as U+FFFD. */
void fs_json_string(struct fs_json *json, const char *name, const char *value);
void fs_json_number(struct fs_json *json, const char *name, uint64_t value);
/* The number, or null if it is negative. */
void fs_json_number_or_null(struct fs_json *json, const char *name, int64_t value);
/* With three digits behind the point, or null if it is negative. */
void fs_json_decimal_or_null(struct fs_json *json, const char *name, double value);
void fs_json_null(struct fs_json *json, const char *name);
void fs_json_bool(struct fs_json *json, const char *name, bool value);

#endif
