#define _GNU_SOURCE
#include "sched.h"

#include <string.h>

#include "sys/sys.h"

static char *put_number(char *at, uint32_t n)
{
	char digits[10];
	int len = 0;

	do
		digits[len++] = (char)('0' + n % 10);
	while ((n /= 10));
	while (len)
		*at++ = digits[--len];
	return at;
}

static char *put_text(char *at, const char *text)
{
	size_t len = strlen(text);

	memcpy(at, text, len);
	return at + len;
}

static long read_about(uint32_t pid, uint32_t tid, const char *file, char *text, size_t size)
{
	char path[64], *at;

	at = put_number(put_text(path, "/proc/"), pid);
	at = put_number(put_text(at, "/task/"), tid);
	*put_text(at, file) = '\0';
	return fs_sys_read_file(path, text, size);
}

bool fs_sched_times(uint32_t pid, uint32_t tid, uint64_t *ran, uint64_t *waited)
{
	char text[128], *at = text;

	if (read_about(pid, tid, "/schedstat", text, sizeof(text)) <= 0)
		return false;
	for (*ran = 0; *at >= '0' && *at <= '9'; at++)
		*ran = *ran * 10 + (uint64_t)(*at - '0');
	if (*at++ != ' ')
		return false;
	for (*waited = 0; *at >= '0' && *at <= '9'; at++)
		*waited = *waited * 10 + (uint64_t)(*at - '0');
	return true;
}

enum fs_sched fs_sched_of(uint32_t pid, uint32_t tid)
{
	char stat[512], *state;
	long len = read_about(pid, tid, "/stat", stat, sizeof(stat));

	if (len <= 0)
		return FS_SCHED_UNKNOWN;
	/* The name may hold anything, a parenthesis too: the state follows the last one. */
	state = memrchr(stat, ')', (size_t)len);
	if (!state || state + 2 >= stat + len)
		return FS_SCHED_UNKNOWN;
	switch (state[2]) {
	case 'R':
		return FS_SCHED_RUNNABLE;
	case 'S':
	case 'D':
		return FS_SCHED_BLOCKED;
	case 'T':
	case 't':
		return FS_SCHED_STOPPED;
	default: /* dead, or about to be */
		return FS_SCHED_UNKNOWN;
	}
}
