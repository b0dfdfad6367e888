/*
 * The counters of the region, once: what JSON, the Prometheus exposition, samples
 * and their differences are made of. A new counter is a line here, and a word in
 * fastsock(1), which a test compares with what comes out.
 *
 * X(FIELD, METRIC, LABEL, DIVISOR, HELP): the field of the record, which is also the
 * key in JSON; the metric's name without "fastsock_" and "_total"; a label that tells
 * it from others of the same name, or ""; by what it is divided to be in base units.
 * Rows of one metric stand together, and its help is in the first of them.
 */
#ifndef FS_CLI_COUNTERS_H
#define FS_CLI_COUNTERS_H

#include "core/region.h"

/* Of a core in a group: struct fs_core_rec. */
#define FS_CORE_COUNTERS(X) \
	X(accepted_local, "accepted_connections", "kind=\"local\"", 1, \
	  "Connections accepted by workers of this CPU, from its local listener, the global one, or other CPUs' (stolen).") \
	X(accepted_global, "accepted_connections", "kind=\"global\"", 1, NULL) \
	X(stolen, "accepted_connections", "kind=\"stolen\"", 1, NULL) \
	X(given, "given_connections", "", 1, "Connections that other CPUs' workers took from this CPU's local listener.") \
	X(rescued, "rescued_connections", "", 1, "Given connections, while the worker was stuck, stopped or dead.") \
	X(parked, "parked_connections", "", 1, "Given connections, while the worker did not wait for connections.") \
	X(woken, "wakeups", "", 1, "Times that a worker of this CPU was woken for another CPU's connection.") \
	X(rx_sampled, "rx_sampled_connections", "", 1, "Accepted connections whose receiving CPU was looked at.") \
	X(rx_local, "rx_local_connections", "", 1, "Sampled connections whose packets arrive on the CPU that accepted them.")

/* Of a core whatever the group: struct fs_core_load. */
#define FS_LOAD_COUNTERS(X) \
	X(busy_us, "busy_seconds", "", 1000000, "Time that the CPU's workers were outside their waits, sampled.") \
	X(groups_out, "flow_groups_moved", "direction=\"out\"", 1, "Flow groups that balance moved away from the CPU, and to it.") \
	X(groups_in, "flow_groups_moved", "direction=\"in\"", 1, NULL)

/* Of the connections that are opened from a core: struct fs_core_active; the reasons of FS_FALLBACK_TABLE beside them. */
#define FS_CONNECT_COUNTERS(X) \
	X(calls, "connect_calls", "", 1, "Connections that threads bound to this CPU opened to other machines.") \
	X(steered, "connect_steered", "", 1, "Opened connections that got a source port from the library.") \
	X(tries, "connect_tries", "", 1, "Source ports that were tried for them.") \
	X(rx_sampled, "connect_rx_sampled", "", 1, "Opened connections whose receiving CPU was looked at.") \
	X(rx_local, "connect_rx_local", "", 1, "Sampled opened connections whose packets arrive on the CPU that opened them.")

#define FS_COUNTER_ENUM_CORE(field, ...) FS_CORE_##field,
#define FS_COUNTER_ENUM_LOAD(field, ...) FS_LOAD_##field,
#define FS_COUNTER_ENUM_CONNECT(field, ...) FS_CONNECT_##field,

enum fs_core_counter { FS_CORE_COUNTERS(FS_COUNTER_ENUM_CORE) FS_CORE_NCOUNTERS };
enum fs_load_counter { FS_LOAD_COUNTERS(FS_COUNTER_ENUM_LOAD) FS_LOAD_NCOUNTERS };
/* The fallbacks follow, from enum fs_fallback 1 on. */
enum fs_connect_counter { FS_CONNECT_COUNTERS(FS_COUNTER_ENUM_CONNECT) FS_CONNECT_fallback };
#define FS_CONNECT_NCOUNTERS (FS_CONNECT_fallback + FS_FALLBACKS - 1)

struct fs_counter {
	const char *key;
	const char *metric;
	const char *label;
	unsigned divisor;
	const char *help;
};

/* A word for enum fs_help, also for what no library would write. */
const char *fs_help_name(unsigned help);

extern const struct fs_counter fs_core_counter[FS_CORE_NCOUNTERS];
extern const struct fs_counter fs_load_counter[FS_LOAD_NCOUNTERS];
/* Those of FS_CONNECT_COUNTERS, then the fallbacks by their words. */
extern const struct fs_counter fs_connect_counter[FS_CONNECT_NCOUNTERS];

#endif
