/* See steer.h: who writes the notes that core/portsteer.c reads. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpf/loader.h"
#include "cli/rundir.h"
#include "steer.h"

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

int fs_note_write(const struct fs_portsteer_note *note)
{
	struct names names = names_of(note->steer.prog_id);
	char line[FS_PORTSTEER_LINE_MAX];
	size_t len = fs_portsteer_format(note, line, sizeof(line));
	int dir = fs_rundir_make(FS_PORTSTEER_DIR), err;

	if (dir < 0)
		return dir;
	err = fs_rundir_write(dir, names.final, names.temporary, line, len);
	close(dir);
	if (err)
		fs_rundir_remove(FS_PORTSTEER_DIR);
	return err;
}

void fs_note_remove(uint32_t prog_id)
{
	struct names names = names_of(prog_id);
	int dir = fs_rundir_open(FS_PORTSTEER_DIR);

	if (dir < 0)
		return;
	unlinkat(dir, names.final, 0);
	unlinkat(dir, names.temporary, 0);
	close(dir);
	fs_rundir_remove(FS_PORTSTEER_DIR);
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
	int fd = fs_rundir_open(FS_PORTSTEER_DIR);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	const struct dirent *entry;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		fs_rundir_remove(FS_PORTSTEER_DIR);
		return;
	}
	while ((entry = readdir(dir))) {
		uint32_t id = id_of(entry->d_name);

		/* The program is there before its note is; so who has none has ended. */
		if (id && fs_steer_exists(id) == -ENOENT)
			unlinkat(fd, entry->d_name, 0);
	}
	closedir(dir);
	fs_rundir_remove(FS_PORTSTEER_DIR);
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
