/*
 * What the kernel tells everybody about a NIC's receive side: RSS key and table, which
 * fields are hashed (ethtool's ioctls), and on which CPUs its queues' interrupts are served
 * (sysfs, /proc/irq). Opens and closes files and sockets; for slow paths. One caller at a time.
 */
#ifndef FS_NICINFO_H
#define FS_NICINFO_H

#include "rxmap.h"

/* One of ethtool's commands (linux/ethtool.h) for the interface, in the caller's network namespace. 0 or -errno. */
int fs_nicinfo_ethtool(const char *interface, void *command);
/*
 * Fills in *out. 0; -EOPNOTSUPP when the NIC has no Toeplitz hash over addresses and
 * ports, or does not tell its key; another -errno.
 */
int fs_nicinfo_rss(const char *interface, struct fs_rss *out);
/* The NIC's key is not its own to tell, but whether it hashes ports is: false when IPv6 (or 4) goes by addresses alone. */
bool fs_nicinfo_hashes_ports(const char *interface, bool v6);
/*
 * Calls `each` with a receive queue's number and the one CPU that its interrupt is served on,
 * for those where both can be told.
 */
void fs_nicinfo_queues(const char *interface, void (*each)(unsigned queue, unsigned cpu, void *arg), void *arg);

/* Calls `each` for every interface of the network namespace that /sys shows. */
void fs_nicinfo_interfaces(void (*each)(unsigned ifindex, void *arg), void *arg);

/*
 * Calls `each` with every message-signalled interrupt of the interface's device that has a
 * handler, and the handler's name, which a newline may end. In no order.
 */
void fs_nicinfo_irqs(const char *interface, void (*each)(unsigned irq, const char *name, void *arg), void *arg);

/* Pure: the receive queue that an interrupt's name tells ("virtio0-input.3", "eth0-TxRx-3"), or -1. */
int fs_nicinfo_queue_of(const char *irq_name);
/* Likewise the transmit queue ("virtio0-output.3", "eth0-TxRx-3"). */
int fs_nicinfo_tx_queue_of(const char *irq_name);

#endif
