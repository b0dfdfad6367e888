/*
 * The options as the environment gives them, read by the kinds that
 * options.def names. Pure: no allocation, no stdio, no system call, so it can
 * run before main() and in a test without an environment.
 */
#include "options.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "rss_text.h"

const struct fs_option_info fs_option_table[] = {
#define FS_OPTION(variable, kind, field, accepted, fallback, help) {#variable, accepted, fallback, help},
#include "options.def"
#undef FS_OPTION
};

const unsigned fs_option_count = FS_COUNT(fs_option_table);

/* Which of the words in "one|two|three" the text is, or -1. */
static int word_index(const char *words, const char *text)
{
	size_t len = strlen(text);

	for (int index = 0;; index++) {
		size_t word = strcspn(words, "|");

		if (word == len && !memcmp(words, text, len))
			return index;
		if (!words[word])
			return -1;
		words += word + 1;
	}
}

/* "LOW-HIGH" is the accepted range. No sign, no blank, nothing behind the digits. */
static bool parse_number(const char *text, const char *range, uint32_t *out)
{
	uint64_t value[3] = { 0, 0, 0 }; /* low, high, the text's */
	const char *at = range;

	for (int i = 0; i < 3; i++) {
		const char *start = at;

		for (; *at >= '0' && *at <= '9' && value[i] <= UINT32_MAX; at++)
			value[i] = value[i] * 10 + (uint64_t)(*at - '0');
		if (at == start)
			return false;
		at = i == 0 ? at + 1 : i == 1 ? text : at;
	}
	if (*at || value[2] < value[0] || value[2] > value[1])
		return false;
	*out = (uint32_t)value[2];
	return true;
}

/* A stretch of text that is not NUL-terminated. */
struct span {
	const char *at;
	size_t len;
};

static void trim(struct span *s)
{
	while (s->len && s->at[0] == ' ') {
		s->at++;
		s->len--;
	}
	while (s->len && s->at[s->len - 1] == ' ')
		s->len--;
}

static bool parse_port(struct span s, uint16_t *port)
{
	unsigned value = 0;

	for (size_t i = 0; i < s.len; i++) {
		if (s.at[i] < '0' || s.at[i] > '9')
			return false;
		value = value * 10 + (unsigned)(s.at[i] - '0');
		if (value > UINT16_MAX)
			return false;
	}
	*port = (uint16_t)value;
	return value != 0; /* an empty text comes to 0 as well */
}

/*
 * IPv4 inside IPv6 (RFC 4291, section 2.5.5.2): one address has one form here, or
 * rules and sockets would miss each other.
 */
static void unmap(uint8_t *family, uint8_t address[16])
{
	static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

	if (*family != AF_INET6 || memcmp(address, prefix, sizeof(prefix)))
		return;
	*family = AF_INET;
	memcpy(address, address + 12, 4);
	memset(address + 4, 0, 12);
}

static bool parse_address(int family, struct span s, struct fs_listen_rule *rule)
{
	char text[INET6_ADDRSTRLEN];

	if (s.len >= sizeof(text))
		return false;
	memcpy(text, s.at, s.len);
	text[s.len] = '\0';
	if (inet_pton(family, text, rule->address) != 1)
		return false;
	rule->family = (uint8_t)family;
	unmap(&rule->family, rule->address);
	return true;
}

/* [V6ADDRESS], with or without :PORT; IPv6 has colons of its own, hence the brackets. */
static bool parse_bracketed(struct span s, struct fs_listen_rule *rule)
{
	const char *close = memchr(s.at, ']', s.len);
	struct span address, port;

	if (!close)
		return false;
	address = (struct span){s.at + 1, (size_t)(close - s.at) - 1};
	port = (struct span){close + 1, s.len - address.len - 2};
	if (!parse_address(AF_INET6, address, rule))
		return false;
	if (!port.len)
		return true;
	return port.at[0] == ':' && parse_port((struct span){port.at + 1, port.len - 1}, &rule->port);
}

static bool parse_rule(struct span s, struct fs_listen_rule *rule)
{
	struct span address, port;
	const char *colon;

	*rule = (struct fs_listen_rule){0};
	trim(&s);
	if (s.len && s.at[0] == '!') {
		rule->exclude = true;
		s.at++;
		s.len--;
		trim(&s);
	}
	if (!s.len)
		return false;
	if (s.at[0] == '[')
		return parse_bracketed(s, rule);
	colon = memchr(s.at, ':', s.len);
	address = (struct span){s.at, colon ? (size_t)(colon - s.at) : s.len};
	if (colon) {
		port = (struct span){colon + 1, s.len - address.len - 1};
		if (!parse_port(port, &rule->port))
			return false;
	}
	if (address.len == 1 && address.at[0] == '*')
		return true;
	if (!colon && parse_port(s, &rule->port))
		return true;
	return parse_address(AF_INET, address, rule);
}

