/*
 * Accept queues by socket cookie: the region names its sockets by cookie, and
 * sock_diag tells cookies together with queue lengths.
 */
#include <stdlib.h>

#include "core/netdiag.h"
#include "cli/cli.h"
#include "queues.h"

static bool keep(const struct fs_netdiag_listener *listener, void *arg)
{
	struct fs_queues *queues = arg;

	/* Room for twice as many whenever it is full: 0, 1, 3, 7 ... */
	if (!(queues->nqueues & (queues->nqueues + 1)))
		queues->queue = fs_cli_grow(queues->queue, 2 * (queues->nqueues + 1), sizeof(*queues->queue));
	queues->queue[queues->nqueues++] = (struct fs_queue){listener->cookie, listener->queue};
	return true;
}

static int by_cookie(const void *a, const void *b)
{
	const struct fs_queue *x = a, *y = b;

	return (x->cookie > y->cookie) - (x->cookie < y->cookie);
}

void fs_queues_read(struct fs_queues *queues)
{
	*queues = (struct fs_queues){0};
	if (fs_netdiag_listeners(0, keep, queues) < 0)
		queues->nqueues = 0;
	if (queues->nqueues)
		qsort(queues->queue, queues->nqueues, sizeof(*queues->queue), by_cookie);
}

int64_t fs_queues_length(const struct fs_queues *queues, uint64_t cookie)
{
	const struct fs_queue key = {.cookie = cookie};
	const struct fs_queue *found = NULL;

	if (queues->nqueues)
		found = bsearch(&key, queues->queue, queues->nqueues, sizeof(key), by_cookie);
	return found ? (int64_t)found->length : -1;
}

void fs_queues_free(struct fs_queues *queues)
{
	free(queues->queue);
	*queues = (struct fs_queues){0};
}
