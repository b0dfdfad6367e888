/*
 * What the files of `fastsock nic` share: how an interface is set up (nic_read.c), what
 * would be better (nic_plan.c, pure), and doing and undoing that (nic_change.c, nic_record.c).
 *
 * Whatever can be changed is a *setting*, and its value is a text: the one that the kernel prints
 * and takes, where that is one. So what was there is kept, put back and compared byte for byte.
 */
#ifndef FS_CLI_NIC_H
#define FS_CLI_NIC_H

#include <linux/ethtool.h>
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/cpus.h"
#include "cli/pool.h"

/* In the order in which they are put back: a change of the number of queues resets all that follows. */
enum fs_nic_kind {
	FS_NIC_CHANNELS, /* "RX/TX/OTHER/COMBINED" */
	FS_NIC_TABLE,    /* RSS's indirection table: "0,1,2,3,..." */
	FS_NIC_IRQ,      /* smp_affinity_list of interrupt `number` */
	FS_NIC_RPS,      /* rps_cpus of receive queue `number` */
	FS_NIC_XPS,      /* xps_cpus of transmit queue `number` */
};

struct fs_nic_setting {
	enum fs_nic_kind kind;
	unsigned number;
	const char *name; /* an interrupt's, which outlives its number; "" for the others */
	const char *value;
	bool made; /* of a queue that --channels has made: it is put back before that is, and is gone then */
};

struct fs_nic_settings {
	struct fs_nic_setting *setting;
	size_t count;
};

/* ---- how it is ---- */

struct fs_nic_irq {
	unsigned number;
	const char *name;
	int rx, tx;       /* the queues that its name tells, or -1 */
	const char *cpus; /* as a list, or NULL when it cannot be read */
	bool fixed;       /* the kernel does not let anybody move it */
};

struct fs_nic_queue {
	const char *cpus; /* mask of RPS or XPS; NULL when it cannot be read or there is none */
	const char *more; /* a receive queue's rps_flow_cnt, a transmit queue's xps_rxqs; NULL likewise */
};

struct fs_nic_state {
	char interface[IFNAMSIZ];
	const char *driver; /* "" when it does not tell */
	bool hardware;      /* it has a device; veth, for one, has none */
	int node;           /* NUMA node of the device, or -1 */
	const uint16_t *cpu; /* the CPUs to use, the best ones first */
	unsigned ncpus;
	struct fs_nic_irq *irq; /* by number */
	unsigned nirqs;
	struct fs_nic_queue *rx, *tx;
	unsigned nrx, ntx;
	bool has_channels, has_coalesce, has_key;
	struct ethtool_channels channels;
	struct ethtool_coalesce coalesce;
	const uint32_t *table; /* NULL when there is none */
	unsigned table_len;
	unsigned nrings; /* queues that the table may name */
	const uint8_t *key;
	unsigned key_len;
	unsigned irqbalance; /* its process, or 0 when none is to be seen */
	const char *record;  /* the path of what was there before --apply, or NULL */
	const char **unread; /* "FILE: reason", NULL behind the last one */
	size_t nunread;
};

/*
 * Reads all there is, from the kernel, for the CPUs of `cpu`, or if ncpus is 0, for those that this command may use, the
 * NIC's own NUMA node first. FS_EXIT_OK, or another status after a message.
 */
int fs_nic_read(struct fs_pool *pool, const char *interface, const uint16_t *cpu, unsigned ncpus,
		struct fs_nic_state *state);

/* ---- what would be better ---- */

struct fs_nic_wish {
	bool channels, rps;
};

struct fs_nic_change {
	struct fs_nic_setting to;
	const char *from;  /* the value now */
	const char *label; /* "rx-0" */
	const char *what;  /* "interrupt 45 on CPUs 0-3 -> CPU 0" */
	const char *why;   /* "so that ..." */
};

/* Something that is left alone, or that is for the operator to decide: "RPS", "off already". */
struct fs_nic_note {
	const char *label, *text;
};

struct fs_nic_plan {
	struct fs_nic_change *change;
	size_t nchanges;
	struct fs_nic_note *left, *advice;
	size_t nleft, nadvice;
	bool more; /* the number of queues changes first, and the rest depends on what is there then */
};

