#define _GNU_SOURCE
#include "nicinfo.h"

#include <ctype.h>
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <string.h>

#include "cpus.h"
#include "path.h"
#include "sys/sys.h"

/* Words behind struct ethtool_rxfh: room for the table and the key. */
#define ROOM (FS_RSS_TABLE_MAX + FS_RSS_KEY_MAX / 4)
/* The first name in ethtool's list of hash functions ("toeplitz"), as a bit. */
#define HASH_TOEPLITZ 1u
/* What goes into the hash: both addresses and both ports. */
#define HASHED (RXH_IP_SRC | RXH_IP_DST | RXH_L4_B_0_1 | RXH_L4_B_2_3)
/* Interrupts of one device: queues, and a few more. */
#define IRQS_MAX (2 * FS_RSS_QUEUES_MAX)

union rxfh {
	struct ethtool_rxfh head;
	uint32_t words[sizeof(struct ethtool_rxfh) / sizeof(uint32_t) + ROOM];
};

int fs_nicinfo_ethtool(const char *interface, void *command)
{
	struct ifreq req;
	int fd = fs_sys_socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), rc;

	if (fd < 0)
		return fd;
	memset(&req, 0, sizeof(req));
	strncpy(req.ifr_name, interface, sizeof(req.ifr_name) - 1);
	req.ifr_data = command;
	rc = fs_sys_ioctl(fd, SIOCETHTOOL, &req);
	fs_sys_close(fd);
	return rc;
}

int fs_nicinfo_rss(const char *interface, struct fs_rss *out)
{
	static union rxfh r; /* not on the stack, which may be a small one */
	uint8_t transform;
	const uint32_t *room = r.words + sizeof(r.head) / sizeof(uint32_t);
	int rc;

	memset(&r.head, 0, sizeof(r.head));
	r.head.cmd = ETHTOOL_GRSSH;
	rc = fs_nicinfo_ethtool(interface, &r); /* sizes first */
	if (rc < 0)
		return rc;
	if (!r.head.indir_size || !r.head.key_size || r.head.indir_size > FS_RSS_TABLE_MAX || r.head.key_size > FS_RSS_KEY_MAX)
		return -EOPNOTSUPP;
	rc = fs_nicinfo_ethtool(interface, &r);
	if (rc < 0)
		return rc;
	/* A driver that names no function has the only one there was when it was written. */
	if (r.head.hfunc && !(r.head.hfunc & HASH_TOEPLITZ))
		return -EOPNOTSUPP;
	/* Since 6.8 the first reserved byte tells whether the input is made symmetric before it is hashed. */
	memcpy(&transform, (const char *)&r.head + offsetof(struct ethtool_rxfh, hfunc) + 1, 1);
	if (transform && transform != 0xff)
		return -EOPNOTSUPP;
	if (r.head.indir_size > FS_RSS_TABLE_MAX || r.head.key_size > FS_RSS_KEY_MAX)
		return -EOPNOTSUPP;
	out->table_len = (uint16_t)r.head.indir_size;
	out->key_len = (uint16_t)r.head.key_size;
	for (unsigned i = 0; i < out->table_len; i++) {
		if (room[i] >= FS_RSS_QUEUES_MAX)
			return -EOPNOTSUPP;
		out->table[i] = (uint16_t)room[i];
	}
	memcpy(out->key, room + out->table_len, out->key_len);
	return 0;
}

bool fs_nicinfo_hashes_ports(const char *interface, bool v6)
{
	struct ethtool_rxnfc c;

	memset(&c, 0, sizeof(c));
	c.cmd = ETHTOOL_GRXFH;
	c.flow_type = v6 ? TCP_V6_FLOW : TCP_V4_FLOW;
	if (fs_nicinfo_ethtool(interface, &c) < 0)
		return true; /* not told: what is observed will tell */
	return (c.data & HASHED) == HASHED;
}

/* ---- interrupts ---- */

static int queue_of(const char *name, const char *kind, const char *virtio_kind)
{
	const char *end = name + strcspn(name, ",\n"), *digits = end;
	char word[64], *comp;
	size_t len = (size_t)(end - name);
	int queue = 0;

	if (len >= sizeof(word))
		return -1;
	memcpy(word, name, len);
	word[len] = 0;
	while (digits > name && isdigit((unsigned char)digits[-1]))
		digits--;
	/* "mlx5_comp3@pci:0000:03:00.0" has its number in the middle. */
	comp = strstr(word, "_comp");
	if (comp && strchr(comp, '@')) {
		digits = name + (comp - word) + strlen("_comp");
		end = digits + strspn(digits, "0123456789");
	} else if (!strcasestr(word, kind) && !strstr(word, virtio_kind)) {
		return -1; /* of the other direction only, or tells of link changes */
	}
	if (digits == end || end - digits > 4)
		return -1;
	while (digits < end)
		queue = queue * 10 + (*digits++ - '0');
	return queue < FS_RSS_QUEUES_MAX ? queue : -1;
}

