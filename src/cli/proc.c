/*
 * The trees are found from outside: each process of one has a descriptor whose
 * link in /proc reads "/memfd:fastsock (deleted)", and the inode says which
 * belong together. Anybody can make a memfd of that name, so nothing is
 * believed of what is inside; that is checked where it is read.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/region.h"
#include "cli.h"
#include "proc.h"

#define LINK_TEXT "/memfd:" FS_REGION_NAME " (deleted)"

/* The decimal number that the whole name is, or -1: /proc has other entries, too. */
static int number(const char *name)
{
	char *end;
	long value;

	if (!isdigit((unsigned char)name[0]))
		return -1;
	errno = 0;
	value = strtol(name, &end, 10);
	return *end || errno || value > 0x7fffffff ? -1 : (int)value;
}

/* The last number of the line "NSpid:", the one of the innermost namespace (Linux 4.1). */
static int own_pid(int pid)
{
	char path[64], line[256];
	int own = pid;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	file = fopen(path, "re");
	if (!file)
		return pid;
	while (fgets(line, sizeof(line), file)) {
		if (strncmp(line, "NSpid:", 6))
			continue;
		line[strcspn(line, "\n")] = '\0';
		own = number(strrchr(line, '\t') ? strrchr(line, '\t') + 1 : "");
		break;
	}
	fclose(file);
	return own > 0 ? own : pid;
}

static struct fs_tree *tree_of(struct fs_trees *trees, dev_t dev, ino_t ino)
{
	struct fs_tree *tree = (struct fs_tree *)fs_trees_find(trees, dev, ino);

	if (tree)
		return tree;
	trees->tree = fs_cli_grow(trees->tree, trees->ntrees + 1, sizeof(*trees->tree));
	tree = &trees->tree[trees->ntrees++];
	*tree = (struct fs_tree){.dev = dev, .ino = ino};
	return tree;
}

static void add(struct fs_trees *trees, const struct stat *st, int pid, int fd)
{
	struct fs_tree *tree = tree_of(trees, st->st_dev, st->st_ino);

	/* One descriptor is enough of those that a process has. */
	if (tree->nprocesses && tree->process[tree->nprocesses - 1].pid == pid)
		return;
	tree->process = fs_cli_grow(tree->process, tree->nprocesses + 1, sizeof(*tree->process));
	tree->process[tree->nprocesses++] = (struct fs_tree_process){pid, own_pid(pid), fd};
}

int fs_trees_add_process(struct fs_trees *trees, int pid)
{
	char path[64], link[sizeof(LINK_TEXT)];
	struct dirent *entry;
	int status = 0;
	struct stat st;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir)
		return errno == EACCES || errno == EPERM ? -EACCES : -ENOENT;
	while ((entry = readdir(dir))) {
		int fd = number(entry->d_name);
		ssize_t len;

		if (fd < 0)
			continue;
		len = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link));
		if (len < 0 && (errno == EACCES || errno == EPERM))
			status = -EACCES;
		if (len != sizeof(LINK_TEXT) - 1 || memcmp(link, LINK_TEXT, sizeof(LINK_TEXT) - 1))
			continue;
		/* A file on disk can be named like that as well, but is linked. */
		if (fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 && S_ISREG(st.st_mode) && !st.st_nlink)
			add(trees, &st, pid, fd);
	}
	closedir(dir);
	return status;
}

static int by_number(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

int fs_trees_scan(struct fs_trees *trees)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	int *pids = NULL;
	size_t npids = 0;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir))) {
		int pid = number(entry->d_name);

		if (pid <= 0)
			continue;
		pids = fs_cli_grow(pids, npids + 1, sizeof(*pids));
		pids[npids++] = pid;
	}
	closedir(dir);
	if (npids)
		qsort(pids, npids, sizeof(*pids), by_number);
	for (size_t i = 0; i < npids; i++) {
		if (fs_trees_add_process(trees, pids[i]) == -EACCES)
			trees->unreadable++;
	}
	free(pids);
	return 0;
}

const struct fs_tree *fs_trees_find(const struct fs_trees *trees, dev_t dev, ino_t ino)
{
	for (size_t i = 0; i < trees->ntrees; i++) {
		if (trees->tree[i].dev == dev && trees->tree[i].ino == ino)
			return &trees->tree[i];
	}
	return NULL;
}

void fs_trees_free(struct fs_trees *trees)
{
	for (size_t i = 0; i < trees->ntrees; i++)
		free(trees->tree[i].process);
	free(trees->tree);
	*trees = (struct fs_trees){0};
}

static int open_checked(const struct fs_tree *tree, const struct fs_tree_process *process)
{
	char path[64];
	struct stat st;
	int handle, fd;

	/*
	 * O_PATH first: to open a device or a FIFO, which the process may have put there
	 * meanwhile, could block or do things.
	 */
	snprintf(path, sizeof(path), "/proc/%d/fd/%d", process->pid, process->fd);
	handle = open(path, O_PATH | O_CLOEXEC);
	if (handle < 0)
		return -errno;
	if (fstat(handle, &st) < 0 || st.st_dev != tree->dev || st.st_ino != tree->ino) {
		close(handle);
		return -ESTALE;
	}
	snprintf(path, sizeof(path), "/proc/self/fd/%d", handle);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		fd = -errno;
	close(handle);
	return fd;
}

int fs_tree_open(const struct fs_tree *tree)
{
	int fd = -ENOENT;

	/* Any process's descriptor will do, and one may be gone by now. */
	for (size_t i = 0; i < tree->nprocesses && fd < 0; i++)
		fd = open_checked(tree, &tree->process[i]);
	return fd;
}

const struct fs_tree_process *fs_tree_process(const struct fs_tree *tree, unsigned own)
{
	for (size_t i = 0; i < tree->nprocesses; i++) {
		if ((unsigned)tree->process[i].own_pid == own)
			return &tree->process[i];
	}
	return NULL;
}

bool fs_tree_same_network(const struct fs_tree *tree)
{
	struct stat ours, theirs;
	char path[64];

	if (stat("/proc/self/ns/net", &ours) < 0)
		return false;
	for (size_t i = 0; i < tree->nprocesses; i++) {
		snprintf(path, sizeof(path), "/proc/%d/ns/net", tree->process[i].pid);
		if (stat(path, &theirs) == 0)
			return theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino;
	}
	return false;
}

void fs_process_name(int pid, char *name, size_t len)
{
	char path[64];
	size_t got = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	file = fopen(path, "re");
	if (file) {
		got = fread(name, 1, len - 1, file);
		fclose(file);
	}
	name[got] = '\0';
	/* The kernel ends the name with a newline; others in it are the process's own. */
	if (got && name[got - 1] == '\n')
		name[got - 1] = '\0';
	if (!name[0])
		snprintf(name, len, "?");
}
