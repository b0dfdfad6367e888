#include "rss_text.h"

#include <errno.h>
#include <string.h>

#include "toeplitz.h"

/* The kernel's IFNAMSIZ, less the NUL. */
#define NAME_MAX_LEN 15

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool parse_key(const char **at, struct fs_rss *out)
{
	out->key_len = 0;
	for (;;) {
		int high = hex_digit((*at)[0]), low = high < 0 ? -1 : hex_digit((*at)[1]);

		if (low < 0 || out->key_len == FS_RSS_KEY_MAX)
			return false;
		out->key[out->key_len++] = (uint8_t)(high << 4 | low);
		*at += 2;
		/* A colon belongs to the key if another byte follows, and not ":table=". */
		if (**at == ':' && hex_digit((*at)[1]) >= 0 && hex_digit((*at)[2]) >= 0)
			++*at;
		else if (hex_digit(**at) < 0)
			break;
	}
	return out->key_len >= FS_TOEPLITZ_KEY(FS_TOEPLITZ_INPUT4);
}

static bool parse_table(const char **at, struct fs_rss *out)
{
	out->table_len = 0;
	for (;;) {
		unsigned queue = 0;
		const char *start = *at;

		for (; **at >= '0' && **at <= '9' && queue < FS_RSS_QUEUES_MAX; ++*at)
			queue = queue * 10 + (unsigned)(**at - '0');
		if (*at == start || queue >= FS_RSS_QUEUES_MAX || out->table_len == FS_RSS_TABLE_MAX)
			return false;
		out->table[out->table_len++] = (uint16_t)queue;
		if (**at != ',')
			return true;
		++*at;
	}
}

static bool word(const char **at, const char *expected)
{
	size_t len = strlen(expected);

	if (strncmp(*at, expected, len) != 0)
		return false;
	*at += len;
	return true;
}

int fs_rss_text(const char *text, const char *interface, struct fs_rss *out)
{
	static struct fs_rss one; /* not on the stack, which may be a small one */
	int found = 0;

	for (;;) {
		size_t name = strcspn(text, ":;");
		bool wanted = interface && strlen(interface) == name && memcmp(text, interface, name) == 0;

		if (name < 1 || name > NAME_MAX_LEN || text[name] != ':')
			return -EINVAL;
		text += name + 1;
		memset(&one, 0, sizeof(one));
		if (!word(&text, "key=") || !parse_key(&text, &one) || !word(&text, ":table=") || !parse_table(&text, &one))
			return -EINVAL;
		if (wanted && !found) {
			*out = one;
			found = 1;
		}
		if (!*text)
			return found;
		if (*text++ != ';')
			return -EINVAL;
	}
}
