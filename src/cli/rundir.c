/* See rundir.h. */
#define _GNU_SOURCE
#include "rundir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int fs_rundir_open(const char *path)
{
	struct stat st;
	int dir = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (dir < 0)
		return -errno;
	if (fstat(dir, &st) == 0 && st.st_uid == 0 && !(st.st_mode & (S_IWGRP | S_IWOTH)))
		return dir;
	close(dir);
	return -EPERM;
}

/* Somebody who may do a verb's work without being root gives root what he makes: root's files alone are believed. */
static int make_one(const char *path)
{
	if (mkdir(path, 0755) < 0)
		return errno == EEXIST ? 0 : -errno;
	return geteuid() != 0 && chown(path, 0, 0) < 0 ? -errno : 0;
}

int fs_rundir_make(const char *path)
{
	/* Everybody has to be able to read what is there, whatever root's habits are. */
	mode_t mask = umask(022);
	int dir = -ENOENT;

	/* Another command may remove the directory as it becomes empty; it finds it in use soon. */
	for (int tries = 0; dir == -ENOENT && tries < 100; tries++) {
		dir = make_one(FS_RUNDIR);
		if (!dir)
			dir = make_one(path);
		if (!dir)
			dir = fs_rundir_open(path);
	}
	if (dir < 0)
		fs_rundir_remove(path);
	umask(mask);
	return dir;
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

int fs_rundir_write(int dir, const char *name, const char *temporary, const char *text, size_t len)
{
	mode_t mask = umask(022);
	int err = write_file(dir, temporary, text, len);

	if (!err && renameat(dir, temporary, dir, name) < 0)
		err = -errno;
	if (err)
		unlinkat(dir, temporary, 0);
	umask(mask);
	return err;
}

void fs_rundir_remove(const char *path)
{
	rmdir(path);
	rmdir(FS_RUNDIR);
}
