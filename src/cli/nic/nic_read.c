/* How an interface is set up, as the kernel tells anybody: sysfs, procfs, ethtool's ioctls. Changes nothing. */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/nicinfo.h"
#include "cli/cli.h"
#include "nic.h"
#include "nic_files.h"
#include "cli/tree/proc.h"

/* Above the kernel's number of queues of any driver. */
#define QUEUES_MAX 4096

struct reader {
	struct fs_pool *pool;
	struct fs_nic_state *state;
	size_t irq_room, unread_room;
};

static void not_read(struct reader *r, const char *what, int err)
{
	struct fs_nic_state *s = r->state;

	if (s->nunread == r->unread_room) {
		const char **more = fs_pool_alloc(r->pool, r->unread_room += 16 + r->unread_room, sizeof(*more));

		if (s->nunread)
			memcpy(more, s->unread, s->nunread * sizeof(*more));
		s->unread = more;
	}
	s->unread[s->nunread++] = fs_pool_printf(r->pool, "%s: %s", what, strerror(-err));
}

/* A file that may be missing; one that is there and cannot be read is noted. */
static const char *read_file(struct reader *r, const char *path)
{
	int err;
	const char *text = fs_nic_file_read(r->pool, path, &err);

	/* A device without a choice of queues has the file and answers like one that has not. */
	if (!text && err != -ENOENT)
		not_read(r, path, err);
	return text;
}

static const char *attribute(struct reader *r, const char *name)
{
	return read_file(r, fs_pool_printf(r->pool, "/sys/class/net/%s/%s", r->state->interface, name));
}

static int ask_ethtool(struct reader *r, const char *what, void *command)
{
	int err = fs_nicinfo_ethtool(r->state->interface, command);

	if (err < 0 && err != -EOPNOTSUPP && err != -EINVAL)
		not_read(r, what, err);
	return err;
}

/* ---- is it one that can be set up? ---- */

static bool ask_socket(const char *interface, unsigned long what, struct ifreq *req)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool known;

	memset(req, 0, sizeof(*req));
	memcpy(req->ifr_name, interface, strnlen(interface, IFNAMSIZ - 1));
	known = fd >= 0 && ioctl(fd, what, req) == 0;
	if (fd >= 0)
		close(fd);
	return known;
}

/* What /sys shows belongs to the network namespace that mounted it, where another device may have the same name. */
static bool sysfs_is_ours(struct reader *r, unsigned ifindex)
{
	const char *index = attribute(r, "ifindex"), *address;
	unsigned char mac[6];
	struct ifreq req;

	if (!index || strtoul(index, NULL, 10) != ifindex)
		return false;
	if (!ask_socket(r->state->interface, SIOCGIFHWADDR, &req) || req.ifr_hwaddr.sa_family != ARPHRD_ETHER)
		return true;
	address = attribute(r, "address");
	return address &&
	       sscanf(address, "%hhx:%hhx:%hhx:%hhx:%hhx:%hhx", mac, mac + 1, mac + 2, mac + 3, mac + 4, mac + 5) == 6 &&
	       !memcmp(mac, req.ifr_hwaddr.sa_data, sizeof(mac));
}

/* The interfaces below a bond, a bridge, a VLAN: "eth0, eth1"; NULL when there are none. */
static const char *lower_ones(struct reader *r)
{
	DIR *dir = opendir(fs_pool_printf(r->pool, "/sys/class/net/%s", r->state->interface));
	const struct dirent *entry;
	const char *names = NULL;

	while (dir && (entry = readdir(dir))) {
		if (!strncmp(entry->d_name, "lower_", 6))
			names = fs_pool_printf(r->pool, "%s%s%s", names ? names : "", names ? ", " : "", entry->d_name + 6);
	}
	if (dir)
		closedir(dir);
	return names;
}

