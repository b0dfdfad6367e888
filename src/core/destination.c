#define _GNU_SOURCE
#include "destination.h"

#include <string.h>
#include <time.h>

#include "nic.h"
#include "portrange.h"
#include "process.h"
#include "route.h"
#include "siphash.h"
#include "sys/sys.h"

/* Destinations that a core remembers; in sets, of which the entry that was asked for least lately goes. */
#define SETS 64
#define WAYS 4
/* RFC 6056's table of counters: destinations that share one only skip some ports. */
#define COUNTERS 64
/* Routes that one core asks for in a second, at most: about one in a hundred microseconds of it. */
#define LOOKS_MAX 400
/* Seconds after which a table is taken from whoever holds it. */
#define HELD_MAX 1
/* Ports that one connect() tries: the design's figure. */
#define TRIES_MAX 15

struct key {
	uint64_t remote[2], source[2];
	uint32_t scope;
	uint16_t port;
	uint8_t v6;
	uint8_t used; /* 1: the entry holds something */
};

struct entry {
	struct key key;
	uint32_t checked; /* second in which the route was last asked for */
	uint32_t asked;   /* ... in which this entry was last of use */
	struct fs_nic *nic; /* NULL: the way back cannot be steered */
	uint32_t none_at;   /* the map's `changes` + 1 at which no port led to this core; 0: some did */
	uint32_t none_of;   /* ... of the ports that had changed so often */
	uint32_t base;      /* of the hash (rxmap.h) */
	uint32_t start;     /* where its walk over the ports begins */
	uint8_t counter;    /* which counter moves it on */
	uint8_t reason;     /* enum fs_fallback; 0 when ports may be tried */
	uint8_t taken;      /* share of the ports that were taken of those tried lately, of FREE_ALL */
	uint8_t turn;       /* where most are taken: connects since a port was last tried */
};

/* One core's destinations. Held for nanoseconds, by a thread or a signal handler on that core. */
struct table {
	/*
	 * The second since when it is held; 0: it is free. Who left a handler by a jump, or was cancelled, keeps it:
	 * after HELD_MAX seconds others believe that. If the holder was but stopped, two are inside once, and
	 * mix up a destination's port with another one's: that connection is not local, or its port is taken.
	 */
	_Atomic uint32_t busy;
	uint32_t second; /* of `looks` */
	uint32_t looks;
	uint64_t secret[2];
	uint32_t counter[COUNTERS];
	struct entry entry[SETS][WAYS];
};

static _Atomic(struct table *) tables[FS_CORES_MAX];
/* One thread of the process at a time asks the kernel; the others do without. */
static _Atomic bool looking;
/* Acquire, with the release in leave() and stop_looking(): what the last one wrote is seen. */
static bool hold(struct table *t, uint32_t now)
{
	uint32_t since = atomic_load_explicit(&t->busy, memory_order_relaxed);

	return (!since || (int32_t)(now - since) > HELD_MAX) &&
	       atomic_compare_exchange_strong_explicit(&t->busy, &since, now, memory_order_acquire, memory_order_relaxed);
}

static void leave(struct table *t)
{
	atomic_store_explicit(&t->busy, 0, memory_order_release);
}

/* With all signals blocked: a handler that jumps away would leave it set. */
static bool start_looking(void)
{
	return !atomic_load_explicit(&looking, memory_order_relaxed) &&
	       !atomic_exchange_explicit(&looking, true, memory_order_acquire);
}

static void stop_looking(void)
{
	atomic_store_explicit(&looking, false, memory_order_release);
}

uint32_t fs_destination_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return (uint32_t)t.tv_sec + 1;
}

static void key_of(struct key *k, const struct fs_target *t)
{
	memset(k, 0, sizeof(*k));
	memcpy(k->remote, t->remote, sizeof(k->remote));
	if (t->has_source)
		memcpy(k->source, t->source, sizeof(k->source));
	k->scope = t->scope;
	k->port = t->port;
	k->v6 = t->v6;
	k->used = 1;
}

static unsigned set_of(const struct key *k)
{
	uint64_t h = k->remote[0] ^ (k->remote[1] * UINT64_C(0x9e3779b97f4a7c15)) ^ k->source[0] ^ (k->source[1] << 1) ^ k->port;

	h *= UINT64_C(0x9e3779b97f4a7c15);
	return (unsigned)(h >> 58) % SETS;
}

