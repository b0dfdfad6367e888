/* See steer.h: who writes the notes that core/portsteer.c reads. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bpf/loader.h"
#include "steer.h"

#define PARENT "/run/fastsock"

/* A file under construction has a dot in front of its name, so that it is known to be one by whoever cleans up. */
struct names {
	char final[16], temporary[16];
};

static struct names names_of(uint32_t prog_id)
{
	struct names names;

	snprintf(names.final, sizeof(names.final), "%u", prog_id);
	snprintf(names.temporary, sizeof(names.temporary), ".%u", prog_id);
	return names;
}

/* A descriptor of the directory, or -errno; -EPERM when others than root may write to it. */
static int open_directory(void)
{
	struct stat st;
	int dir = open(FS_PORTSTEER_DIR, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (dir < 0)
		return -errno;
	if (fstat(dir, &st) == 0 && st.st_uid == 0 && !(st.st_mode & (S_IWGRP | S_IWOTH)))
		return dir;
	close(dir);
	return -EPERM;
}

/* Somebody who may attach without being root gives root what he makes: the library believes root's notes alone. */
static int make_one(const char *path)
{
	if (mkdir(path, 0755) < 0)
		return errno == EEXIST ? 0 : -errno;
	return geteuid() != 0 && chown(path, 0, 0) < 0 ? -errno : 0;
}

static int make_directory(void)
{
	int err = make_one(PARENT);

	if (!err)
		err = make_one(FS_PORTSTEER_DIR);
	return err ? err : open_directory();
}

/* Those that are empty; also the one whose other half a killed command made or removed. */
static void remove_directories(void)
{
	rmdir(FS_PORTSTEER_DIR);
	rmdir(PARENT);
}

static int write_file(int dir, const char *name, const char *text, size_t len)
{
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0644), err = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = write(fd, text, len);
	if (n != (ssize_t)len)
		err = n < 0 ? -errno : -ENOSPC;
	if (!err && geteuid() != 0 && fchown(fd, 0, 0) < 0)
		err = -errno;
	if (close(fd) < 0 && !err)
		err = -errno;
	return err;
}

int fs_note_write(const struct fs_portsteer_note *note)
{
	struct names names = names_of(note->steer.prog_id);
	char line[FS_PORTSTEER_LINE_MAX];
	size_t len = fs_portsteer_format(note, line, sizeof(line));
	/* Everybody has to be able to read it, whatever root's habits are. */
	mode_t mask = umask(022);
	int dir, err;

	/* Another command may remove the directory as it becomes empty; it finds it in use soon. */
	for (int tries = 0; (dir = make_directory()) == -ENOENT && tries < 100; tries++)
		;
	if (dir < 0) {
		err = dir;
	} else {
		err = write_file(dir, names.temporary, line, len);
		if (!err && renameat(dir, names.temporary, dir, names.final) < 0)
			err = -errno;
		if (err)
			unlinkat(dir, names.temporary, 0);
		close(dir);
	}
	if (err)
		remove_directories();
	umask(mask);
	return err;
}

void fs_note_remove(uint32_t prog_id)
{
	struct names names = names_of(prog_id);
	int dir = open_directory();

	if (dir < 0)
		return;
	unlinkat(dir, names.final, 0);
	unlinkat(dir, names.temporary, 0);
	close(dir);
	remove_directories();
}

/* The id that the name stands for; 0, which is no program's, when it is no name of ours. */
static uint32_t id_of(const char *name)
{
	char *end;
	unsigned long id;

	if (*name == '.')
		name++;
	if (*name < '1' || *name > '9')
		return 0;
	errno = 0;
	id = strtoul(name, &end, 10);
	return errno || *end || id > UINT32_MAX ? 0 : (uint32_t)id;
}

void fs_note_remove_stale(void)
{
	int fd = open_directory();
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		remove_directories();
		return;
	}
	while ((entry = readdir(dir))) {
		uint32_t id = id_of(entry->d_name);

		/* The program is there before its note is; so who has none has ended. */
		if (id && fs_steer_exists(id) == -ENOENT)
			unlinkat(fd, entry->d_name, 0);
	}
	closedir(dir);
	remove_directories();
}

void fs_note_repair(const struct fs_portsteer_note *note)
{
	struct fs_portsteer_note there;

	if (fs_portsteer_read_from(FS_PORTSTEER_DIR, note->steer.prog_id, &there) == 0 && there.ifindex == note->ifindex &&
	    there.netns == note->netns && there.steer.ncpus == note->steer.ncpus &&
	    !memcmp(there.steer.cpu, note->steer.cpu, note->steer.ncpus * sizeof(note->steer.cpu[0])))
		return;
	/* The status can be told without; the library then does not steer connections, as before. */
	fs_note_write(note);
}
