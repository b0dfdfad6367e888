/*
 * FASTSOCK_LISTEN selects exactly the listeners that its rules name, whatever the
 * family in which an address is bound, and the last rule that matches decides.
 */
#include "options_check.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

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
	Suite *suite = suite_create("listen filter");
	TCase *rules = tcase_create("rules");

	tcase_add_loop_test(rules, rules_select, 0, FS_COUNT(selected));
	tcase_add_test(rules, other_families_are_never_wanted);
	tcase_add_test(rules, random_lists);
	suite_add_tcase(suite, rules);
	return unit_main(suite);
}
