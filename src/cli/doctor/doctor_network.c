/*
 * What packets pass on their way to a listener, in the network namespace of this command: queues, interrupts,
 * RPS and XPS of each interface that is up, the tables and limits of the kernel.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/nicinfo.h"
#include "doctor.h"
#include "doctor_parse.h"

#define NET "/sys/class/net"
/* Below this a short burst overflows an accept queue; kernels since 5.4 have 4096. */
#define SOMAXCONN_LEAST 1024
#define QUEUES_MAX 1024

struct interface {
	const char *name;
	unsigned rx, tx;
	unsigned rps; /* of the receive queues, those with RPS */
	unsigned xps;
	struct fs_cpus rps_cpus; /* of all queues together */
	unsigned served;         /* receive queues whose interrupt's CPU is known */
	bool seen[QUEUES_MAX];   /* which those are */
	struct fs_cpus irq_cpus;
};

/* Whether the file of a queue has a CPU in its mask; adds them to *all. */
static bool has_mask(const char *interface, const char *queue, const char *file, struct fs_cpus *all)
{
	char *text = fs_text_read(NULL, NET "/%s/queues/%s/%s", interface, queue, file);
	struct fs_cpus set = {0};

	if (text)
		fs_text_mask(text, &set);
	free(text);
	for (unsigned i = 0; i < FS_COUNT(set.bits); i++)
		all->bits[i] |= set.bits[i];
	return fs_cpus_count(&set) != 0;
}

static void on_queue(unsigned queue, unsigned cpu, void *arg)
{
	struct interface *i = arg;

	/* Drivers ask for interrupts of queues that may be used one day; some, for several of a queue. */
	if (queue >= i->rx || queue >= QUEUES_MAX)
		return;
	i->served += !i->seen[queue];
	i->seen[queue] = true;
	fs_cpus_add(&i->irq_cpus, cpu);
}

static void look_at(struct interface *i)
{
	struct fs_cpus unused = {0};
	struct dirent *entry;
	char path[320];
	DIR *dir;

	snprintf(path, sizeof(path), NET "/%s/queues", i->name);
	dir = opendir(path);
	while (dir && (entry = readdir(dir)) && i->rx + i->tx < QUEUES_MAX) {
		if (!strncmp(entry->d_name, "rx-", 3)) {
			i->rx++;
			i->rps += has_mask(i->name, entry->d_name, "rps_cpus", &i->rps_cpus);
		} else if (!strncmp(entry->d_name, "tx-", 3)) {
			i->tx++;
			i->xps += has_mask(i->name, entry->d_name, "xps_cpus", &unused);
		}
	}
	if (dir)
		closedir(dir);
	fs_nicinfo_queues(i->name, on_queue, i);
}

/* "ff", the mask of the first n CPUs. */
static void first_cpus(char *text, size_t len, unsigned n)
{
	struct fs_cpus set = {0};
	size_t at = 0;

	for (unsigned cpu = 0; cpu < n; cpu++)
		fs_cpus_add(&set, cpu);
	for (int word = (int)(n - 1) / 32; word >= 0 && at < len; word--)
		at += (size_t)snprintf(text + at, len - at, at ? ",%08" PRIx32 : "%" PRIx32,
				       (uint32_t)(set.bits[word / 2] >> (word % 2 * 32)));
}

static void check_queues(struct fs_findings *f, const struct interface *i, unsigned cpus)
{
	char mask[FS_CPUS_MAX / 4 + FS_CPUS_MAX / 32 + 1];

	first_cpus(mask, sizeof(mask), cpus);
	if (i->rx >= cpus) {
		fs_found(f, "rx_queues", FS_LEVEL_OK, "%u receive queues for %u CPUs", i->rx, cpus);
	} else if (fs_cpus_count(&i->rps_cpus) >= cpus) {
		fs_found(f, "rx_queues", FS_LEVEL_OK, "%u receive queue%s for %u CPUs, and RPS spreads the packets over %u",
			 i->rx, i->rx == 1 ? "" : "s", cpus, fs_cpus_count(&i->rps_cpus));
	} else {
		fs_found(f, "rx_queues", FS_LEVEL_ADVICE, "%u receive queue%s for %u CPUs", i->rx, i->rx == 1 ? "" : "s", cpus);
		fs_found_why(f, "packets arrive on %u of them, and what those do not manage has to be moved to the others",
			     i->rx);
		fs_found_mend(f, "fastsock nic %s; by hand: ethtool -L %s combined %u, which may take the link down for a moment;"
			      " if it has no more queues: for q in " NET "/%s/queues/rx-*; do echo %s >$q/rps_cpus; done", i->name,
			      i->name, cpus, i->name, mask);
	}
	fs_found_subject(f, i->name);
}

