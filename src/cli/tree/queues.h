/* How many connections wait at each listener of this network namespace. */
#ifndef FS_CLI_QUEUES_H
#define FS_CLI_QUEUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fs_queue {
	uint64_t cookie; /* SO_COOKIE of the listener */
	uint32_t length;
};

struct fs_queues {
	struct fs_queue *queue; /* by cookie */
	size_t nqueues;
};

/* Asks the kernel once, for all listeners; none are known if it does not answer. */
void fs_queues_read(struct fs_queues *queues);
/* Connections that wait at the listener, or -1 when it is not known here. */
int64_t fs_queues_length(const struct fs_queues *queues, uint64_t cookie);
void fs_queues_free(struct fs_queues *queues);

#endif