/* The core's table, made at first use and kept. NULL when it is in use at this moment, or there is no memory. */
static struct table *enter(unsigned core, uint32_t now)
{
	struct table *t = atomic_load_explicit(&tables[core], memory_order_acquire), *none = NULL;
	void *fresh;

	if (FS_LIKELY(t != NULL))
		return hold(t, now) ? t : NULL;
	if (fs_sys_map_private(sizeof(*t), &fresh) < 0)
		return NULL;
	t = fresh;
	if (fs_sys_getrandom(t->secret, sizeof(t->secret)) < 0) {
		fs_sys_unmap(fresh, sizeof(*t));
		return NULL;
	}
	/* Release, with the acquire above: who sees the table sees its secret. */
	if (!atomic_compare_exchange_strong_explicit(&tables[core], &none, t, memory_order_release, memory_order_acquire)) {
		fs_sys_unmap(fresh, sizeof(*t));
		t = none;
	}
	return hold(t, now) ? t : NULL;
}

static struct entry *find(struct table *t, const struct key *k)
{
	struct entry *set = t->entry[set_of(k)];

	for (unsigned i = 0; i < WAYS; i++)
		if (memcmp(&set[i].key, k, sizeof(*k)) == 0)
			return &set[i];
	return NULL;
}

static struct entry *replace(struct table *t, const struct key *k)
{
	struct entry *set = t->entry[set_of(k)], *oldest = set;
	uint64_t where;

	for (unsigned i = 0; i < WAYS; i++) {
		if (!set[i].key.used) {
			oldest = &set[i];
			break;
		}
		if (set[i].asked < oldest->asked)
			oldest = &set[i];
	}
	memset(oldest, 0, sizeof(*oldest));
	oldest->key = *k;
	where = fs_siphash(t->secret, k, sizeof(*k));
	oldest->start = (uint32_t)where;
	oldest->counter = (uint8_t)((where >> 32) % COUNTERS);
	return oldest;
}

/* What a look at the route found. */
struct found {
	struct fs_nic *nic;
	uint32_t base;
};

/* Asks the kernel, without the table. False when somebody else does at this moment. */
static bool look(const struct fs_target *t, uint32_t now, struct found *out)
{
	struct fs_rx_tuple tuple = { .v6 = t->v6, .remote_port = t->port };
	struct fs_route route;
	sigset_t old;

	memset(out, 0, sizeof(*out));
	fs_sys_block_signals(&old);
	if (!start_looking()) {
		fs_sys_restore_signals(&old);
		return false;
	}
	fs_portrange_read(now);
	if (fs_route_get(t->v6, t->remote, t->has_source ? t->source : NULL, t->scope, &route) == 0 && !route.local &&
	    route.ifindex && route.has_source)
		out->nic = fs_nic_get(route.ifindex, now);
	if (out->nic && fs_rxmap_covers(&out->nic->map, t->v6)) {
		memcpy(tuple.local, route.source, sizeof(tuple.local));
		memcpy(tuple.remote, t->remote, sizeof(tuple.remote));
		out->base = fs_rxmap_base(&out->nic->map, &tuple);
	} else {
		out->nic = NULL;
	}
	stop_looking();
	fs_sys_restore_signals(&old);
	return true;
}

/* Whether this core may ask for another route in this second. Table taken. */
static bool may_look(struct table *own, uint32_t now)
{
	if (own->second != now) {
		own->second = now;
		own->looks = 0;
	}
	return own->looks++ < LOOKS_MAX;
}

/*
 * The entry, as true as it is to be, with the table taken; NULL, and the table let go, when
 * nothing is known.
 */
static struct entry *current(unsigned core, const struct fs_target *t, uint32_t now, struct table **table)
{
	struct table *own = enter(core, now);
	struct found found;
	struct entry *e;
	struct key k;
	bool looked;