static void check_rps(struct fs_findings *f, const struct interface *i, unsigned cpus)
{
	char list[256];

	if (!i->rps) {
		fs_found(f, "rps", FS_LEVEL_OK, "no RPS: packets stay on the CPU of their queue");
	} else if (i->rx >= cpus) {
		fs_cpus_format(&i->rps_cpus, list, sizeof(list));
		fs_found(f, "rps", FS_LEVEL_ADVICE, "RPS sends packets on to CPUs %s", list);
		fs_found_why(f, "there is a queue for each CPU, so this costs an interrupt more a packet and gains nothing");
		fs_found_mend(f, "for q in " NET "/%s/queues/rx-*; do echo 0 >$q/rps_cpus; done", i->name);
	} else {
		fs_found(f, "rps", FS_LEVEL_OK, "RPS spreads what %u receive queue%s take", i->rx, i->rx == 1 ? "" : "s");
	}
	fs_found_subject(f, i->name);
}

static void check_xps(struct fs_findings *f, const struct interface *i)
{
	if (i->tx < 2) {
		fs_found(f, "xps", FS_LEVEL_OK, "one transmit queue: nothing for XPS to choose from");
	} else if (i->xps) {
		fs_found(f, "xps", FS_LEVEL_OK, "XPS binds %u of %u transmit queues to CPUs", i->xps, i->tx);
	} else {
		fs_found(f, "xps", FS_LEVEL_ADVICE, "no XPS on %u transmit queues", i->tx);
		fs_found_why(f, "a CPU's packets leave by any queue, whose lock and completions it then shares with others");
		fs_found_mend(f, "echo 1 >" NET "/%s/queues/tx-0/xps_cpus; echo 2 >" NET "/%s/queues/tx-1/xps_cpus; and so on",
			      i->name, i->name);
	}
	fs_found_subject(f, i->name);
}

static void check_interrupts(struct fs_findings *f, const struct interface *i, unsigned cpus)
{
	unsigned want = i->served < cpus ? i->served : cpus, have = fs_cpus_count(&i->irq_cpus);
	char list[256];

	/* Virtual devices have none, and others do not tell which queue an interrupt belongs to. */
	if (!i->served)
		return;
	fs_cpus_format(&i->irq_cpus, list, sizeof(list));
	if (have >= want) {
		fs_found(f, "irq_affinity", FS_LEVEL_OK, "interrupts of %u receive queue%s go to CPU%s %s", i->served,
			 i->served == 1 ? "" : "s", have == 1 ? "" : "s", list);
	} else {
		fs_found(f, "irq_affinity", FS_LEVEL_ADVICE, "interrupts of %u receive queues go to %u CPU%s (%s)", i->served,
			 have, have == 1 ? "" : "s", list);
		fs_found_why(f, "several queues share a CPU, while others get no packets");
		fs_found_mend(f, "fastsock nic %s; by hand: grep %s /proc/interrupts, and for each of them:"
			      " echo CPU >/proc/irq/NUMBER/smp_affinity_list", i->name, i->name);
	}
	fs_found_subject(f, i->name);
}

static bool has(const char *interface, const char *entry)
{
	char path[320];

	snprintf(path, sizeof(path), NET "/%s/%s", interface, entry);
	return access(path, F_OK) == 0;
}

static bool is_up(const char *name)
{
	char *text = fs_text_read(NULL, NET "/%s/flags", name);
	unsigned long flags = text ? strtoul(text, NULL, 16) : 0;

	free(text);
	/* IFF_UP and IFF_LOOPBACK */
	return flags & 1 && !(flags & 8);
}

/*
 * NICs. Where there are none, as in a container, what stands in for them: not bridges and their
 * ports, bonds and the like, whose packets came through something else before.
 */
static bool wanted(const char *name, bool nics)
{
	if (nics || !is_up(name))
		return nics && is_up(name) && has(name, "device");
	return !has(name, "bridge") && !has(name, "bonding") && !has(name, "master") && !has(name, "tun_flags");
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(const struct dirent *const *)a)->d_name, (*(const struct dirent *const *)b)->d_name);
}

