/* See numbers.h. */
#define _GNU_SOURCE
#include "numbers.h"

#include <dirent.h>

#define NUMBERS 65536

static bool known[NUMBERS];

/* Every open descriptor that the program does not know. */
static unsigned unknown(int *fds, unsigned max)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *e;
	unsigned n = 0;

	H_CHECK(dir != NULL);
	while ((e = readdir(dir))) {
		int fd = atoi(e->d_name);

		if (e->d_name[0] != '.' && fd != dirfd(dir) && fd < NUMBERS && !known[fd] && n < max)
			fds[n++] = fd;
	}
	closedir(dir);
	return n;
}

void h_know_all(void)
{
	int fds[1024];

	for (unsigned i = unknown(fds, 1024); i > 0; i--)
		known[fds[i - 1]] = true;
}

void h_know(int fd)
{
	known[fd] = true;
}

void h_take_numbers(const char *who)
{
	int fds[64], p[2];
	unsigned n, refused = 0;

	n = unknown(fds, 64);
	H_OK(pipe(p));
	for (unsigned i = 0; i < n; i++) {
		int got = dup2(p[0], fds[i]);

		if (got == fds[i])
			continue;
		refused++;
		h_report("%s: dup2 onto %d: %s", who, fds[i], strerrorname_np(errno));
	}
	for (unsigned i = 0; i < n; i++)
		if (refused == 0)
			H_OK(close(fds[i]));
	H_OK(close(p[0]));
	H_OK(close(p[1]));
	h_report("%s: %s", who, n == 0 ? "nothing hidden" : refused ? "refused" : "taken");
}
