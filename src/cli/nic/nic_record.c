/*
 * What was there before `fastsock nic --apply`: a file for each interface in /run/fastsock/nic, which a
 * restart of the machine clears as it does the settings. The first line says which device it is about:
 *
 *	fastsock-nic 1 ifindex=3 netns=4026531840 boot=UUID mac=52:54:00:12:34:56
 *	irq 45 0-3 virtio0-input.0
 *	xps 0 00
 *	end
 *
 * Each line after it is a setting: kind, number, value, and an interrupt's name. A plus sign before it: of
 * a queue that --channels has made.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/nicinfo.h"
#include "core/portsteer.h"
#include "nic.h"
#include "nic_files.h"
#include "cli/rundir.h"

#define DIRECTORY FS_RUNDIR "/nic"
/* MAX_ADDR_LEN of the kernel. */
#define ADDRESS_MAX 32

static const char *const kind_names[] = {
	[FS_NIC_CHANNELS] = "channels", [FS_NIC_TABLE] = "table", [FS_NIC_IRQ] = "irq",
	[FS_NIC_RPS] = "rps", [FS_NIC_XPS] = "xps",
};

/* ---- which device ---- */

static void format_address(const unsigned char *address, unsigned len, char text[3 * ADDRESS_MAX])
{
	for (unsigned i = 0; i < len; i++)
		sprintf(text + 3 * i, i + 1 < len ? "%02x:" : "%02x", address[i]);
}

/* The permanent address: a bond lends its own to what is below it. */
static bool permanent_address(const char *interface, char text[3 * ADDRESS_MAX])
{
	static const unsigned char none[ADDRESS_MAX];
	union {
		struct ethtool_perm_addr head;
		unsigned char room[sizeof(struct ethtool_perm_addr) + ADDRESS_MAX];
	} perm = {.head = {.cmd = ETHTOOL_GPERMADDR, .size = ADDRESS_MAX}};
	const unsigned char *address = perm.room + sizeof(perm.head);

	if (fs_nicinfo_ethtool(interface, &perm) < 0 || !perm.head.size || perm.head.size > ADDRESS_MAX ||
	    !memcmp(address, none, perm.head.size))
		return false;
	format_address(address, perm.head.size, text);
	return true;
}

static int present_address(const char *interface, char text[3 * ADDRESS_MAX])
{
	struct ifreq req;
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err = 0;

	if (fd < 0)
		return -errno;
	memset(&req, 0, sizeof(req));
	memcpy(req.ifr_name, interface, strnlen(interface, IFNAMSIZ - 1));
	if (ioctl(fd, SIOCGIFHWADDR, &req) < 0)
		err = -errno;
	close(fd);
	if (!err && req.ifr_hwaddr.sa_family == ARPHRD_ETHER)
		format_address((const unsigned char *)req.ifr_hwaddr.sa_data, 6, text);
	else
		strcpy(text, "-");
	return err;
}

int fs_nic_identify(const char *interface, struct fs_nic_identity *identity)
{
	struct fs_pool pool = {0};
	const char *boot;
	int err;

	memset(identity, 0, sizeof(*identity));
	identity->ifindex = if_nametoindex(interface);
	if (!identity->ifindex)
		return -ENODEV;
	memcpy(identity->interface, interface, strnlen(interface, IFNAMSIZ - 1));
	memcpy(identity->recorded, identity->interface, IFNAMSIZ);
	identity->netns = fs_portsteer_netns();
	boot = fs_nic_file_read(&pool, "/proc/sys/kernel/random/boot_id", &err);
	snprintf(identity->boot, sizeof(identity->boot), "%s", boot ? boot : "-");
	fs_pool_free(&pool);
	return permanent_address(interface, identity->mac) ? 0 : present_address(interface, identity->mac);
}

static const char *header(struct fs_pool *pool, const struct fs_nic_identity *identity)
{
	return fs_pool_printf(pool, "fastsock-nic 1 ifindex=%u netns=%llu boot=%s mac=%s", identity->ifindex,
			      (unsigned long long)identity->netns, identity->boot, identity->mac);
}

/* No interface's name has a colon in it. */
static const char *file_name(struct fs_pool *pool, const struct fs_nic_identity *identity)
{
	return fs_pool_printf(pool, "%s:%llu", identity->recorded, (unsigned long long)identity->netns);
}

const char *fs_nic_record_path(struct fs_pool *pool, const struct fs_nic_identity *identity)
{
	return fs_pool_printf(pool, DIRECTORY "/%s", file_name(pool, identity));
}

