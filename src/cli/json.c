/* See json.h. */
#include "json.h"

#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

/*
 * Bytes of the well-formed UTF-8 sequence at s (RFC 3629, section 4), or 0 if there
 * is none. s is NUL-terminated.
 */
static size_t utf8_length(const unsigned char *s)
{
	unsigned char low = 0x80, high = 0xbf;
	size_t len;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		len = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		len = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		len = 4;
	else
		return 0;
	/* Not overlong, no surrogates, nothing above U+10FFFF: the second byte tells. */
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	if (s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < len; i++) {
		if (s[i] < 0x80 || s[i] > 0xbf)
			return 0;
	}
	return len;
}

static void write_string(const char *value)
{
	const unsigned char *s = (const unsigned char *)value;

	putchar('"');
	while (*s) {
		size_t len = utf8_length(s);

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

static void begin(struct fs_json *json, const char *name)
{
	if (json->depth) {
		if (!json->empty)
			putchar(',');
		printf("\n%*s", (int)json->depth * 2, "");
	}
	json->empty = false;
	if (name) {
		write_string(name);
		fputs(": ", stdout);
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
		printf("\n%*s", (int)json->depth * 2, "");
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
	printf("%" PRIu64, value);
}

void fs_json_number_or_null(struct fs_json *json, const char *name, int64_t value)
{
	begin(json, name);
	if (value < 0)
		fputs("null", stdout);
	else
		printf("%" PRId64, value);
}

void fs_json_bool(struct fs_json *json, const char *name, bool value)
{
	begin(json, name);
	fputs(value ? "true" : "false", stdout);
}