	if (!own)
		return NULL;
	*table = own;
	key_of(&k, t);
	e = find(own, &k);
	if (FS_LIKELY(e && e->checked == now))
		return e;
	if (!may_look(own, now)) {
		if (!e)
			leave(own);
		return e;
	}
	/* The others go on with what is known until this thread knows better. */
	if (e)
		e->checked = now;
	leave(own);
	looked = look(t, now, &found);
	if (!hold(own, now))
		return NULL;
	e = find(own, &k);
	if (looked) {
		if (!e)
			e = replace(own, &k);
		if (e->nic != found.nic)
			e->none_at = 0;
		e->nic = found.nic;
		e->base = found.base;
		e->reason = found.nic ? FS_FALLBACK_NONE : FS_FALLBACK_ROUTE;
		e->checked = now;
	}
	if (!e)
		leave(own);
	else
		e->asked = now;
	return e;
}

/* Why the entry is of no use, if so. */
static enum fs_fallback reason(const struct entry *e, uint32_t now)
{
	if (e->reason)
		return (enum fs_fallback)e->reason;
	return fs_nic_trusted(e->nic, now) ? FS_FALLBACK_NONE : FS_FALLBACK_WRONG;
}

enum fs_fallback fs_destination_known(unsigned core, const struct fs_target *t, uint32_t now)
{
	struct table *own;
	struct entry *e = current(core, t, now, &own);
	enum fs_fallback why;

	if (!e)
		return FS_FALLBACK_BUSY;
	why = reason(e, now);
	leave(own);
	return why;
}

/* The next port of the core's walk, or 0 when none leads there. Table taken. */
static uint16_t walk(struct table *own, const struct entry *e, unsigned core, enum fs_port_walk how)
{
	uint32_t *counter = &own->counter[e->counter];
	unsigned low, high, span, wanted = fs_proc.cpu[core], at;

	fs_portrange(&low, &high);
	if (how & FS_PORT_BIND)
		low = fs_portrange_bindable(low, high);
	span = high + 1 - low;
	/* Ports that were used one after the other are taken one after the other, too, when they wait in TIME_WAIT. */
	if (how & FS_PORT_LEAP)
		*counter += (uint32_t)fs_siphash(own->secret, counter, sizeof(*counter));
	at = span ? (e->start + *counter) % span : 0;
	for (unsigned i = 0; i < span; i++) {
		unsigned port = low + at;

		if (fs_rxmap_cpu(&e->nic->map, e->key.v6, e->base, (uint16_t)port) == wanted && !fs_portrange_reserved(port)) {
			*counter += i + 1;
			return (uint16_t)port;
		}
		if (++at == span)
			at = 0;
	}
	return 0;
}

/*
 * Of the ports that were tried lately, so many of FREE_ALL were free. Each try costs two
 * system calls: while one in twelve is free, 15 tries mostly find it, and are quicker than the kernel's own
 * search of a range that is so full; below that, one connect in 8 tries one port, to see whether
 * it got better. A port that is bound costs four, and is found among fewer.
 */
#define FREE_ALL 255
#define FREE_ENOUGH (FREE_ALL / 12)
#define FREE_ENOUGH_TO_BIND (FREE_ALL / 6)
#define FREE_WEIGHT 16
#define PROBE_EVERY 8

static unsigned tries_for(struct entry *e, bool binds)
{
	if (FREE_ALL - e->taken >= (binds ? FREE_ENOUGH_TO_BIND : FREE_ENOUGH))
		return TRIES_MAX;
	return ++e->turn % PROBE_EVERY == 0;
}

static void note_try(struct entry *e, bool was_free)
{
	if (was_free)
		e->taken -= (uint8_t)((e->taken + FREE_WEIGHT - 1) / FREE_WEIGHT);
	else
		e->taken += (uint8_t)((FREE_ALL - e->taken) / FREE_WEIGHT);
}

enum fs_fallback fs_destination_port(unsigned core, const struct fs_target *t, uint32_t now, enum fs_port_walk how,
				     struct fs_port_choice *out)
{
	struct table *own;
	struct entry *e = current(core, t, now, &own);
	enum fs_fallback why;

