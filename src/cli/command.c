/* See command.h. */
#include "command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool fs_command_find(const char *command, char *path, size_t len)
{
	const char *dirs = getenv("PATH");

	if (strchr(command, '/'))
		return (size_t)snprintf(path, len, "%s", command) < len;
	for (const char *dir = dirs ? dirs : "/bin:/usr/bin";; dir++) {
		size_t dirlen = strcspn(dir, ":");
		/* An empty entry is the current directory. */
		int n = snprintf(path, len, "%.*s%s%s", (int)dirlen, dir, dirlen ? "/" : "./", command);

		if (n > 0 && (size_t)n < len && access(path, X_OK) == 0)
			return true;
		dir += dirlen;
		if (!*dir)
			return false;
	}
}