static bool parse_rules(const char *text, struct fs_listen_filter *out)
{
	struct fs_listen_filter filter = {0};

	for (;;) {
		size_t len = strcspn(text, ",");

		if (filter.count == FS_LISTEN_RULES_MAX)
			return false;
		if (!parse_rule((struct span){text, len}, &filter.rule[filter.count]))
			return false;
		filter.count++;
		if (!text[len])
			break;
		text += len + 1;
	}
	*out = filter;
	return true;
}

static bool parse_rss(const char *text, char out[FS_RSS_TEXT_MAX])
{
	size_t len = strlen(text);

	if (len >= FS_RSS_TEXT_MAX || fs_rss_text(text, NULL, NULL) < 0)
		return false;
	memcpy(out, text, len + 1);
	return true;
}

/*
 * What a setter does for each kind of row: false, with the field as it was, when
 * the text is not what the row accepts.
 */
#define FS_SET_SWITCH(field, accepted) \
	int word = word_index(accepted, text); \
	if (word >= 0) \
		out->field = word == 0; \
	return word >= 0
#define FS_SET_WORD(field, accepted) \
	int word = word_index(accepted, text); \
	if (word >= 0) \
		out->field = word; \
	return word >= 0
#define FS_SET_NUMBER(field, accepted) \
	return parse_number(text, accepted, &out->field)
#define FS_SET_CPUS(field, accepted) \
	out->field##_given = fs_cpus_parse(text, &out->field) == 0; \
	return out->field##_given
#define FS_SET_RSS(field, accepted) \
	return parse_rss(text, out->field)
#define FS_SET_RULES(field, accepted) \
	return parse_rules(text, &out->field)

#define FS_OPTION(variable, kind, field, accepted, fallback, help) \
	static bool set_##variable(struct fs_options *out, const char *text) \
	{ \
		FS_SET_##kind(field, accepted); \
	}
#include "options.def"
#undef FS_OPTION

static bool (*const set_option[])(struct fs_options *, const char *) = {
#define FS_OPTION(variable, kind, field, accepted, fallback, help) set_##variable,
#include "options.def"
#undef FS_OPTION
};

void fs_options_read(struct fs_options *out, char *(*get)(const char *),
		     void (*complain)(const char *variable, const char *value, const char *accepted))
{
	memset(out, 0, sizeof(*out));
	for (unsigned i = 0; i < fs_option_count; i++) {
		const struct fs_option_info *info = &fs_option_table[i];
		const char *value = get(info->variable);

		/*
		 * A default in prose ("all listeners") is no value to its setter, and an empty
		 * field is what it means.
		 */
		(void)set_option[i](out, info->fallback);
		if (value && *value && !set_option[i](out, value))
			complain(info->variable, value, info->accepted);
	}
}

static bool rule_matches(const struct fs_listen_rule *rule, uint8_t family, const uint8_t address[16], uint16_t port)
{
	if (rule->port && rule->port != port)
		return false;
	return !rule->family || (rule->family == family && !memcmp(rule->address, address, 16));
}

bool fs_listen_wanted(const struct fs_listen_filter *filter, const struct sockaddr *addr)
{
	struct sockaddr_in6 in6;
	struct sockaddr_in in;
	uint8_t address[16] = {0};
	uint8_t family;
	uint16_t port;
	bool wanted = true;

	/* Copied: the caller's buffer may be aligned for a sockaddr alone. */
	if (addr->sa_family == AF_INET) {
		memcpy(&in, addr, sizeof(in));
		memcpy(address, &in.sin_addr, 4);
		port = ntohs(in.sin_port);
	} else if (addr->sa_family == AF_INET6) {
		memcpy(&in6, addr, sizeof(in6));
		memcpy(address, &in6.sin6_addr, 16);
		port = ntohs(in6.sin6_port);
	} else {
		return false;
	}
	family = (uint8_t)addr->sa_family;
	unmap(&family, address);

	for (unsigned i = 0; i < filter->count; i++) {
		if (!filter->rule[i].exclude)
			wanted = false;
	}
	for (unsigned i = 0; i < filter->count; i++) {
		if (rule_matches(&filter->rule[i], family, address, port))
			wanted = !filter->rule[i].exclude;
	}
	return wanted;
}