/* ---- what goes into it ---- */

static void add(struct fs_nic_settings *all, enum fs_nic_kind kind, unsigned number, const char *name, const char *value)
{
	all->setting[all->count++] = (struct fs_nic_setting){.kind = kind, .number = number, .name = name, .value = value};
}

void fs_nic_snapshot(struct fs_pool *pool, const struct fs_nic_state *s, struct fs_nic_settings *all)
{
	all->count = 0;
	all->setting = fs_pool_alloc(pool, (size_t)s->nirqs + s->nrx + s->ntx + 2, sizeof(*all->setting));
	if (s->has_channels)
		add(all, FS_NIC_CHANNELS, 0, "", fs_nic_channels_text(pool, &s->channels));
	if (s->table)
		add(all, FS_NIC_TABLE, 0, "", fs_nic_table_text(pool, s->table, s->table_len));
	for (unsigned i = 0; i < s->nirqs; i++)
		if (s->irq[i].cpus && !s->irq[i].fixed)
			add(all, FS_NIC_IRQ, s->irq[i].number, s->irq[i].name, s->irq[i].cpus);
	for (unsigned q = 0; q < s->nrx; q++)
		if (s->rx[q].cpus)
			add(all, FS_NIC_RPS, q, "", s->rx[q].cpus);
	for (unsigned q = 0; q < s->ntx; q++)
		if (s->tx[q].cpus)
			add(all, FS_NIC_XPS, q, "", s->tx[q].cpus);
}

/* ---- reading ---- */

/* The next word of the line, NUL-terminated in place, or "" at its end. */
static char *word(char **at)
{
	char *start = *at, *end = start + strcspn(start, " ");

	*at = end + (*end != '\0');
	*end = '\0';
	return start;
}

static bool parse_setting(char *line, struct fs_nic_setting *out)
{
	const char *kind = word(&line), *number = word(&line);
	char *end;

	out->made = *kind == '+';
	kind += out->made;
	out->value = word(&line);
	out->name = line;
	out->number = (unsigned)strtoul(number, &end, 10);
	if (end == number || *end || !*out->value)
		return false;
	for (size_t i = 0; i < FS_COUNT(kind_names); i++) {
		if (!strcmp(kind, kind_names[i])) {
			out->kind = (enum fs_nic_kind)i;
			return true;
		}
	}
	return false;
}

/* A record is left over when its device is gone, and with it what was set there. */
static int stale(const char *line, const struct fs_nic_identity *identity)
{
	char name[IFNAMSIZ], boot[40];
	unsigned ifindex;

	if (sscanf(line, "fastsock-nic 1 ifindex=%u netns=%*u boot=%39s", &ifindex, boot) != 2)
		return -EINVAL;
	return strcmp(boot, identity->boot) != 0 || !if_indextoname(ifindex, name) ? -ENOENT : -ESTALE;
}

static int parse(struct fs_pool *pool, char *text, const struct fs_nic_identity *identity, struct fs_nic_settings *before)
{
	size_t lines = 0;
	char *line;

	for (const char *at = text; (at = strchr(at, '\n')); at++)
		lines++;
	before->setting = fs_pool_alloc(pool, lines + 1, sizeof(*before->setting));
	before->count = 0;
	line = strsep(&text, "\n");
	if (strcmp(line, header(pool, identity)) != 0)
		return stale(line, identity);
	while ((line = strsep(&text, "\n"))) {
		if (!strcmp(line, "end"))
			return 0;
		if (!parse_setting(line, &before->setting[before->count]))
			return -EINVAL;
		before->count++;
	}
	return -EINVAL;
}

/* All of the file, when it is root's alone. */
static int read_text(struct fs_pool *pool, const char *name, char **text)
{
	int dir = fs_rundir_open(DIRECTORY), fd, err = 0;
	struct stat st;

	if (dir < 0)
		return dir;
	fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		err = -errno;
	close(dir);
	if (err)
		return err;
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_uid != 0 || st.st_mode & (S_IWGRP | S_IWOTH)) {
		err = -EPERM;
	} else {
		*text = fs_pool_alloc(pool, 1, (size_t)st.st_size + 1);
		if (read(fd, *text, (size_t)st.st_size) != st.st_size)
			err = -EIO;
	}
	close(fd);
	return err;
}

/* Whether the file is the record of this device, by whatever name. */
static bool is_of(struct fs_pool *pool, const char *name, const struct fs_nic_identity *identity)
{
	char *text = NULL;

	return read_text(pool, name, &text) == 0 && !strcmp(strsep(&text, "\n"), header(pool, identity));
}

