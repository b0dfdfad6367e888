#include "portrange.h"

#include <stdatomic.h>
#include <string.h>

#include "ports.h"

/* The ports are read anew so often, in seconds. */
#define AGAIN 10

static struct fs_ports ports;
static _Atomic uint32_t range; /* lowest port, and above it the highest; one word, so that nobody sees half of it */
static _Atomic uint32_t changes;
static uint32_t read_at, asked_at; /* seconds */

void fs_portrange_read(uint32_t now)
{
	static struct fs_ports fresh;

	/* After a failure, once a second. */
	if (asked_at == now || (read_at && read_at + AGAIN >= now))
		return;
	asked_at = now;
	if (fs_ports_read(&fresh) < 0)
		return;
	read_at = now;
	if (memcmp(&fresh, &ports, sizeof(fresh)) == 0)
		return;
	ports = fresh;
	atomic_store_explicit(&range, ports.high << 16 | ports.low, memory_order_relaxed);
	atomic_fetch_add_explicit(&changes, 1, memory_order_relaxed);
}

void fs_portrange_forget(void)
{
	read_at = asked_at = 0;
}

bool fs_portrange(unsigned *low, unsigned *high)
{
	uint32_t ends = atomic_load_explicit(&range, memory_order_relaxed);

	*low = ends ? ends & 0xffff : 1;
	*high = ends >> 16;
	return ends != 0;
}

bool fs_portrange_reserved(unsigned port)
{
	return fs_port_reserved(&ports, port);
}

uint32_t fs_portrange_changes(void)
{
	return atomic_load_explicit(&changes, memory_order_relaxed);
}
