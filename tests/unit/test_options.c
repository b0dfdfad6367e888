/*
 * The environment is typed by people: each variable takes what is documented
 * and nothing else, a bad value is reported with all that is needed to mend it
 * and leaves the default, and the listen rules select exactly the listeners
 * that they name.
 */
#include "lib/unit.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include "core/options.h"

static struct {
	const char *variable;
	const char *value;
} environment[32];
static unsigned nenvironment;

static char *get(const char *variable)
{
	for (unsigned i = 0; i < nenvironment; i++) {
		if (!strcmp(environment[i].variable, variable))
			return (char *)environment[i].value;
	}
	return NULL;
}

static struct {
	char variable[32];
	char value[4096];
	char accepted[256];
} complaint[8];
static unsigned ncomplaints;

static void complain(const char *variable, const char *value, const char *accepted)
{
	ck_assert_uint_lt(ncomplaints, 8);
	snprintf(complaint[ncomplaints].variable, sizeof(complaint[0].variable), "%s", variable);
	snprintf(complaint[ncomplaints].value, sizeof(complaint[0].value), "%s", value);
	snprintf(complaint[ncomplaints].accepted, sizeof(complaint[0].accepted), "%s", accepted);
	ncomplaints++;
}

static void set(const char *variable, const char *value)
{
	environment[nenvironment].variable = variable;
	environment[nenvironment].value = value;
	nenvironment++;
}

static void reset(void)
{
	nenvironment = 0;
	ncomplaints = 0;
}

/* Options read into memory full of rubbish: what is not set has to be the default nevertheless. */
static struct fs_options read_options(void)
{
	struct fs_options options;

	memset(&options, 0xa5, sizeof(options));
	fs_options_read(&options, get, complain);
	return options;
}

static struct fs_options read_one(const char *variable, const char *value)
{
	reset();
	set(variable, value);
	return read_options();
}

static void assert_defaults(const struct fs_options *options)
{
	ck_assert(options->on);
	ck_assert(!options->cpus_given);
	ck_assert_uint_eq(options->listen.count, 0);
	ck_assert_int_eq(options->pin, FS_PIN_AUTO);
	ck_assert_int_eq(options->steer, FS_STEER_CPU);
	ck_assert_int_eq(options->log, FS_LOG_WARN);
	ck_assert(options->steal);
	ck_assert(options->balance);
	ck_assert(options->connect);
	ck_assert_str_eq(options->rss, "");
	ck_assert_uint_eq(options->steal_tick, 1000);
	ck_assert_uint_eq(options->steal_high, 75);
	ck_assert_uint_eq(options->steal_low, 10);
	ck_assert_uint_eq(options->steal_target, 5);
	ck_assert_uint_eq(options->steal_window, 20);
	ck_assert_uint_eq(options->steal_compute, 8);
	ck_assert_uint_eq(options->steal_ratio, 5);
}

/* A number has to be one, the whole of it, and in its range; what is not leaves the default. */
START_TEST(numbers)
{
	static const char *const bad[] = {" 200", "200 ", "+200", "-200", "0x200", "200us", "99", "100001", "1e3", "2e",
					  "99999999999999999999999", "100-200"};

	ck_assert_uint_eq(read_one("FASTSOCK_STEAL_TICK", "200").steal_tick, 200);
	ck_assert_uint_eq(read_one("FASTSOCK_STEAL_TICK", "100").steal_tick, 100);
	ck_assert_uint_eq(read_one("FASTSOCK_STEAL_TICK", "100000").steal_tick, 100000);
	ck_assert_uint_eq(read_one("FASTSOCK_STEAL_LOW", "0").steal_low, 0);
	ck_assert_uint_eq(ncomplaints, 0);
	for (unsigned i = 0; i < FS_COUNT(bad); i++) {
		ck_assert_uint_eq(read_one("FASTSOCK_STEAL_TICK", bad[i]).steal_tick, 1000);
		ck_assert_uint_eq(ncomplaints, 1);
	}
}
END_TEST

/*
 * The documented interface, written down a second time: a variable that is renamed
 * or dropped breaks its users.
 */