static int refuse(struct reader *r, const char *interface)
{
	unsigned ifindex = strlen(interface) < IFNAMSIZ ? if_nametoindex(interface) : 0;
	const char *lower, *type;
	struct ifreq req;

	if (!ifindex) {
		fs_cli_error("nic: there is no interface %s in this network namespace; `ip link` lists them", interface);
		return FS_EXIT_FAILED;
	}
	memcpy(r->state->interface, interface, strlen(interface) + 1);
	if (ask_socket(interface, SIOCGIFFLAGS, &req) && req.ifr_flags & IFF_LOOPBACK) {
		fs_cli_error("nic: %s has no queues to set up: what is sent there arrives on the CPU that sends it", interface);
		return FS_EXIT_FAILED;
	}
	if (!sysfs_is_ours(r, ifindex)) {
		fs_cli_error("nic: /sys does not show this network namespace's %s, so nothing is known of it: run this under "
			     "`ip netns exec`, or mount /sys anew (mount -t sysfs sysfs /sys)", interface);
		return FS_EXIT_FAILED;
	}
	lower = lower_ones(r);
	if (lower) {
		fs_cli_error("nic: %s has no queues of its own: its packets come by %s; name that", interface, lower);
		return FS_EXIT_FAILED;
	}
	type = fs_pool_printf(r->pool, "/sys/class/net/%s/bridge", interface);
	if (access(type, F_OK) == 0 || access(fs_pool_printf(r->pool, "/sys/class/net/%s/bonding", interface), F_OK) == 0) {
		fs_cli_error("nic: %s has no queues of its own, and no interface below it that has", interface);
		return FS_EXIT_FAILED;
	}
	return FS_EXIT_OK;
}

/* ---- CPUs ---- */

static bool list_of(struct reader *r, const char *path, struct fs_cpus *cpus)
{
	const char *text = read_file(r, path);

	return text && fs_cpus_parse(text, cpus) == 0;
}

/* Those that the operator lists, in his order. */
static int given_cpus(struct reader *r, const uint16_t *cpu, unsigned ncpus)
{
	struct fs_cpus online;

	if (list_of(r, "/sys/devices/system/cpu/online", &online)) {
		for (unsigned i = 0; i < ncpus; i++) {
			if (!fs_cpus_has(&online, cpu[i])) {
				fs_cli_error("nic: --cpus: CPU %u is not online; `lscpu -e` lists them", cpu[i]);
				return FS_EXIT_FAILED;
			}
		}
	}
	r->state->cpu = cpu;
	r->state->ncpus = ncpus;
	return FS_EXIT_OK;
}

static int own_cpus(struct reader *r)
{
	struct fs_nic_state *s = r->state;
	struct fs_cpus allowed, near;
	uint16_t *cpu;
	int err = fs_cpus_allowed(0, &allowed);

	if (err < 0) {
		fs_cli_error("nic: cannot tell which CPUs there are to use: %s", strerror(-err));
		return FS_EXIT_FAILED;
	}
	if (s->node < 0 ||
	    !list_of(r, fs_pool_printf(r->pool, "/sys/devices/system/node/node%d/cpulist", s->node), &near))
		memset(&near, 0, sizeof(near));
	s->cpu = cpu = fs_pool_alloc(r->pool, FS_CPUS_MAX, sizeof(*cpu));
	for (unsigned remote = 0; remote < 2; remote++)
		for (unsigned c = fs_cpus_next(&allowed, 0); c < FS_CPUS_MAX; c = fs_cpus_next(&allowed, c + 1))
			if (fs_cpus_has(&near, c) != (remote == 1))
				cpu[s->ncpus++] = (uint16_t)c;
	return FS_EXIT_OK;
}

/* ---- queues and interrupts ---- */

static void read_device(struct reader *r)
{
	struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
	struct fs_nic_state *s = r->state;
	const char *node;

	s->driver = fs_nicinfo_ethtool(s->interface, &info) == 0 ? fs_pool_printf(r->pool, "%.31s", info.driver) : "";
	s->hardware = access(fs_pool_printf(r->pool, "/sys/class/net/%s/device", s->interface), F_OK) == 0;
	node = attribute(r, "device/numa_node");
	if (!node)
		node = attribute(r, "device/../numa_node");
	s->node = node ? (int)strtol(node, NULL, 10) : -1;
}

static struct fs_nic_queue *read_queues(struct reader *r, const char *direction, const char *mask, const char *more,
					unsigned *count)
{
	struct fs_nic_queue *queue;
	unsigned n = 0;

	while (n < QUEUES_MAX &&
	       access(fs_pool_printf(r->pool, "/sys/class/net/%s/queues/%s-%u", r->state->interface, direction, n), F_OK) == 0)
		n++;
	*count = n;
	queue = fs_pool_alloc(r->pool, n, sizeof(*queue));
	for (unsigned i = 0; i < n; i++) {
		queue[i].cpus = attribute(r, fs_pool_printf(r->pool, "queues/%s-%u/%s", direction, i, mask));
		queue[i].more = attribute(r, fs_pool_printf(r->pool, "queues/%s-%u/%s", direction, i, more));
	}
	return queue;
}

