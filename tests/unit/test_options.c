/*
 * The environment is typed by people: each variable takes what is documented
 * and nothing else, a bad value is reported with all that is needed to mend it
 * and leaves the default.
 */
#include "options_check.h"

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

int main(void)
{
	Suite *suite = suite_create("options");
	TCase *values = tcase_create("values");

	tcase_add_test(values, table_is_what_is_documented);
	tcase_add_test(values, unset_and_empty_mean_defaults);
	tcase_add_test(values, words);
	tcase_add_test(values, numbers);
	tcase_add_test(values, cpu_lists);
	tcase_add_loop_test(values, bad_values_leave_the_default_and_are_told, 0, FS_COUNT(bad));
	tcase_add_test(values, a_bad_value_spoils_no_other);
	tcase_add_test(values, sixty_four_rules_and_no_more);
	suite_add_tcase(suite, values);
	return unit_main(suite);
}