static const struct {
	const char *variable;
	const char *fallback;
	const char *words; /* accepted, for those that take words */
} documented[] = {
	{"FASTSOCK", "on", "on|off"},
	{"FASTSOCK_CPUS", NULL, NULL},
	{"FASTSOCK_LISTEN", NULL, NULL},
	{"FASTSOCK_PIN", "auto", "auto|app|off"},
	{"FASTSOCK_STEER", "cpu", "cpu|hash|off"},
	{"FASTSOCK_STEAL", "on", "on|off"},
	{"FASTSOCK_BALANCE", "on", "on|off"},
	{"FASTSOCK_STEAL_TICK", "1000", "100-100000"},
	{"FASTSOCK_STEAL_HIGH", "75", "1-100"},
	{"FASTSOCK_STEAL_LOW", "10", "0-100"},
	{"FASTSOCK_STEAL_TARGET", "5", "1-10000"},
	{"FASTSOCK_STEAL_WINDOW", "20", "1-10000"},
	{"FASTSOCK_STEAL_COMPUTE", "8", "1-10000"},
	{"FASTSOCK_STEAL_RATIO", "5", "1-1000"},
	{"FASTSOCK_CONNECT", "auto", "auto|off"},
	{"FASTSOCK_RSS", NULL, NULL},
	{"FASTSOCK_LOG", "warn", "error|warn|info|debug"},
};

START_TEST(table_is_what_is_documented)
{
	ck_assert_uint_eq(fs_option_count, FS_COUNT(documented));
	for (unsigned i = 0; i < fs_option_count; i++) {
		ck_assert_str_eq(fs_option_table[i].variable, documented[i].variable);
		ck_assert_uint_gt(strlen(fs_option_table[i].help), 20);
		ck_assert_uint_gt(strlen(fs_option_table[i].fallback), 0);
		if (!documented[i].words)
			continue;
		ck_assert_str_eq(fs_option_table[i].accepted, documented[i].words);
		ck_assert_str_eq(fs_option_table[i].fallback, documented[i].fallback);
	}
}
END_TEST

START_TEST(unset_and_empty_mean_defaults)
{
	struct fs_options options;

	reset();
	options = read_options();
	assert_defaults(&options);
	for (unsigned i = 0; i < FS_COUNT(documented); i++)
		set(documented[i].variable, "");
	options = read_options();
	assert_defaults(&options);
	ck_assert_uint_eq(ncomplaints, 0);
}
END_TEST

START_TEST(words)
{
	ck_assert(read_one("FASTSOCK", "on").on);
	ck_assert(!read_one("FASTSOCK", "off").on);
	ck_assert_int_eq(read_one("FASTSOCK_PIN", "auto").pin, FS_PIN_AUTO);
	ck_assert_int_eq(read_one("FASTSOCK_PIN", "app").pin, FS_PIN_APP);
	ck_assert_int_eq(read_one("FASTSOCK_PIN", "off").pin, FS_PIN_OFF);
	ck_assert_int_eq(read_one("FASTSOCK_STEER", "cpu").steer, FS_STEER_CPU);
	ck_assert_int_eq(read_one("FASTSOCK_STEER", "hash").steer, FS_STEER_HASH);
	ck_assert_int_eq(read_one("FASTSOCK_STEER", "off").steer, FS_STEER_OFF);
	ck_assert_int_eq(read_one("FASTSOCK_LOG", "error").log, FS_LOG_ERROR);
	ck_assert_int_eq(read_one("FASTSOCK_LOG", "warn").log, FS_LOG_WARN);
	ck_assert_int_eq(read_one("FASTSOCK_LOG", "info").log, FS_LOG_INFO);
	ck_assert_int_eq(read_one("FASTSOCK_LOG", "debug").log, FS_LOG_DEBUG);
	ck_assert_uint_eq(ncomplaints, 0);
}
END_TEST

