/* See counters.h. */
#include "counters.h"

#define ROW(field, metric, label, divisor, help) {#field, metric, label, divisor, help},
#define FALLBACK_HELP "Opened connections whose source port was left to the kernel."
#define FALLBACK_ROW(name, word) \
	{word, "connect_fallbacks", "reason=\"" word "\"", 1, FS_FALLBACK_##name == 1 ? FALLBACK_HELP : NULL},

const struct fs_counter fs_core_counter[FS_CORE_NCOUNTERS] = {FS_CORE_COUNTERS(ROW)};
const struct fs_counter fs_load_counter[FS_LOAD_NCOUNTERS] = {FS_LOAD_COUNTERS(ROW)};
const struct fs_counter fs_connect_counter[FS_CONNECT_NCOUNTERS] = {FS_CONNECT_COUNTERS(ROW) FS_FALLBACK_TABLE(FALLBACK_ROW)};

const char *fs_help_name(unsigned help)
{
	static const char *const names[] = {"none", "busy", "stuck", "parked", "deserted"};

	return help < FS_COUNT(names) ? names[help] : "unknown";
}