void fs_nic_plan(struct fs_pool *pool, const struct fs_nic_state *state, const struct fs_nic_wish *wish,
		 struct fs_nic_plan *plan);

/* Every setting of the interface as it is now, for the record: a change of the number of queues may reset any of them. */
void fs_nic_snapshot(struct fs_pool *pool, const struct fs_nic_state *state, struct fs_nic_settings *all);

/* CPU masks as sysfs has them: "00000001,0000000f". Pure. False when it is none, or names a CPU of FS_CPUS_MAX or above. */
bool fs_nic_parse_mask(const char *text, struct fs_cpus *out);
const char *fs_nic_format_mask(struct fs_pool *pool, const struct fs_cpus *cpus);

/* ---- settings in the kernel ---- */

/* The values that are not files. NULL when the interface has no such thing, with *err. */
const char *fs_nic_channels_text(struct fs_pool *pool, const struct ethtool_channels *channels);
const char *fs_nic_table_text(struct fs_pool *pool, const uint32_t *table, unsigned len);

/* The value now, or NULL with *err = -errno; -ENOENT when what it belongs to is gone. */
const char *fs_nic_value(struct fs_pool *pool, const char *interface, const struct fs_nic_setting *setting, int *err);
/* 0 or -errno. */
int fs_nic_set(const char *interface, const struct fs_nic_setting *setting);
/* "interrupt 45", "RPS of rx-0", "the RSS table". */
const char *fs_nic_setting_name(struct fs_pool *pool, const struct fs_nic_setting *setting);

/* ---- what was there before ---- */

/* Which device a record is about: names and numbers of interfaces are given again to others. */
struct fs_nic_identity {
	char interface[IFNAMSIZ];
	char recorded[IFNAMSIZ]; /* the name that its record is kept by: another one when it was renamed since */
	unsigned ifindex;
	uint64_t netns;
	char boot[40];
	char mac[3 * 32]; /* the permanent one, or where there is none, the one it has */
};

int fs_nic_identify(const char *interface, struct fs_nic_identity *identity);
/* The record's path; once it was read, that of the one that was found. */
const char *fs_nic_record_path(struct fs_pool *pool, const struct fs_nic_identity *identity);
/*
 * Reads the record of this device, which after a renaming is found by its old name. 0 and the settings; -ENOENT when
 * there is none, or one that a device has left which is gone; -ESTALE when what is there by this name is about another
 * device, which is still there; -EPERM when others than root could have written it; another -errno.
 */
int fs_nic_record_read(struct fs_pool *pool, struct fs_nic_identity *identity, struct fs_nic_settings *before);
/* The name that the device now has which the record is about, or NULL when there is none to be seen. */
const char *fs_nic_record_owner(struct fs_pool *pool, const struct fs_nic_identity *identity);
/* Written whole or not at all. Needs the lock. 0 or -errno. */
int fs_nic_record_write(struct fs_pool *pool, const struct fs_nic_identity *identity, const struct fs_nic_settings *before);
/* Needs the lock. */
void fs_nic_record_remove(struct fs_pool *pool, const struct fs_nic_identity *identity);
/* One command at a time: a descriptor to hold, or -errno; -EBUSY when there is another one. Makes the directory if `make`. */
int fs_nic_record_lock(bool make);
/* Removes the directory, too, when there is no record left. */
void fs_nic_record_unlock(int lock);

/* ---- the actions; they return the command's exit status ---- */

struct fs_nic_request {
	const char *interface;
	uint16_t cpu[FS_CORES_MAX];
	uint32_t ncpus; /* 0: those that the command may use */
	bool apply, undo, json;
	struct fs_nic_wish wish;
};

int fs_nic_apply(struct fs_pool *pool, const struct fs_nic_request *request);
int fs_nic_undo(struct fs_pool *pool, const struct fs_nic_request *request);

void fs_nic_print(struct fs_pool *pool, const struct fs_nic_state *state, const struct fs_nic_plan *plan);
void fs_nic_print_json(struct fs_pool *pool, const struct fs_nic_state *state, const struct fs_nic_plan *plan);
/* The parts of it that are said after --apply, too. */
void fs_nic_print_advice(const struct fs_nic_plan *plan);

#endif
