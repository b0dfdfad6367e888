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
#include <time.h>
#include <unistd.h>

#include "core/region.h"
#include "cli/cli.h"
#include "proc.h"

/* The kernel's PF_EXITING: the process lets go of what it has. */
#define EXITING 0x4u
/*
 * Each region that is read takes some megabytes here, and costs whoever makes it next to nothing: a process has one,
 * for a moment two, and a user as many as he has servers.
 */
#define OF_PROCESS_MAX 4
#define OF_USER_MAX 64
#define OF_ROOT_MAX 1024
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

static bool ends_with(const struct fs_tree *tree, int pid)
{
	return tree->nprocesses && tree->process[tree->nprocesses - 1].pid == pid;
}

/* Whether another one may be added. */
static bool has_room(const struct fs_trees *trees, uid_t owner, int pid)
{
	size_t of_process = 0, of_user = 0;

	for (size_t i = 0; i < trees->ntrees; i++) {
		of_process += ends_with(&trees->tree[i], pid);
		of_user += trees->tree[i].owner == owner;
	}
	return of_process < OF_PROCESS_MAX && of_user < (owner ? OF_USER_MAX : OF_ROOT_MAX);
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

static void add(struct fs_trees *trees, dev_t dev, ino_t ino, const struct fs_tree_process *process)
{
	struct fs_tree *tree = tree_of(trees, dev, ino);

	tree->process = fs_cli_grow(tree->process, tree->nprocesses + 1, sizeof(*tree->process));
	tree->process[tree->nprocesses++] = *process;
}

static void add_found(struct fs_trees *trees, const struct stat *st, int pid, int fd)
{
	if (!fs_trees_find(trees, st->st_dev, st->st_ino) && !has_room(trees, st->st_uid, pid)) {
		trees->left_out++;
		return;
	}
	/* One descriptor is enough of those that a process has. */
	if (ends_with(tree_of(trees, st->st_dev, st->st_ino), pid))
		return;
	add(trees, st->st_dev, st->st_ino, &(struct fs_tree_process){pid, own_pid(pid), fd});
	tree_of(trees, st->st_dev, st->st_ino)->owner = st->st_uid;
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
			add_found(trees, &st, pid, fd);
	}
	closedir(dir);
	return status;
}

static int by_number(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	return (x > y) - (x < y);
}

/* The pids of all processes, lowest first; -errno when /proc cannot be read. */
static int list_processes(int **pids, size_t *npids)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;

	if (!dir)
		return -errno;
	*pids = NULL;
	*npids = 0;
	while ((entry = readdir(dir))) {
		int pid = number(entry->d_name);

		if (pid <= 0)
			continue;
		*pids = fs_cli_grow(*pids, *npids + 1, sizeof(**pids));
		(*pids)[(*npids)++] = pid;
	}
	closedir(dir);
	if (*npids)
		qsort(*pids, *npids, sizeof(**pids), by_number);
	return 0;
}

int fs_trees_scan(struct fs_trees *trees)
{
	size_t npids;
	int *pids;
	int err = list_processes(&pids, &npids);

	for (size_t i = 0; !err && i < npids; i++) {
		if (fs_trees_add_process(trees, pids[i]) == -EACCES)
			trees->unreadable++;
	}
	if (!err)
		free(pids);
	return err;
}

struct fs_scanned {
	struct fs_tree_process process; /* fd -1: it holds no region, or several */
	dev_t dev;
	ino_t ino;
	bool unreadable;
	uint64_t again_us; /* by CLOCK_MONOTONIC: not to be searched before that */
};

static uint64_t clock_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static int by_pid(const void *a, const void *b)
{
	const struct fs_scanned *x = a, *y = b;

	return by_number(&x->process.pid, &y->process.pid);
}

static bool still_holds(const struct fs_scanned *known)
{
	char path[64];
	struct stat st;

	snprintf(path, sizeof(path), "/proc/%d/fd/%d", known->process.pid, known->process.fd);
	return stat(path, &st) == 0 && st.st_dev == known->dev && st.st_ino == known->ino;
}

/* What the process holds, by going through its descriptors. */
static struct fs_scanned search(struct fs_trees *trees, int pid)
{
	struct fs_scanned found = {.process = {.pid = pid, .fd = -1}};
	uint64_t from = clock_us(), now;
	unsigned regions = 0;

	found.unreadable = fs_trees_add_process(trees, pid) == -EACCES;
	for (size_t i = 0; i < trees->ntrees; i++) {
		const struct fs_tree *tree = &trees->tree[i];

		if (!ends_with(tree, pid))
			continue;
		found.process = tree->process[tree->nprocesses - 1];
		found.dev = tree->dev;
		found.ino = tree->ino;
		regions++;
	}
	if (regions > 1)
		found.process.fd = -1;
	now = clock_us();
	/* With several regions, each of them has to be found anew. */
	found.again_us = regions > 1 ? now : now + 100 * (now - from);
	return found;
}

static struct fs_scanned look_again(struct fs_trees *trees, const struct fs_scanned *known, int pid)
{
	if (known && known->process.fd >= 0 && still_holds(known)) {
		add(trees, known->dev, known->ino, &known->process);
		return *known;
	}
	if (known && known->process.fd < 0 && clock_us() < known->again_us)
		return *known;
	return search(trees, pid);
}

int fs_trees_scan_again(struct fs_trees *trees, struct fs_scans *scans)
{
	struct fs_scans fresh = {0};
	size_t npids;
	int *pids;
	int err = list_processes(&pids, &npids);

	if (err)
		return err;
	fresh.process = fs_cli_grow(NULL, npids + 1, sizeof(*fresh.process));
	for (size_t i = 0; i < npids; i++) {
		const struct fs_scanned key = {.process.pid = pids[i]}, *known = NULL;

		if (scans->n)
			known = bsearch(&key, scans->process, scans->n, sizeof(key), by_pid);
		fresh.process[fresh.n] = look_again(trees, known, pids[i]);
		trees->unreadable += fresh.process[fresh.n++].unreadable;
	}
	free(pids);
	fs_scans_free(scans);
	*scans = fresh;
	return 0;
}

void fs_scans_free(struct fs_scans *scans)
{
	free(scans->process);
	*scans = (struct fs_scans){0};
}

static bool has_process(const struct fs_tree *tree, int pid)
{
	for (size_t i = 0; i < tree->nprocesses; i++) {
		if (tree->process[i].pid == pid)
			return true;
	}
	return false;
}

size_t fs_trees_keep(struct fs_trees *trees, int pid)
{
	size_t kept = 0;

	for (size_t i = 0; i < trees->ntrees; i++) {
		if (has_process(&trees->tree[i], pid))
			trees->tree[kept++] = trees->tree[i];
		else
			free(trees->tree[i].process);
	}
	return trees->ntrees = kept;
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

bool fs_process_ends(int pid)
{
	char path[64], text[512], state = 'X';
	unsigned flags = 0;
	size_t got = 0;
	const char *at;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	file = fopen(path, "re");
	if (!file)
		return true;
	got = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[got] = '\0';
	/* "1 (name) S ppid pgrp session tty tpgid flags": the name may hold anything. */
	at = strrchr(text, ')');
	if (!at || sscanf(at, ") %c %*d %*d %*d %*d %*d %u", &state, &flags) != 2)
		return true;
	return strchr("ZXx", state) || flags & EXITING;
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
