/* See json.h. */
#include "json.h"

#include <stdio.h>

#include "put.h"
#include "utf8.h"

static void write_string(const char *value)
{
	const unsigned char *s = (const unsigned char *)value;

	putchar('"');
	while (*s) {
		size_t len = fs_utf8_length(s);

		if (!len) {
			fputs("\\ufffd", stdout);
			len = 1;
		} else if (*s == '"' || *s == '\\') {
			printf("\\%c", *s);
		} else if (*s < ' ' || *s == 0x7f) {
			printf("\\u%04x", *s);
		} else {
			fwrite(s, 1, len, stdout);
		}
		s += len;
	}
	putchar('"');
}

static void new_line(const struct fs_json *json)
{
	if (json->compact)
		return;
	fs_put_bytes("\n", 1);
	fs_put_spaces(json->depth * 2);
}

static void begin(struct fs_json *json, const char *name)
{
	if (json->depth) {
		if (!json->empty)
			fs_put_bytes(",", 1);
		new_line(json);
	}
	json->empty = false;
	if (name) {
		fs_put_bytes("\"", 1);
		fs_put_text(name);
		fs_put_bytes("\": ", json->compact ? 2 : 3);
	}
}

void fs_json_open(struct fs_json *json, const char *name, char bracket)
{
	begin(json, name);
	putchar(bracket);
	json->depth++;
	json->empty = true;
}

void fs_json_close(struct fs_json *json, char bracket)
{
	json->depth--;
	if (!json->empty)
		new_line(json);
	putchar(bracket);
	json->empty = false;
	if (!json->depth)
		putchar('\n');
}

void fs_json_string(struct fs_json *json, const char *name, const char *value)
{
	begin(json, name);
	write_string(value);
}

void fs_json_number(struct fs_json *json, const char *name, uint64_t value)
{
	begin(json, name);
	fs_put_number(value);
}

void fs_json_number_or_null(struct fs_json *json, const char *name, int64_t value)
{
	begin(json, name);
	if (value < 0)
		fs_put_text("null");
	else
		fs_put_number((uint64_t)value);
}

void fs_json_decimal_or_null(struct fs_json *json, const char *name, double value)
{
	begin(json, name);
	if (value < 0)
		fs_put_text("null");
	else
		fs_put_thousandths((uint64_t)(value * 1000 + 0.5));
}

void fs_json_bool(struct fs_json *json, const char *name, bool value)
{
	begin(json, name);
	fs_put_text(value ? "true" : "false");
}
