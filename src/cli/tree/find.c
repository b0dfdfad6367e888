/* See find.h. */
#include "find.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

/* Why a process that was not found in any tree was not. */
static int why_not(int pid)
{
	struct fs_trees own = {0};
	int err = fs_trees_add_process(&own, pid);

	/* It has come to have one in this moment, or a region is all that is left of it. */
	if (!err)
		err = own.ntrees ? -ENOENT : -ENODATA;
	fs_trees_free(&own);
	return err;
}

int fs_find_again(struct fs_trees *trees, int pid, struct fs_scans *scans)
{
	int err = scans ? fs_trees_scan_again(trees, scans) : fs_trees_scan(trees);

	if (err || !pid || fs_trees_keep(trees, pid))
		return err;
	return why_not(pid);
}

static int explain_one(const char *verb, int pid, int err)
{
	char name[64];

	fs_process_name(pid, name, sizeof(name));
	if (err == -ENODATA)
		fs_cli_error("%s: process %d (%s) has no listener that libfastsock handles: start it with fastsock run,"
			     " and if it was, see what FASTSOCK_LOG=info says", verb, pid, name);
	else if (err == -EACCES)
		fs_cli_error("%s: no permission to look into process %d (%s): run this as its user or as root", verb, pid,
			     name);
	else if (err == -ENOENT)
		fs_cli_error("%s: there is no process %d", verb, pid);
	else
		fs_cli_error("%s: cannot read /proc: %s; is it mounted?", verb, strerror(-err));
	return FS_EXIT_FAILED;
}

static int explain_none(const char *verb, const struct fs_trees *trees)
{
	if (trees->unreadable)
		fs_cli_error("%s: no process with libfastsock found, but there was no permission to look into %u"
			     " process%s: %s", verb, trees->unreadable, trees->unreadable == 1 ? "" : "es",
			     geteuid() ? "run this as root to see them all" :
					 "the kernel keeps them from root, too, here; run this outside the container or sandbox");
	else
		fs_cli_error("%s: no process with libfastsock found: start one with fastsock run", verb);
	return FS_EXIT_FAILED;
}

int fs_find(const char *verb, struct fs_trees *trees, int pid, struct fs_scans *scans)
{
	int err = fs_find_again(trees, pid, scans);

	if (pid && err)
		return explain_one(verb, pid, err);
	if (err) {
		fs_cli_error("%s: cannot read /proc: %s; is it mounted?", verb, strerror(-err));
		return FS_EXIT_FAILED;
	}
	if (trees->left_out)
		fs_cli_error("%s: %u regions were left out: their processes or users have more than any server makes", verb,
			     trees->left_out);
	return trees->ntrees ? FS_EXIT_OK : explain_none(verb, trees);
}

int fs_find_parse(const char *verb, const char *text)
{
	char *end;
	long pid;

	errno = 0;
	pid = strtol(text, &end, 10);
	if (!errno && end != text && !*end && pid > 0 && pid <= 0x7fffffff)
		return (int)pid;
	fs_cli_error("%s: \"%s\" is no PID; see fastsock %s --help", verb, text, verb);
	return -1;
}
