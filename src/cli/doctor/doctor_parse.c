/* See doctor_parse.h. What comes from a process (names, environments) may hold anything. */
#define _GNU_SOURCE
#include "doctor_parse.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Beyond every file of /proc that is read here, but for a process that wants to fill the memory. */
#define FILE_MAX (16u << 20)

static char *read_all(size_t *len, const char *path)
{
	size_t room = 4096, got = 0, n;
	char *text = malloc(room + 1);
	FILE *file = text ? fopen(path, "re") : NULL;

	while (file && (n = fread(text + got, 1, room - got, file)) > 0) {
		char *more;

		got += n;
		if (got < room)
			continue;
		more = room < FILE_MAX ? realloc(text, room * 2 + 1) : NULL;
		if (!more)
			break;
		text = more;
		room *= 2;
	}
	if (!file || ferror(file)) {
		free(text);
		text = NULL;
	} else {
		text[got] = '\0';
	}
	if (file)
		fclose(file);
	if (len)
		*len = text ? got : 0;
	return text;
}

char *fs_text_read(size_t *len, const char *path, ...)
{
	char name[512];
	va_list args;

	va_start(args, path);
	vsnprintf(name, sizeof(name), path, args);
	va_end(args);
	return read_all(len, name);
}

int64_t fs_text_number(int64_t otherwise, const char *path, ...)
{
	char name[512], *text, *end;
	int64_t value = otherwise;
	va_list args;

	va_start(args, path);
	vsnprintf(name, sizeof(name), path, args);
	va_end(args);
	text = read_all(NULL, name);
	if (text) {
		errno = 0;
		value = strtoll(text, &end, 10);
		if (end == text || errno || (*end && *end != '\n'))
			value = otherwise;
	}
	free(text);
	return value;
}

int fs_text_mask(const char *text, struct fs_cpus *out)
{
	struct fs_cpus set = {0};
	unsigned bit = 0;
	size_t len = strcspn(text, "\n");

	if (!len)
		return -EINVAL;
	while (len--) {
		char c = text[len], digit[2] = {c, '\0'};
		unsigned value;

		if (c == ',')
			continue;
		if (!isxdigit((unsigned char)c))
			return -EINVAL;
		value = (unsigned)strtoul(digit, NULL, 16);
		for (unsigned i = 0; i < 4; i++, bit++) {
			if (value >> i & 1)
				fs_cpus_add(&set, bit);
		}
	}
	*out = set;
	return 0;
}

bool fs_text_version(const char *text, unsigned *major, unsigned *minor)
{
	return sscanf(text, "%4u.%4u", major, minor) == 2;
}

static bool limit(const char **text, uint64_t *value)
{
	char *end;

	*text += strspn(*text, " ");
	if (!strncmp(*text, "unlimited", 9)) {
		*text += 9;
		*value = UINT64_MAX;
		return true;
	}
	errno = 0;
	*value = strtoull(*text, &end, 10);
	if (end == *text || errno)
		return false;
	*text = end;
	return true;
}

/* Where the line that starts with `key` goes on behind it. */
static const char *line_of(const char *text, const char *key)
{
	while (text && strncmp(text, key, strlen(key))) {
		text = strchr(text, '\n');
		text = text ? text + 1 : NULL;
	}
	return text ? text + strlen(key) : NULL;
}

bool fs_text_nofile(const char *limits, uint64_t *soft, uint64_t *hard)
{
	const char *at = line_of(limits, "Max open files");

	return at && limit(&at, soft) && limit(&at, hard);
}

const char *fs_text_environ(const char *environment, size_t len, const char *name)
{
	size_t name_len = strlen(name);

	for (size_t at = 0; at < len; at += strlen(environment + at) + 1) {
		if (!strncmp(environment + at, name, name_len) && environment[at + name_len] == '=')
			return environment + at + name_len + 1;
	}
	return NULL;
}

bool fs_text_line(const char *text, const char *key, char *value, size_t len)
{
	const char *at = line_of(text, key);

	if (!at)
		return false;
	at += strspn(at, " \t");
	snprintf(value, len, "%.*s", (int)strcspn(at, "\n"), at);
	return true;
}

int64_t fs_text_counter(const char *text, const char *table, const char *name)
{
	const char *names = line_of(text, table), *values = names ? line_of(names, table) : NULL;
	size_t len = strlen(name);

	while (values && *names && *names != '\n' && *values && *values != '\n') {
		names += strspn(names, " ");
		values += strspn(values, " ");
		if (!strncmp(names, name, len) && (names[len] == ' ' || names[len] == '\n'))
			return strtoll(values, NULL, 10);
		names += strcspn(names, " \n");
		values += strcspn(values, " \n");
	}
	return -1;
}

static const char *file_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

bool fs_text_mapping(const char *maps, const char *name, char *path, size_t len, bool *deleted)
{
	static const char gone[] = " (deleted)";

	while (*maps) {
		size_t line = strcspn(maps, "\n");
		const char *slash = memchr(maps, '/', line);

		if (slash) {
			snprintf(path, len, "%.*s", (int)(line - (size_t)(slash - maps)), slash);
			if (!strncmp(file_name(path), name, strlen(name))) {
				char *end = path + strlen(path);

				*deleted = (size_t)(end - path) >= strlen(gone) && !strcmp(end - strlen(gone), gone);
				if (*deleted)
					end[-(long)strlen(gone)] = '\0';
				return true;
			}
		}
		maps += line + (maps[line] == '\n');
	}
	return false;
}

bool fs_text_preloads(const char *list, const char *separators, const char *name, char *entry, size_t len)
{
	while (*list) {
		size_t n = strcspn(list, separators);

		snprintf(entry, len, "%.*s", (int)n, list);
		if (n && !strncmp(file_name(entry), name, strlen(name)))
			return true;
		list += n;
		list += strspn(list, separators);
	}
	return false;
}

bool fs_text_listener(const char *line, struct fs_text_listener *out)
{
	char local[33], text[INET6_ADDRSTRLEN];
	unsigned port, state, queue;
	unsigned long long inode;
	uint32_t word[4] = {0};
	size_t len;

	if (sscanf(line, " %*u: %32[0-9A-Fa-f]:%4x %*[0-9A-Fa-f]:%*x %2x %*x:%8x %*x:%*x %*x %*u %*u %llu", local, &port,
		   &state, &queue, &inode) != 5 || state != 0x0a || port > UINT16_MAX)
		return false;
	len = strlen(local);
	if (len != 8 && len != 32)
		return false;
	/* Words of the host's byte order, of numbers in the network's. */
	for (size_t i = 0; i < len / 8; i++) {
		if (sscanf(local + 8 * i, "%8" SCNx32, &word[i]) != 1)
			return false;
	}
	*out = (struct fs_text_listener){.v6 = len == 32, .port = (uint16_t)port, .queue = queue, .inode = inode};
	memcpy(out->raw, word, len / 2);
	inet_ntop(out->v6 ? AF_INET6 : AF_INET, out->raw, text, sizeof(text));
	snprintf(out->address, sizeof(out->address), out->v6 ? "[%s]:%u" : "%s:%u", text, port);
	return true;
}
