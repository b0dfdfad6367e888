/* See json.h. */
#include "json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* Comma, new line, and the name in one go: most of what is written is this. */
static void begin(struct fs_json *json, const char *name)
{
	size_t indent = json->compact ? 0 : json->depth * 2, len = name ? strlen(name) : 0, at = 0;
	char text[256];

	/* Neither our names nor our nesting come near it. */
	if (indent + len + 8 > sizeof(text))
		abort();
	if (json->depth && !json->empty)
		text[at++] = ',';
	if (json->depth && !json->compact) {
		text[at++] = '\n';
		memset(text + at, ' ', indent);
		at += indent;
	}
	if (name) {
		text[at++] = '"';
		memcpy(text + at, name, len);
		at += len;
		text[at++] = '"';
		text[at++] = ':';
		if (!json->compact)
			text[at++] = ' ';
	}
	json->empty = false;
	fs_put_bytes(text, at);
}

void fs_json_open(struct fs_json *json, const char *name, char bracket)
{
	begin(json, name);
	fs_put_bytes(&bracket, 1);
	json->depth++;
	json->empty = true;
}

static void new_line(const struct fs_json *json)
{
	if (json->compact)
		return;
	fs_put_bytes("\n", 1);
	fs_put_spaces(json->depth * 2);
}

void fs_json_close(struct fs_json *json, char bracket)
{
	json->depth--;
	if (!json->empty)
		new_line(json);
	fs_put_bytes(&bracket, 1);
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

void fs_json_null(struct fs_json *json, const char *name)
{
	begin(json, name);
	fputs("null", stdout);
}