	if (!e)
		return FS_FALLBACK_BUSY;
	why = reason(e, now);
	if (why == FS_FALLBACK_NONE) {
		/* Before the search: what changes meanwhile has it done again. */
		uint32_t changes = atomic_load_explicit(&e->nic->map.changes, memory_order_relaxed);
		uint32_t of = fs_portrange_changes();

		out->tries = (uint8_t)tries_for(e, how & FS_PORT_BIND);
		out->crowded = e->taken > 0;
		out->port = 0;
		if (!of)
			why = FS_FALLBACK_BUSY; /* nobody has read yet which ports there are */
		else if (!out->tries)
			why = FS_FALLBACK_TAKEN;
		else if (e->none_at == changes + 1 && e->none_of == of)
			why = FS_FALLBACK_CPU;
		else
			out->port = walk(own, e, core, how);
		if (!why && !out->port) {
			why = FS_FALLBACK_CPU;
			e->none_at = changes + 1;
			e->none_of = of;
		}
	}
	leave(own);
	return why;
}

bool fs_destination_range(unsigned *low, unsigned *high)
{
	if (!start_looking())
		return false;
	fs_portrange_read(fs_destination_now());
	stop_looking();
	return fs_portrange(low, high);
}

/* The entry as it is, with the table taken, or NULL. */
static struct entry *as_is(unsigned core, const struct fs_target *t, uint32_t now, struct table **table)
{
	struct table *own = atomic_load_explicit(&tables[core], memory_order_acquire);
	struct entry *e;
	struct key k;

	if (!own || !hold(own, now))
		return NULL;
	key_of(&k, t);
	e = find(own, &k);
	if (!e)
		leave(own);
	*table = own;
	return e;
}

void fs_destination_tried(unsigned core, const struct fs_target *t, uint32_t now, unsigned tries, bool found)
{
	struct table *own;
	struct entry *e = as_is(core, t, now, &own);

	if (!e)
		return;
	for (unsigned i = found; i < tries; i++)
		note_try(e, false);
	if (found)
		note_try(e, true);
	leave(own);
}

/* The NIC by which connections to the target leave, as far as this core has looked. */
static struct fs_nic *nic_of(unsigned core, const struct fs_target *t, uint32_t now)
{
	struct table *own;
	struct entry *e = as_is(core, t, now, &own);
	struct fs_nic *nic = e ? e->nic : NULL;

	if (e)
		leave(own);
	return nic;
}

bool fs_destination_seen(unsigned core, const struct fs_target *t, uint16_t port, bool chosen, unsigned cpu, uint32_t now)
{
	struct fs_rx_tuple tuple = { .v6 = t->v6, .remote_port = t->port };
	struct fs_target unbound = *t;
	struct fs_nic *nic = nic_of(core, t, now);
	unsigned foretold;
	uint32_t base;

	/* Most sockets are not bound to an address, and it was looked up without one. */
	unbound.has_source = false;
	if (!nic)
		nic = nic_of(core, &unbound, now);
	if (!nic)
		return false;
	memcpy(tuple.local, t->source, sizeof(tuple.local));
	memcpy(tuple.remote, t->remote, sizeof(tuple.remote));
	base = fs_rxmap_base(&nic->map, &tuple);
	/* Of a chosen port: what was promised, which may have been about another source address than it got. */
	foretold = chosen ? fs_proc.cpu[core] : fs_rxmap_cpu(&nic->map, t->v6, base, port);
	if (foretold != FS_NO_CPU)
		fs_nic_observed(nic, foretold, cpu, now);
	if (nic->map.kind == FS_RX_RSS)
		fs_rxmap_seen(&nic->map, fs_rxmap_queue(&nic->map, t->v6, base, port), cpu);
	return true;
}

void fs_destination_before_chroot(void)
{
	uint32_t now = fs_destination_now();
	sigset_t old;

	fs_sys_block_signals(&old);
	if (start_looking()) {
		fs_portrange_forget();
		fs_portrange_read(now);
		fs_nic_all(now);
		stop_looking();
	}
	fs_sys_restore_signals(&old);
}

void fs_destination_forget(void)
{
	/* Not unmapped: fork() may have been called by a handler that interrupted somebody who holds one. */
	for (unsigned c = 0; c < FS_CORES_MAX; c++)
		atomic_store_explicit(&tables[c], NULL, memory_order_relaxed);
	stop_looking();
	/* It may have been half written. */
	fs_portrange_forget();
}
