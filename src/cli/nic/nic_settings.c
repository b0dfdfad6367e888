/*
 * Settings in the kernel: files in sysfs and procfs, and ethtool's ioctls. The only file of
 * `fastsock nic` that writes any of them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/nicinfo.h"
#include "nic.h"
#include "nic_files.h"

const char *fs_nic_setting_name(struct fs_pool *pool, const struct fs_nic_setting *setting)
{
	switch (setting->kind) {
	case FS_NIC_CHANNELS:
		return "the number of queues";
	case FS_NIC_TABLE:
		return "the RSS table";
	case FS_NIC_IRQ:
		return fs_pool_printf(pool, "interrupt %u (%s)", setting->number, setting->name);
	case FS_NIC_RPS:
		return fs_pool_printf(pool, "RPS of rx-%u", setting->number);
	case FS_NIC_XPS:
		return fs_pool_printf(pool, "XPS of tx-%u", setting->number);
	}
	return "";
}

/* ---- ethtool's ---- */

const char *fs_nic_channels_text(struct fs_pool *pool, const struct ethtool_channels *channels)
{
	return fs_pool_printf(pool, "%u/%u/%u/%u", channels->rx_count, channels->tx_count, channels->other_count,
			      channels->combined_count);
}

static int set_channels(const char *interface, const char *value)
{
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
	int err = fs_nicinfo_ethtool(interface, &channels);

	if (err < 0)
		return err;
	if (sscanf(value, "%u/%u/%u/%u", &channels.rx_count, &channels.tx_count, &channels.other_count,
		   &channels.combined_count) != 4)
		return -EINVAL;
	channels.cmd = ETHTOOL_SCHANNELS;
	return fs_nicinfo_ethtool(interface, &channels);
}

const char *fs_nic_table_text(struct fs_pool *pool, const uint32_t *table, unsigned len)
{
	/* Ten digits and a comma each. */
	size_t size = 11 * (size_t)len + 1, used = 0;
	char *text = fs_pool_alloc(pool, 1, size);

	for (unsigned i = 0; i < len; i++)
		used += (size_t)snprintf(text + used, size - used, "%s%u", i ? "," : "", table[i]);
	return text;
}

const uint32_t *fs_nic_read_table(struct fs_pool *pool, const char *interface, unsigned *len, int *err)
{
	struct ethtool_rxfh_indir sizes = {.cmd = ETHTOOL_GRXFHINDIR}, *indir;

	*err = fs_nicinfo_ethtool(interface, &sizes);
	if (!*err && (!sizes.size || sizes.size > FS_RSS_TABLE_MAX))
		*err = -EOPNOTSUPP;
	if (*err < 0)
		return NULL;
	indir = fs_pool_alloc(pool, 1, sizeof(*indir) + sizes.size * sizeof(indir->ring_index[0]));
	indir->cmd = ETHTOOL_GRXFHINDIR;
	indir->size = sizes.size;
	*err = fs_nicinfo_ethtool(interface, indir);
	if (!*err && indir->size != sizes.size)
		*err = -EAGAIN;
	*len = sizes.size;
	return *err < 0 ? NULL : indir->ring_index;
}

/*
 * A table that is written counts as the user's own: the kernel keeps it when the number of queues changes, and
 * refuses fewer queues than it names. So the driver's default, where it is that, comes by a reset (ethtool -X default).
 */
static bool reset_table(const char *interface, const char *value)
{
	struct ethtool_rxfh_indir reset = {.cmd = ETHTOOL_SRXFHINDIR, .size = 0};
	struct fs_pool pool = {0};
	const uint32_t *table;
	unsigned len;
	bool same;
	int err;

	if (fs_nicinfo_ethtool(interface, &reset) < 0)
		return false;
	table = fs_nic_read_table(&pool, interface, &len, &err);
	same = table && !strcmp(fs_nic_table_text(&pool, table, len), value);
	fs_pool_free(&pool);
	return same;
}

static int write_table(const char *interface, const char *value)
{
	union {
		struct ethtool_rxfh_indir head;
		uint32_t words[sizeof(struct ethtool_rxfh_indir) / sizeof(uint32_t) + FS_RSS_TABLE_MAX];
	} indir;
	uint32_t *ring = indir.words + sizeof(indir.head) / sizeof(uint32_t);
	unsigned len = 0;

	for (const char *at = value; len < FS_RSS_TABLE_MAX; at++) {
		char *end;

		ring[len++] = (uint32_t)strtoul(at, &end, 10);
		if (end == at || (*end && *end != ','))
			return -EINVAL;
		at = end;
		if (!*at)
			break;
	}
	indir.head.cmd = ETHTOOL_SRXFHINDIR;
	indir.head.size = len;
	return fs_nicinfo_ethtool(interface, &indir);
}

/* ---- files ---- */

static const char *file_of(struct fs_pool *pool, const char *interface, const struct fs_nic_setting *setting)
{
	switch (setting->kind) {
	case FS_NIC_IRQ:
		return fs_pool_printf(pool, "/proc/irq/%u/smp_affinity_list", setting->number);
	case FS_NIC_RPS:
		return fs_pool_printf(pool, "/sys/class/net/%s/queues/rx-%u/rps_cpus", interface, setting->number);
	default:
		return fs_pool_printf(pool, "/sys/class/net/%s/queues/tx-%u/xps_cpus", interface, setting->number);
	}
}

const char *fs_nic_file_read(struct fs_pool *pool, const char *path, int *err)
{
	/* Above the longest list of CPUs that the kernel prints: every other one of 8192. */
	char text[32768];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t n = 0;

	if (fd < 0) {
		*err = -errno;
		return NULL;
	}
	while (len < sizeof(text) - 1 && (n = read(fd, text + len, sizeof(text) - 1 - len)) > 0)
		len += (size_t)n;
	*err = n < 0 ? -errno : 0;
	close(fd);
	if (*err)
		return NULL;
	text[len] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return fs_pool_printf(pool, "%s", text);
}

static int file_write(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC), err = 0;
	size_t len = strlen(value);
	ssize_t n;

	if (fd < 0)
		return -errno;
	/* In one go: each write is a value of its own. */
	n = write(fd, value, len);
	if (n != (ssize_t)len)
		err = n < 0 ? -errno : -EIO;
	close(fd);
	return err;
}

const char *fs_nic_value(struct fs_pool *pool, const char *interface, const struct fs_nic_setting *setting, int *err)
{
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
	const uint32_t *table;
	unsigned len;

	switch (setting->kind) {
	case FS_NIC_CHANNELS:
		*err = fs_nicinfo_ethtool(interface, &channels);
		return *err ? NULL : fs_nic_channels_text(pool, &channels);
	case FS_NIC_TABLE:
		table = fs_nic_read_table(pool, interface, &len, err);
		return table ? fs_nic_table_text(pool, table, len) : NULL;
	default:
		return fs_nic_file_read(pool, file_of(pool, interface, setting), err);
	}
}

int fs_nic_set(const char *interface, const struct fs_nic_setting *setting)
{
	struct fs_pool pool = {0};
	int err;

	switch (setting->kind) {
	case FS_NIC_CHANNELS:
		return set_channels(interface, setting->value);
	case FS_NIC_TABLE:
		return reset_table(interface, setting->value) ? 0 : write_table(interface, setting->value);
	default:
		err = file_write(file_of(&pool, interface, setting), setting->value);
		fs_pool_free(&pool);
		return err;
	}
}
