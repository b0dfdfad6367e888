/*
 * The configuration, from environment variables named in options.def: the one
 * table from which the parser, `fastsock run --help` and the man page come.
 */
#ifndef FS_OPTIONS_H
#define FS_OPTIONS_H

#include <sys/socket.h>

#include "cpus.h"

enum fs_pin { FS_PIN_AUTO, FS_PIN_APP, FS_PIN_OFF };
enum fs_steer_mode { FS_STEER_CPU, FS_STEER_HASH, FS_STEER_OFF };
enum fs_log_level { FS_LOG_ERROR, FS_LOG_WARN, FS_LOG_INFO, FS_LOG_DEBUG };

#define FS_LISTEN_RULES_MAX 64
/* Of FASTSOCK_RSS: a dozen NICs. It is kept as text, because the environment may be overwritten. */
#define FS_RSS_TEXT_MAX 4096

/*
 * One entry of FASTSOCK_LISTEN. Bytes of the address in network order; family 0
 * means any address. Port 0 means any port.
 */
struct fs_listen_rule {
	bool exclude;
	uint8_t family; /* 0, AF_INET or AF_INET6 */
	uint8_t address[16];
	uint16_t port; /* host order */
};

struct fs_listen_filter {
	unsigned count;
	struct fs_listen_rule rule[FS_LISTEN_RULES_MAX];
};

struct fs_options {
	bool on;
	bool cpus_given;
	struct fs_cpus cpus; /* FASTSOCK_CPUS, when cpus_given */
	struct fs_listen_filter listen;
	enum fs_pin pin;
	enum fs_steer_mode steer;
	enum fs_log_level log;
	bool steal;
	bool balance;
	bool connect;
	char rss[FS_RSS_TEXT_MAX]; /* FASTSOCK_RSS, checked; empty without */
	/* In the units of options.def, which says what they are. */
	uint32_t steal_tick;
	uint32_t steal_high;
	uint32_t steal_low;
	uint32_t steal_target;
	uint32_t steal_window;
	uint32_t steal_compute;
	uint32_t steal_ratio;
};

/* A row of options.def, for the command's help. */
struct fs_option_info {
	const char *variable; /* FASTSOCK_PIN */
	const char *accepted; /* auto|app|off */
	const char *fallback; /* the default, as text */
	const char *help;     /* a sentence */
};

extern const struct fs_option_info fs_option_table[];
extern const unsigned fs_option_count;

/*
 * Reads all options through `get` (getenv's shape) into *out, which holds
 * defaults for whatever is unset or bad. For each bad value `complain` gets
 * one line that names the variable, the value and what is accepted. An empty
 * value counts as unset. Allocates nothing. `get` and `complain` are called
 * in the caller's thread.
 */
void fs_options_read(struct fs_options *out, char *(*get)(const char *),
		     void (*complain)(const char *variable, const char *value, const char *accepted));

/*
 * Whether a listener on this address is to be handled: the last rule that matches
 * decides; without a match, it is iff the list has no positive rule.
 */
bool fs_listen_wanted(const struct fs_listen_filter *filter, const struct sockaddr *addr);

#endif
