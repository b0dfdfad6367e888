/* See portsteer.h. What is read was written by root, but a byte of it may be wrong all the same. */
#define _GNU_SOURCE
#include "portsteer.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "sys/sys.h"

#define MAGIC "fastsock-steer 1"
/* A directory, a slash and the 10 digits of a program's id. */
#define PATH_LEN 256

/* A line under construction. `ok` goes false, and stays, when it does not fit. */
struct line {
	char *text;
	size_t len, size;
	bool ok;
};

static void put_text(struct line *l, const char *text)
{
	size_t n = strlen(text);

	if (!l->ok || n >= l->size - l->len) {
		l->ok = false;
		return;
	}
	memcpy(l->text + l->len, text, n + 1);
	l->len += n;
}

static void put_number(struct line *l, uint64_t n)
{
	char digits[21];
	char *at = digits + sizeof(digits) - 1;

	*at = '\0';
	do {
		*--at = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	put_text(l, at);
}

/* Reads a number of min .. max at *at and moves *at behind it; -EINVAL when there is none, -ERANGE when it is another. */
static int take_number(const char **at, uint64_t min, uint64_t max, uint64_t *out)
{
	const char *p = *at;
	uint64_t n = 0;

	if (*p < '0' || *p > '9')
		return -EINVAL;
	for (; *p >= '0' && *p <= '9'; p++) {
		unsigned digit = (unsigned)(*p - '0');

		if (n > max / 10 || n * 10 > max - digit)
			return -ERANGE;
		n = n * 10 + digit;
	}
	if (n < min)
		return -ERANGE;
	*at = p;
	*out = n;
	return 0;
}

static bool take_text(const char **at, const char *text)
{
	size_t n = strlen(text);

	if (strncmp(*at, text, n) != 0)
		return false;
	*at += n;
	return true;
}

/* The list up to the first byte that cannot belong to it. */
static int take_cpus(const char **at, uint16_t cpu[FS_CORES_MAX], uint32_t *ncpus)
{
	uint64_t named[FS_CPUS_MAX / 64] = {0};
	uint32_t n = 0;

	do {
		uint64_t first, last;
		int err = take_number(at, 0, FS_CPUS_MAX - 1, &first);

		last = first;
		if (!err && take_text(at, "-"))
			err = take_number(at, 0, FS_CPUS_MAX - 1, &last);
		if (err)
			return err;
		if (last < first)
			return -EINVAL;
		for (uint64_t c = first; c <= last; c++) {
			if (named[c / 64] >> (c % 64) & 1)
				return -EEXIST;
			if (n == FS_CORES_MAX)
				return -E2BIG;
			named[c / 64] |= UINT64_C(1) << (c % 64);
			cpu[n++] = (uint16_t)c;
		}
	} while (take_text(at, ","));
	*ncpus = n;
	return 0;
}

int fs_portsteer_parse_cpus(const char *text, uint16_t cpu[FS_CORES_MAX], uint32_t *ncpus)
{
	uint32_t n;
	int err = take_cpus(&text, cpu, &n);

	if (!err && *text)
		err = -EINVAL;
	if (!err)
		*ncpus = n;
	return err;
}

size_t fs_portsteer_format(const struct fs_portsteer_note *note, char *line, size_t len)
{
	struct line l = {line, 0, len, len > 0};

	put_text(&l, MAGIC " ifindex=");
	put_number(&l, note->ifindex);
	put_text(&l, " netns=");
	put_number(&l, note->netns);
	for (uint32_t i = 0; i < note->steer.ncpus; i++) {
		put_text(&l, i ? "," : " cpus=");
		put_number(&l, note->steer.cpu[i]);
	}
	put_text(&l, "\n");
	return l.ok ? l.len : 0;
}

int fs_portsteer_parse(const char *line, uint32_t prog_id, struct fs_portsteer_note *note)
{
	struct fs_portsteer_note n = {.steer.prog_id = prog_id};
	uint64_t ifindex;

	if (!take_text(&line, MAGIC " ifindex=") || take_number(&line, 1, INT32_MAX, &ifindex) ||
	    !take_text(&line, " netns=") || take_number(&line, 0, UINT64_MAX, &n.netns) ||
	    !take_text(&line, " cpus=") || take_cpus(&line, n.steer.cpu, &n.steer.ncpus) || strcmp(line, "\n") != 0)
		return -EINVAL;
	n.ifindex = (uint32_t)ifindex;
	*note = n;
	return 0;
}

/* Only root may have written it: whoever could would choose the source ports of everybody's connections. */
static int check_owner(int fd)
{
	struct stat st;
	int err = fs_sys_fstat(fd, &st);

	if (err)
		return err;
	return S_ISREG(st.st_mode) && st.st_uid == 0 && !(st.st_mode & (S_IWGRP | S_IWOTH)) ? 0 : -EPERM;
}

/* A file that fills the buffer is longer than any note; one with a NUL in it ends there, where no newline is. */
static int read_line(int fd, char *text, size_t size)
{
	size_t len = 0;

	for (;;) {
		long n = fs_sys_read(fd, text + len, size - len);

		if (n == -EINTR)
			continue;
		if (n < 0)
			return (int)n;
		len += (size_t)n;
		if (len == size)
			return -EINVAL;
		if (!n)
			break;
	}
	text[len] = '\0';
	return strlen(text) == len ? 0 : -EINVAL;
}

int fs_portsteer_read_from(const char *dir, uint32_t prog_id, struct fs_portsteer_note *note)
{
	char path[PATH_LEN], text[FS_PORTSTEER_LINE_MAX + 1];
	struct line l = {path, 0, sizeof(path), true};
	int fd, err;

	put_text(&l, dir);
	put_text(&l, "/");
	put_number(&l, prog_id);
	if (!l.ok)
		return -ENAMETOOLONG;
	/* Not to wait for the other end, should it be a FIFO. */
	fd = fs_sys_open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return fd == -ELOOP ? -EPERM : fd;
	err = check_owner(fd);
	if (!err)
		err = read_line(fd, text, sizeof(text));
	fs_sys_close(fd);
	return err ? err : fs_portsteer_parse(text, prog_id, note);
}

uint64_t fs_portsteer_netns(void)
{
	/* A thread may have a network namespace of its own. "net:[4026531840]" */
	char text[64];
	const char *at = text;
	long n = fs_sys_readlink("/proc/thread-self/ns/net", text, sizeof(text) - 1);
	uint64_t inode;

	if (n <= 0)
		return 0;
	text[n] = '\0';
	return take_text(&at, "net:[") && !take_number(&at, 1, UINT64_MAX, &inode) ? inode : 0;
}

int fs_portsteer_read(uint32_t prog_id, unsigned ifindex, struct fs_portsteer *out)
{
	struct fs_portsteer_note note;
	uint64_t netns;
	int err = fs_portsteer_read_from(FS_PORTSTEER_DIR, prog_id, &note);

	if (err)
		return err;
	/* The id alone names one program at a time; without /proc that has to do. */
	netns = fs_portsteer_netns();
	if (note.ifindex != ifindex || (netns && note.netns && note.netns != netns))
		return -ESTALE;
	*out = note.steer;
	return 0;
}