static void add_irq(unsigned number, const char *name, void *arg)
{
	struct reader *r = arg;
	struct fs_nic_state *s = r->state;
	struct fs_nic_irq *irq;
	const char *path = fs_pool_printf(r->pool, "/proc/irq/%u/smp_affinity_list", number);
	struct stat st;

	if (s->nirqs == r->irq_room) {
		struct fs_nic_irq *room = fs_pool_alloc(r->pool, r->irq_room += 16 + r->irq_room, sizeof(*room));

		if (s->nirqs)
			memcpy(room, s->irq, s->nirqs * sizeof(*room));
		s->irq = room;
	}
	irq = &s->irq[s->nirqs++];
	irq->number = number;
	irq->name = fs_pool_printf(r->pool, "%.*s", (int)strcspn(name, "\n"), name);
	irq->rx = fs_nicinfo_queue_of(irq->name);
	irq->tx = fs_nicinfo_tx_queue_of(irq->name);
	irq->cpus = read_file(r, path);
	/* Kernels that tell by the file's mode; others refuse the write. */
	irq->fixed = stat(path, &st) == 0 && !(st.st_mode & S_IWUSR);
}

static int by_number(const void *a, const void *b)
{
	const struct fs_nic_irq *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

static void read_rss(struct reader *r)
{
	struct ethtool_rxnfc rings = {.cmd = ETHTOOL_GRXRINGS};
	struct fs_nic_state *s = r->state;
	struct fs_rss rss;
	uint8_t *key;
	int err;

	s->nrings = fs_nicinfo_ethtool(s->interface, &rings) == 0 ? (unsigned)rings.data : s->nrx;
	s->table = fs_nic_read_table(r->pool, s->interface, &s->table_len, &err);
	if (!s->table && err != -EOPNOTSUPP)
		not_read(r, "the RSS table", err);
	s->has_key = fs_nicinfo_rss(s->interface, &rss) == 0;
	if (s->has_key) {
		s->key = key = fs_pool_alloc(r->pool, 1, s->key_len = rss.key_len);
		memcpy(key, rss.key, rss.key_len);
	}
}

static unsigned find_irqbalance(void)
{
	DIR *dir = opendir("/proc");
	const struct dirent *entry;
	unsigned found = 0;
	char name[32];

	while (dir && !found && (entry = readdir(dir))) {
		unsigned long pid = isdigit((unsigned char)*entry->d_name) ? strtoul(entry->d_name, NULL, 10) : 0;

		if (!pid)
			continue;
		fs_process_name((int)pid, name, sizeof(name));
		if (!strcmp(name, "irqbalance"))
			found = (unsigned)pid;
	}
	if (dir)
		closedir(dir);
	return found;
}

int fs_nic_read(struct fs_pool *pool, const char *interface, const uint16_t *cpu, unsigned ncpus,
		struct fs_nic_state *state)
{
	struct reader r = {.pool = pool, .state = state};
	struct fs_nic_identity identity;
	struct fs_nic_settings before;
	int status;

	*state = (struct fs_nic_state){.channels.cmd = ETHTOOL_GCHANNELS, .coalesce.cmd = ETHTOOL_GCOALESCE};
	status = refuse(&r, interface);
	if (status != FS_EXIT_OK)
		return status;
	read_device(&r);
	status = ncpus ? given_cpus(&r, cpu, ncpus) : own_cpus(&r);
	if (status != FS_EXIT_OK)
		return status;
	state->rx = read_queues(&r, "rx", "rps_cpus", "rps_flow_cnt", &state->nrx);
	state->tx = read_queues(&r, "tx", "xps_cpus", "xps_rxqs", &state->ntx);
	fs_nicinfo_irqs(state->interface, add_irq, &r);
	if (state->nirqs)
		qsort(state->irq, state->nirqs, sizeof(*state->irq), by_number);
	state->has_channels = ask_ethtool(&r, "the numbers of queues", &state->channels) == 0;
	state->has_coalesce = ask_ethtool(&r, "coalescing", &state->coalesce) == 0;
	read_rss(&r);
	state->irqbalance = find_irqbalance();
	if (fs_nic_identify(interface, &identity) == 0 && fs_nic_record_read(pool, &identity, &before) == 0)
		state->record = fs_nic_record_path(pool, &identity);
	return FS_EXIT_OK;
}