START_TEST(cpu_lists)
{
	struct fs_options options = read_one("FASTSOCK_CPUS", "0-3,8");

	ck_assert(options.cpus_given);
	ck_assert_uint_eq(ncomplaints, 0);
	for (unsigned cpu = 0; cpu < FS_CPUS_MAX; cpu++)
		ck_assert_msg(fs_cpus_has(&options.cpus, cpu) == (cpu <= 3 || cpu == 8), "CPU %u", cpu);
}
END_TEST

static const struct {
	const char *variable;
	const char *value;
} bad[] = {
	{"FASTSOCK", "yes"},
	{"FASTSOCK", "On"},
	{"FASTSOCK", "1"},
	{"FASTSOCK", "on "},
	{"FASTSOCK", "o"},
	{"FASTSOCK", "on|off"},
	{"FASTSOCK", "|"},
	{"FASTSOCK_CPUS", "x"},
	{"FASTSOCK_CPUS", "3-0"},
	{"FASTSOCK_CPUS", "0-"},
	{"FASTSOCK_CPUS", "0,,1"},
	{"FASTSOCK_CPUS", "-1"},
	{"FASTSOCK_CPUS", "4096"},
	{"FASTSOCK_CPUS", "99999999999999999999"},
	{"FASTSOCK_CPUS", "all CPUs that the process may run on"},
	{"FASTSOCK_LISTEN", "http"},
	{"FASTSOCK_LISTEN", "0"},
	{"FASTSOCK_LISTEN", "65536"},
	{"FASTSOCK_LISTEN", "4294967376"},           /* 80 in 32 bits */
	{"FASTSOCK_LISTEN", "18446744073709551696"}, /* 80 in 64 bits */
	{"FASTSOCK_LISTEN", "-80"},
	{"FASTSOCK_LISTEN", "+80"},
	{"FASTSOCK_LISTEN", "80 81"},
	{"FASTSOCK_LISTEN", "80-90"},
	{"FASTSOCK_LISTEN", "0x50"},
	{"FASTSOCK_LISTEN", " "},
	{"FASTSOCK_LISTEN", ","},
	{"FASTSOCK_LISTEN", "80,"},
	{"FASTSOCK_LISTEN", ",80"},
	{"FASTSOCK_LISTEN", "80,,81"},
	{"FASTSOCK_LISTEN", "!"},
	{"FASTSOCK_LISTEN", "!!80"},
	{"FASTSOCK_LISTEN", "80!"},
	{"FASTSOCK_LISTEN", ":80"},
	{"FASTSOCK_LISTEN", "*:"},
	{"FASTSOCK_LISTEN", "*:0"},
	{"FASTSOCK_LISTEN", "*:*"},
	{"FASTSOCK_LISTEN", "**:80"},
	{"FASTSOCK_LISTEN", "127.0.0.1:"},
	{"FASTSOCK_LISTEN", "127.0.0.1:0"},
	{"FASTSOCK_LISTEN", "127.0.0.1:65536"},
	{"FASTSOCK_LISTEN", "127.0.0.1:80:81"},
	{"FASTSOCK_LISTEN", "127.0.0:80"},
	{"FASTSOCK_LISTEN", "127.0.0.256"},
	{"FASTSOCK_LISTEN", "127.0.0.1/8"},
	{"FASTSOCK_LISTEN", "::1"},
	{"FASTSOCK_LISTEN", "::1:80"},
	{"FASTSOCK_LISTEN", "[::1"},
	{"FASTSOCK_LISTEN", "::1]"},
	{"FASTSOCK_LISTEN", "[]"},
	{"FASTSOCK_LISTEN", "[]:80"},
	{"FASTSOCK_LISTEN", "[::1]80"},
	{"FASTSOCK_LISTEN", "[::1]:"},
	{"FASTSOCK_LISTEN", "[::1]:0"},
	{"FASTSOCK_LISTEN", "[::1]:70000"},
	{"FASTSOCK_LISTEN", "[127.0.0.1]:80"},
	{"FASTSOCK_LISTEN", "[fe80::1%lo]:80"},
	{"FASTSOCK_LISTEN", "[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc]"},
	{"FASTSOCK_LISTEN", "all listeners"},
	{"FASTSOCK_PIN", "on"},
	{"FASTSOCK_PIN", "auto,app"},
	{"FASTSOCK_PIN", "aut"},
	{"FASTSOCK_PIN", "autos"},
	{"FASTSOCK_STEER", "rss"},
	{"FASTSOCK_STEER", "CPU"},
	{"FASTSOCK_LOG", "warning"},
	{"FASTSOCK_LOG", "3"},
};