int fs_nicinfo_queue_of(const char *name)
{
	return queue_of(name, "rx", "input");
}

int fs_nicinfo_tx_queue_of(const char *name)
{
	return queue_of(name, "tx", "output");
}

/* The one CPU that serves the interrupt, or FS_NO_CPU. */
static unsigned irq_cpu(unsigned irq)
{
	/* The effective one is where the last interrupt was served: old, when the affinity has changed since. */
	static const char *const file[] = { "/smp_affinity_list", "/effective_affinity_list" };
	char path[64], text[256];

	for (unsigned i = 0; i < FS_COUNT(file); i++) {
		struct fs_cpus cpus = { 0 };

		fs_path(path, sizeof(path), "/proc/irq/", irq, file[i]);
		if (fs_sys_read_file(path, text, sizeof(text)) > 0 && fs_cpus_parse(text, &cpus) == 0 && fs_cpus_count(&cpus) == 1)
			return fs_cpus_next(&cpus, 0);
	}
	return FS_NO_CPU;
}

/* Calls `each` for the entries of a directory, which is closed. */
static void list(int fd, void (*each)(const char *entry, void *arg), void *arg)
{
	_Alignas(8) char entries[2048];
	long n;

	while ((n = fs_sys_getdents(fd, entries, sizeof(entries))) > 0)
		for (long at = 0; at < n; at += fs_sys_dirent_size(entries + at))
			each(fs_sys_dirent_name(entries + at), arg);
	fs_sys_close(fd);
}

static bool take_number(const char *text, unsigned *out)
{
	*out = 0;
	if (!isdigit((unsigned char)*text))
		return false;
	for (; isdigit((unsigned char)*text) && *out < 1u << 24; text++)
		*out = *out * 10 + (unsigned)(*text - '0');
	return true;
}

struct irqs {
	void (*each)(unsigned irq, const char *name, void *arg);
	void *arg;
	unsigned n;
};

static void irq_entry(const char *entry, void *arg)
{
	struct irqs *irqs = arg;
	char path[64], name[128];
	unsigned irq;

	if (!take_number(entry, &irq) || irqs->n++ >= IRQS_MAX)
		return;
	fs_path(path, sizeof(path), "/sys/kernel/irq/", irq, "/actions");
	if (fs_sys_read_file(path, name, sizeof(name)) > 0)
		irqs->each(irq, name, irqs->arg);
}

void fs_nicinfo_irqs(const char *interface, void (*each)(unsigned irq, const char *name, void *arg), void *arg)
{
	/* A virtio device has its interrupts at the PCI device above it. */
	static const char *const place[] = { "/device/msi_irqs", "/device/../msi_irqs" };
	struct irqs irqs = { each, arg, 0 };
	char path[96] = "/sys/class/net/";
	size_t len = strlen(path), name = strnlen(interface, IFNAMSIZ);
	int fd = -1;

	memcpy(path + len, interface, name);
	for (unsigned i = 0; fd < 0 && i < FS_COUNT(place); i++) {
		strcpy(path + len + name, place[i]);
		fd = fs_sys_open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	}
	if (fd >= 0)
		list(fd, irq_entry, &irqs);
}

struct queues {
	void (*each)(unsigned queue, unsigned cpu, void *arg);
	void *arg;
};

static void queue_irq(unsigned irq, const char *name, void *arg)
{
	const struct queues *queues = arg;
	int queue = fs_nicinfo_queue_of(name);
	unsigned cpu;

	if (queue < 0)
		return;
	cpu = irq_cpu(irq);
	if (cpu != FS_NO_CPU)
		queues->each((unsigned)queue, cpu, queues->arg);
}

void fs_nicinfo_queues(const char *interface, void (*each)(unsigned queue, unsigned cpu, void *arg), void *arg)
{
	struct queues queues = { each, arg };

	fs_nicinfo_irqs(interface, queue_irq, &queues);
}

struct interfaces {
	void (*each)(unsigned ifindex, void *arg);
	void *arg;
};

static void interface_entry(const char *entry, void *arg)
{
	const struct interfaces *to = arg;
	char path[64] = "/sys/class/net/", text[16];
	size_t len = strlen(path), name = strlen(entry);
	unsigned ifindex;

	if (name >= IFNAMSIZ || entry[0] == '.')
		return;
	memcpy(path + len, entry, name);
	strcpy(path + len + name, "/ifindex");
	if (fs_sys_read_file(path, text, sizeof(text)) > 0 && take_number(text, &ifindex))
		to->each(ifindex, to->arg);
}

void fs_nicinfo_interfaces(void (*each)(unsigned ifindex, void *arg), void *arg)
{
	struct interfaces to = { each, arg };
	int fd = fs_sys_open("/sys/class/net", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		list(fd, interface_entry, &to);
}