static int choose(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static bool running(const char *command)
{
	struct dirent *entry;
	bool found = false;
	DIR *dir = opendir("/proc");

	while (dir && !found && (entry = readdir(dir))) {
		char *text;

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		text = fs_text_read(NULL, "/proc/%s/comm", entry->d_name);
		found = text && !strncmp(text, command, strlen(command)) && text[strlen(command)] == '\n';
		free(text);
	}
	if (dir)
		closedir(dir);
	return found;
}

static void check_irqbalance(struct fs_findings *f, unsigned queues)
{
	if (!running("irqbalance")) {
		fs_found(f, "irqbalance", FS_LEVEL_OK, "irqbalance does not run: interrupts stay where they are");
	} else if (queues < 2) {
		fs_found(f, "irqbalance", FS_LEVEL_OK, "irqbalance runs, and has no receive queues to move apart");
	} else {
		fs_found(f, "irqbalance", FS_LEVEL_ADVICE, "irqbalance moves the interrupts of receive queues");
		fs_found_why(f, "connections that are open then get their packets on another CPU than their worker's");
		fs_found_mend(f, "add IRQBALANCE_ARGS=\"--banirq=NUMBER ...\" for them to /etc/default/irqbalance, and restart it");
	}
}

static void check_somaxconn(struct fs_findings *f)
{
	int64_t most = fs_text_number(-1, "/proc/sys/net/core/somaxconn");

	if (most < 0)
		return;
	if (most >= SOMAXCONN_LEAST) {
		fs_found(f, "somaxconn", FS_LEVEL_OK, "net.core.somaxconn is %" PRId64, most);
		return;
	}
	fs_found(f, "somaxconn", FS_LEVEL_ADVICE, "net.core.somaxconn is %" PRId64, most);
	fs_found_why(f, "no queue of a listener gets longer, whatever the program asks for: a burst of connections is dropped");
	fs_found_mend(f, "sysctl -w net.core.somaxconn=4096, and restart the server");
}

static void check_conntrack(struct fs_findings *f)
{
	int64_t count = fs_text_number(-1, "/proc/sys/net/netfilter/nf_conntrack_count");
	int64_t most = fs_text_number(-1, "/proc/sys/net/netfilter/nf_conntrack_max");

	if (count < 0 || most <= 0) {
		fs_found(f, "conntrack", FS_LEVEL_OK, "connections are not tracked");
		return;
	}
	/* Dropped SYNs from 95 % on are a matter of a second; from three quarters on, of one busy hour. */
	if (count * 4 < most * 3) {
		fs_found(f, "conntrack", FS_LEVEL_OK, "connection tracking: %" PRId64 " of %" PRId64 " entries", count, most);
		return;
	}
	fs_found(f, "conntrack", count * 20 >= most * 19 ? FS_LEVEL_PROBLEM : FS_LEVEL_ADVICE,
		 "connection tracking is %s full: %" PRId64 " of %" PRId64 " entries", count * 20 >= most * 19 ? "all but" : "nearly",
		 count, most);
	fs_found_why(f, "when it is full, the kernel drops new connections before any listener sees them");
	/* Not NOTRACK: a stateful firewall lets nothing through that it does not track. */
	fs_found_mend(f, "sysctl -w net.netfilter.nf_conntrack_max=%" PRId64, most * 4);
}

void fs_doctor_network(struct fs_findings *f)
{
	struct dirent **entry;
	struct fs_cpus online;
	unsigned cpus = 0, most = 0;
	bool nics = false;
	char *text = fs_text_read(NULL, "/sys/devices/system/cpu/online");
	int n = scandir(NET, &entry, choose, NULL);

	if (text && fs_cpus_parse(text, &online) == 0)
		cpus = fs_cpus_count(&online);
	free(text);
	if (n > 0)
		qsort(entry, (size_t)n, sizeof(*entry), by_name);
	for (int at = 0; at < n; at++)
		nics |= is_up(entry[at]->d_name) && has(entry[at]->d_name, "device");
	for (int at = 0; at < n; at++) {
		struct interface i = {.name = entry[at]->d_name};

		if (cpus && wanted(i.name, nics)) {
			look_at(&i);
			check_queues(f, &i, cpus);
			check_interrupts(f, &i, cpus);
			check_rps(f, &i, cpus);
			check_xps(f, &i);
			most = i.served > most ? i.served : most;
		}
		free(entry[at]);
	}
	if (n >= 0)
		free(entry);
	check_irqbalance(f, most);
	check_somaxconn(f);
	check_conntrack(f);
}