START_TEST(bad_values_leave_the_default_and_are_told)
{
	struct fs_options options = read_one(bad[_i].variable, bad[_i].value);
	const char *accepted = NULL;

	for (unsigned i = 0; i < fs_option_count; i++) {
		if (!strcmp(fs_option_table[i].variable, bad[_i].variable))
			accepted = fs_option_table[i].accepted;
	}
	assert_defaults(&options);
	ck_assert_msg(ncomplaints == 1, "%s=%s: %u complaints", bad[_i].variable, bad[_i].value, ncomplaints);
	ck_assert_str_eq(complaint[0].variable, bad[_i].variable);
	ck_assert_str_eq(complaint[0].value, bad[_i].value);
	ck_assert_str_eq(complaint[0].accepted, accepted);
}
END_TEST

START_TEST(a_bad_value_spoils_no_other)
{
	struct fs_options options;

	reset();
	set("FASTSOCK_CPUS", "nonsense");
	set("FASTSOCK_LISTEN", "80");
	set("FASTSOCK_PIN", "nonsense");
	set("FASTSOCK_STEER", "hash");
	options = read_options();
	ck_assert_uint_eq(ncomplaints, 2);
	ck_assert_str_eq(complaint[0].variable, "FASTSOCK_CPUS");
	ck_assert_str_eq(complaint[1].variable, "FASTSOCK_PIN");
	ck_assert(!options.cpus_given);
	ck_assert_uint_eq(options.listen.count, 1);
	ck_assert_int_eq(options.pin, FS_PIN_AUTO);
	ck_assert_int_eq(options.steer, FS_STEER_HASH);
}
END_TEST

START_TEST(sixty_four_rules_and_no_more)
{
	struct fs_options options;
	char list[4096] = "";
	size_t len = 0;

	for (int port = 1; port <= 64; port++)
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%d", port > 1 ? "," : "", port);
	options = read_one("FASTSOCK_LISTEN", list);
	ck_assert_uint_eq(ncomplaints, 0);
	ck_assert_uint_eq(options.listen.count, 64);
	ck_assert_uint_eq(options.listen.rule[63].port, 64);

	snprintf(list + len, sizeof(list) - len, ",65");
	options = read_one("FASTSOCK_LISTEN", list);
	ck_assert_uint_eq(ncomplaints, 1);
	ck_assert_uint_eq(options.listen.count, 0);
}
END_TEST

static struct sockaddr_storage address(const char *text, unsigned port)
{
	struct sockaddr_storage out = {0};
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&out;
	struct sockaddr_in *in = (struct sockaddr_in *)&out;

	if (strchr(text, ':')) {
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)port);
		ck_assert_int_eq(inet_pton(AF_INET6, text, &in6->sin6_addr), 1);
	} else {
		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)port);
		ck_assert_int_eq(inet_pton(AF_INET, text, &in->sin_addr), 1);
	}
	return out;
}

static bool wanted(const struct fs_options *options, const char *text, unsigned port)
{
	struct sockaddr_storage addr = address(text, port);

	return fs_listen_wanted(&options->listen, (struct sockaddr *)&addr);
}

