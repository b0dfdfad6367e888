/* See put.h. The command has one thread, so that nobody needs the stream's lock. */
#define _GNU_SOURCE
#include "put.h"

#include <stdio.h>
#include <string.h>

char *fs_format_number(char text[FS_DIGITS_MAX], uint64_t value)
{
	char *at = text + FS_DIGITS_MAX - 1;

	*at = '\0';
	do {
		*--at = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	return at;
}

void fs_put_bytes(const char *text, size_t len)
{
	fwrite_unlocked(text, 1, len, stdout);
}

void fs_put_text(const char *text)
{
	fs_put_bytes(text, strlen(text));
}

void fs_put_number(uint64_t value)
{
	char text[FS_DIGITS_MAX];
	const char *at = fs_format_number(text, value);

	fs_put_bytes(at, (size_t)(text + FS_DIGITS_MAX - 1 - at));
}

void fs_put_thousandths(uint64_t value)
{
	char text[FS_DIGITS_MAX];

	fs_put_number(value / 1000);
	/* The first digit only keeps the zeros behind it. */
	*fs_format_number(text, 1000 + value % 1000) = '.';
	fs_put_bytes(text + FS_DIGITS_MAX - 5, 4);
}

void fs_put_spaces(unsigned n)
{
	static const char spaces[] = "                                ";
	const unsigned most = sizeof(spaces) - 1;

	for (; n > most; n -= most)
		fs_put_bytes(spaces, most);
	fs_put_bytes(spaces, n);
}

void fs_put_column(const char *text, unsigned width)
{
	size_t len = strlen(text);

	if (width)
		fs_put_spaces(len < width ? width - (unsigned)len : 1);
	fs_put_bytes(text, len);
}

void fs_put_number_column(uint64_t value, unsigned width)
{
	char text[FS_DIGITS_MAX];

	fs_put_column(fs_format_number(text, value), width);
}