/* Of a device that was renamed since. */
static bool find_renamed(struct fs_pool *pool, struct fs_nic_identity *identity)
{
	int fd = fs_rundir_open(DIRECTORY);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	bool found = false;

	if (!dir) {
		if (fd >= 0)
			close(fd);
		return false;
	}
	while (!found && (entry = readdir(dir))) {
		struct fs_nic_identity other = *identity;
		size_t len = strcspn(entry->d_name, ":");

		if (len >= IFNAMSIZ)
			continue;
		memset(other.recorded, 0, IFNAMSIZ);
		memcpy(other.recorded, entry->d_name, len);
		/* Not one that is just being written, and of this network namespace. */
		found = !strcmp(entry->d_name, file_name(pool, &other)) && is_of(pool, entry->d_name, identity);
		if (found)
			*identity = other;
	}
	closedir(dir);
	return found;
}

int fs_nic_record_read(struct fs_pool *pool, struct fs_nic_identity *identity, struct fs_nic_settings *before)
{
	char *text = NULL;
	int err = read_text(pool, file_name(pool, identity), &text);

	*before = (struct fs_nic_settings){0};
	if (!err)
		err = parse(pool, text, identity, before);
	if ((err != -ENOENT && err != -ESTALE) || !find_renamed(pool, identity))
		return err;
	err = read_text(pool, file_name(pool, identity), &text);
	return err < 0 ? err : parse(pool, text, identity, before);
}

const char *fs_nic_record_owner(struct fs_pool *pool, const struct fs_nic_identity *identity)
{
	struct fs_nic_identity owner;
	char *text = NULL, name[IFNAMSIZ];
	unsigned ifindex;

	if (read_text(pool, file_name(pool, identity), &text) < 0 || sscanf(text, "fastsock-nic 1 ifindex=%u", &ifindex) != 1 ||
	    !if_indextoname(ifindex, name) || fs_nic_identify(name, &owner) < 0 ||
	    !is_of(pool, file_name(pool, identity), &owner))
		return NULL;
	return fs_pool_printf(pool, "%s", name);
}

/* ---- writing ---- */

int fs_nic_record_write(struct fs_pool *pool, const struct fs_nic_identity *identity, const struct fs_nic_settings *before)
{
	const char *name = file_name(pool, identity);
	FILE *file;
	char *text = NULL;
	size_t len = 0;
	int dir = fs_rundir_make(DIRECTORY), err = 0;

	if (dir < 0)
		return dir;
	file = open_memstream(&text, &len);
	if (file) {
		fprintf(file, "%s\n", header(pool, identity));
		for (size_t i = 0; i < before->count; i++) {
			const struct fs_nic_setting *s = &before->setting[i];

			fprintf(file, "%s%s %u %s%s%s\n", s->made ? "+" : "", kind_names[s->kind], s->number, s->value, *s->name ? " " : "", s->name);
		}
		fputs("end\n", file);
	}
	if (!file || fclose(file) != 0)
		err = -ENOMEM;
	if (!err)
		err = fs_rundir_write(dir, name, fs_pool_printf(pool, "%s:new", name), text, len);
	free(text);
	close(dir);
	return err;
}

void fs_nic_record_remove(struct fs_pool *pool, const struct fs_nic_identity *identity)
{
	int dir = fs_rundir_open(DIRECTORY);

	if (dir >= 0) {
		unlinkat(dir, file_name(pool, identity), 0);
		unlinkat(dir, fs_pool_printf(pool, "%s:new", file_name(pool, identity)), 0);
		close(dir);
	}
}

int fs_nic_record_lock(bool make)
{
	for (int tries = 0; tries < 100; tries++) {
		int dir = make ? fs_rundir_make(DIRECTORY) : fs_rundir_open(DIRECTORY);
		struct stat held, there;

		if (dir < 0)
			return dir;
		if (flock(dir, LOCK_EX | LOCK_NB) < 0) {
			int err = errno == EWOULDBLOCK ? -EBUSY : -errno;

			close(dir);
			return err;
		}
		/* Whoever had it before may have removed it meanwhile. */
		if (fstat(dir, &held) == 0 && stat(DIRECTORY, &there) == 0 && held.st_ino == there.st_ino &&
		    held.st_dev == there.st_dev)
			return dir;
		close(dir);
	}
	return -EBUSY;
}

void fs_nic_record_unlock(int lock)
{
	fs_rundir_remove(DIRECTORY);
	close(lock);
}
