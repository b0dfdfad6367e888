#define _GNU_SOURCE
#include "epollinfo.h"

#include <string.h>

#include "estate.h"
#include "fdtab.h"
#include "path.h"
#include "sys/sys.h"

/* "tfd:        5 events:       19 data: ..." is a line for each entry (fs/eventpoll.c). The number, or -1. */
static int entry_of(const char *line)
{
	int fd = 0;

	if (strncmp(line, "tfd:", 4) != 0)
		return -1;
	for (line += 4; *line == ' '; line++)
		;
	for (; *line >= '0' && *line <= '9' && fd < FS_FD_MAX; line++)
		fd = fd * 10 + (*line - '0');
	return fd;
}

bool fs_epollinfo_any(int epfd, bool (*fn)(int fd, void *arg), void *arg)
{
	char path[40], text[1024], *line, *end;
	size_t have = 0;
	bool found = false;
	long got;
	int file;

	fs_path(path, sizeof(path), "/proc/self/fdinfo/", (unsigned)epfd, "");
	file = fs_sys_open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return false;
	while (!found && (got = fs_sys_read(file, text + have, sizeof(text) - 1 - have)) > 0) {
		have += (size_t)got;
		text[have] = '\0';
		for (line = text; !found && (end = strchr(line, '\n')); line = end + 1) {
			int fd = entry_of(line);

			found = fd >= 0 && fn(fd, arg);
		}
		/* What is left is the start of a line; one that fills it all is none of ours. */
		have = (size_t)(text + have - line);
		if (have == sizeof(text) - 1)
			have = 0;
		memmove(text, line, have);
	}
	fs_sys_close(file);
	return found;
}

static bool is(int fd, void *arg)
{
	return fd == *(int *)arg;
}

bool fs_epollinfo_stands(int fd)
{
	int highest = fs_fd_highest_foreign();

	for (int epfd = 0; epfd <= highest; epfd++)
		if (fs_estate_link_is(epfd, "anon_inode:[eventpoll]") && fs_epollinfo_any(epfd, is, &fd))
			return true;
	return false;
}