static const struct {
	const char *rules;
	const char *address;
	unsigned port;
	bool wanted;
} selected[] = {
	/* nothing given: everything */
	{"", "0.0.0.0", 80, true},
	{"", "::", 80, true},
	/* PORT: any address */
	{"80", "127.0.0.1", 80, true},
	{"80", "::", 80, true},
	{"80", "127.0.0.1", 81, false},
	{"00080", "127.0.0.1", 80, true},
	{"65535", "127.0.0.1", 65535, true},
	{"1", "127.0.0.1", 1, true},
	{"80,443", "127.0.0.1", 443, true},
	{"80,443", "127.0.0.1", 444, false},
	/* *:PORT, and * alone */
	{"*:80", "127.0.0.1", 80, true},
	{"*:80", "::1", 80, true},
	{"*:80", "127.0.0.1", 8080, false},
	{"*,!22", "127.0.0.1", 80, true},
	{"*,!22", "127.0.0.1", 22, false},
	/* ADDRESS: any port, no other address */
	{"127.0.0.1", "127.0.0.1", 1, true},
	{"127.0.0.1", "127.0.0.1", 65535, true},
	{"127.0.0.1", "127.0.0.2", 80, false},
	{"127.0.0.1", "0.0.0.0", 80, false},
	{"[::1]", "::1", 80, true},
	{"[::1]", "::2", 80, false},
	{"[::1]", "::", 80, false},
	/* ADDRESS:PORT */
	{"127.0.0.1:80", "127.0.0.1", 80, true},
	{"127.0.0.1:80", "127.0.0.1", 81, false},
	{"127.0.0.1:80", "127.0.0.2", 80, false},
	{"[2001:db8::1]:443", "2001:db8::1", 443, true},
	{"[2001:DB8:0:0::1]:443", "2001:db8::1", 443, true},
	{"[2001:db8::1]:443", "2001:db8::1", 80, false},
	/* 0.0.0.0 and :: are addresses like others */
	{"0.0.0.0:80", "0.0.0.0", 80, true},
	{"0.0.0.0:80", "127.0.0.1", 80, false},
	{"0.0.0.0:80", "::", 80, false},
	{"[::]:80", "::", 80, true},
	{"[::]:80", "0.0.0.0", 80, false},
	{"[::]:80", "::1", 80, false},
	/* IPv4 has the same bytes as the head of some IPv6 address, and yet is another */
	{"127.0.0.1", "7f00:1::", 80, false},
	{"[7f00:1::]", "127.0.0.1", 80, false},
	/* v4-mapped on either side is IPv4 */
	{"127.0.0.1:80", "::ffff:127.0.0.1", 80, true},
	{"127.0.0.1:80", "::ffff:127.0.0.2", 80, false},
	{"[::ffff:127.0.0.1]:80", "127.0.0.1", 80, true},
	{"[::ffff:127.0.0.1]:80", "::ffff:127.0.0.1", 80, true},
	{"0.0.0.0:80", "::ffff:0.0.0.0", 80, true},
	/* exclusions */
	{"!22", "127.0.0.1", 22, false},
	{"!22", "127.0.0.1", 80, true},
	{"!127.0.0.1", "127.0.0.1", 80, false},
	{"!127.0.0.1", "127.0.0.2", 80, true},
	{"!127.0.0.1,!22", "127.0.0.2", 22, false},
	{"![::1]:80", "::1", 80, false},
	{"![::1]:80", "::1", 81, true},
	{"!*:80", "::1", 80, false},
	/* the last match decides */
	{"80,!127.0.0.1:80", "127.0.0.1", 80, false},
	{"80,!127.0.0.1:80", "127.0.0.2", 80, true},
	{"!127.0.0.1:80,80", "127.0.0.1", 80, true},
	{"!80,127.0.0.1:80", "127.0.0.1", 80, true},
	{"!80,127.0.0.1:80", "127.0.0.2", 80, false},
	{"!80,127.0.0.1:80", "127.0.0.2", 81, false},
	{"80,!80,80", "127.0.0.1", 80, true},
	{"80,!80", "127.0.0.1", 80, false},
	/* spaces around entries */
	{" 80 , 443 ", "127.0.0.1", 443, true},
	{"  !22  ", "127.0.0.1", 22, false},
	{"! 22", "127.0.0.1", 22, false},
	{" [::1]:80 , *:81", "::1", 80, true},
};

START_TEST(rules_select)
{
	struct fs_options options = read_one("FASTSOCK_LISTEN", selected[_i].rules);

	ck_assert_msg(!ncomplaints, "\"%s\" is refused", selected[_i].rules);
	ck_assert_msg(wanted(&options, selected[_i].address, selected[_i].port) == selected[_i].wanted,
		      "\"%s\" and %s port %u", selected[_i].rules, selected[_i].address, selected[_i].port);
}
END_TEST

