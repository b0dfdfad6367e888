#include "path.h"

#include <string.h>

char *fs_path(char *to, size_t size, const char *prefix, unsigned number, const char *suffix)
{
	char digits[12];
	size_t at = sizeof(digits), before = strlen(prefix), after = strlen(suffix), len;

	do
		digits[--at] = (char)('0' + number % 10);
	while (number /= 10);
	len = sizeof(digits) - at;
	if (before + len + after >= size) {
		*to = '\0';
		return to;
	}
	memcpy(to, prefix, before);
	memcpy(to + before, digits + at, len);
	memcpy(to + before + len, suffix, after + 1);
	return to;
}
