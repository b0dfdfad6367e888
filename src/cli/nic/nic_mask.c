/* CPU masks in the kernel's format: hexadecimal words of 32 bits, the highest first, commas between them. */
#include <stdlib.h>
#include <string.h>

#include "nic.h"

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* From its end, where CPU 0 is; the words but the highest have all their digits. */
bool fs_nic_parse_mask(const char *text, struct fs_cpus *out)
{
	struct fs_cpus set;
	size_t len = strcspn(text, "\n");
	unsigned cpu = 0;

	memset(&set, 0, sizeof(set));
	if (!len)
		return false;
	for (size_t at = len; at-- > 0;) {
		int digit = hex_digit(text[at]);

		if (text[at] == ',' && cpu && cpu % 32 == 0 && at > 0 && text[at + 1] != ',')
			continue;
		if (digit < 0 || (digit && cpu >= FS_CPUS_MAX) || (cpu && cpu % 32 == 0 && text[at + 1] != ','))
			return false;
		for (unsigned bit = 0; bit < 4; bit++)
			if (digit >> bit & 1)
				fs_cpus_add(&set, cpu + bit);
		cpu += 4;
	}
	*out = set;
	return true;
}

const char *fs_nic_format_mask(struct fs_pool *pool, const struct fs_cpus *cpus)
{
	static const char digits[] = "0123456789abcdef";
	char text[FS_CPUS_MAX / 4 + FS_CPUS_MAX / 32 + 1];
	size_t len = 0;

	for (unsigned cpu = FS_CPUS_MAX; cpu > 0; cpu -= 4) {
		unsigned nibble = cpus->bits[(cpu - 4) / 64] >> ((cpu - 4) % 64) & 0xf;

		if (!len && !nibble && cpu > 4)
			continue;
		text[len++] = digits[nibble];
		if (cpu > 4 && (cpu - 4) % 32 == 0)
			text[len++] = ',';
	}
	text[len] = '\0';
	return fs_pool_printf(pool, "%s", text);
}