START_TEST(other_families_are_never_wanted)
{
	struct fs_options options = read_one("FASTSOCK_LISTEN", "*");
	struct sockaddr_un un = {.sun_family = AF_UNIX};

	ck_assert(!fs_listen_wanted(&options.listen, (struct sockaddr *)&un));
	options = read_one("FASTSOCK_LISTEN", "");
	ck_assert(!fs_listen_wanted(&options.listen, (struct sockaddr *)&un));
}
END_TEST

/*
 * A small world for random lists: the rule's text and what it stands for are drawn
 * together, so that the expectation owes nothing to the parser.
 */
static const struct {
	const char *rule; /* "" any address */
	const char *bound[2];
} places[] = {
	{"", {"10.0.0.1", "fd00::1"}},
	{"*", {"10.0.0.2", "fd00::2"}},
	{"127.0.0.1", {"127.0.0.1", "::ffff:127.0.0.1"}},
	{"0.0.0.0", {"0.0.0.0", "::ffff:0.0.0.0"}},
	{"[::]", {"::", "0::0"}},
	{"[::1]", {"::1", "0:0::1"}},
};

START_TEST(random_lists)
{
	struct unit_random random = unit_random_from(0x66733031);

	for (int round = 0; round < 2000; round++) {
		unsigned place[8], port[8], n = 1 + unit_random_below(&random, 8);
		unsigned at = unit_random_below(&random, FS_COUNT(places));
		unsigned at_port = 80 + unit_random_below(&random, 3);
		bool exclude[8], any_positive = false, decided = false, expected = false;
		struct fs_options options;
		char list[512] = "";
		size_t len = 0;

		for (unsigned i = 0; i < n; i++) {
			place[i] = unit_random_below(&random, FS_COUNT(places));
			/*
			 * A port alone stands for any address; an address alone for any port, written as
			 * port 0 here.
			 */
			port[i] = place[i] == 0 || unit_random_below(&random, 2) ? 80 + unit_random_below(&random, 3) : 0;
			exclude[i] = unit_random_below(&random, 2);
			any_positive |= !exclude[i];
			len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%s%s%s", i ? "," : "",
						exclude[i] ? "!" : "", places[place[i]].rule,
						place[i] && port[i] ? ":" : "");
			if (port[i])
				len += (size_t)snprintf(list + len, sizeof(list) - len, "%u", port[i]);
		}
		for (unsigned i = n; i-- > 0 && !decided;) {
			decided = (place[i] < 2 || place[i] == at) && (!port[i] || port[i] == at_port);
			expected = !exclude[i];
		}
		if (!decided)
			expected = !any_positive;
		options = read_one("FASTSOCK_LISTEN", list);
		if (ncomplaints)
			ck_abort_msg("\"%s\" is refused, " UNIT_SEED_FMT, list, random.seed);
		if (wanted(&options, places[at].bound[round % 2], at_port) != expected)
			ck_abort_msg("\"%s\" and %s port %u, " UNIT_SEED_FMT, list, places[at].bound[round % 2], at_port,
				     random.seed);
	}
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("options");
	TCase *values = tcase_create("values");
	TCase *rules = tcase_create("rules");

	tcase_add_test(values, table_is_what_is_documented);
	tcase_add_test(values, unset_and_empty_mean_defaults);
	tcase_add_test(values, words);
	tcase_add_test(values, numbers);
	tcase_add_test(values, cpu_lists);
	tcase_add_loop_test(values, bad_values_leave_the_default_and_are_told, 0, FS_COUNT(bad));
	tcase_add_test(values, a_bad_value_spoils_no_other);
	suite_add_tcase(suite, values);
	tcase_add_test(rules, sixty_four_rules_and_no_more);
	tcase_add_loop_test(rules, rules_select, 0, FS_COUNT(selected));
	tcase_add_test(rules, other_families_are_never_wanted);
	tcase_add_test(rules, random_lists);
	suite_add_tcase(suite, rules);
	return unit_main(suite);
}
