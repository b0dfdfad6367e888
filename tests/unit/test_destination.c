/*
 * Destinations of connect(): each core's ports lead to its CPU, from a place that nobody outside can
 * foretell; routes are asked for so often at most; where ports are taken, fewer are tried; and
 * whoever jumps or forks in the middle leaves nothing that lasts. Route, NIC and range of ports are the
 * test's own here, and so is the clock.
 */
#define _GNU_SOURCE
#include "lib/unit.h"

#include <setjmp.h>

#include "core/destination.h"
#include "core/nic.h"
#include "core/portrange.h"
#include "core/process.h"
#include "core/route.h"

#define CPUS 4
#define LOW 32768
#define HIGH 60999
/* What the design promises: routes that a core asks for in a second, and ports that one connect() tries. */
#define LOOKS 400
#define TRIES 15

/* ---- what the kernel says ---- */

static struct fs_nic nic;
static unsigned routes;
static void (*at_route)(void), (*at_port)(void);

int fs_route_get(bool v6, const uint8_t *remote, const uint8_t *from, unsigned scope, struct fs_route *out)
{
	(void)v6, (void)remote, (void)from, (void)scope;
	routes++;
	if (at_route)
		at_route();
	*out = (struct fs_route){ .ifindex = 2, .has_source = true, .source = { 192, 0, 2, 1 } };
	return 0;
}

int fs_link_get(unsigned ifindex, struct fs_link *out)
{
	(void)ifindex, (void)out;
	return -1;
}

struct fs_nic *fs_nic_get(unsigned ifindex, uint32_t now)
{
	(void)ifindex, (void)now;
	return &nic;
}

void fs_nic_all(uint32_t now)
{
	(void)now;
}

void fs_nic_observed(struct fs_nic *n, unsigned foretold, unsigned seen, uint32_t now)
{
	(void)n, (void)foretold, (void)seen, (void)now;
}

void fs_portrange_read(uint32_t now)
{
	(void)now;
}

void fs_portrange_forget(void)
{
}

bool fs_portrange(unsigned *low, unsigned *high)
{
	*low = LOW;
	*high = HIGH;
	return true;
}

/* Asked of each port that leads to the core, in the middle of the walk. */
bool fs_portrange_reserved(unsigned port)
{
	if (at_port)
		at_port();
	return port % 100 < 8;
}

uint32_t fs_portrange_changes(void)
{
	return 1;
}

/* ---- the tests ---- */

static uint32_t now;

static void begin(void)
{
	uint16_t cpu[CPUS] = { 0, 1, 2, 3 };

	memset(&nic, 0, sizeof(nic));
	fs_rxmap_ports(&nic.map, cpu, CPUS);
	fs_proc.ncores = CPUS;
	memcpy(fs_proc.cpu, cpu, sizeof(cpu));
	at_route = at_port = NULL;
	fs_destination_forget();
	routes = 0;
	now = 1000;
}

static struct fs_target target(unsigned n)
{
	return (struct fs_target){ .port = 80, .remote = { 198, 51, (uint8_t)(n >> 8), (uint8_t)n } };
}

static enum fs_fallback ask(unsigned core, unsigned n, struct fs_port_choice *choice)
{
	struct fs_target t = target(n);

	memset(choice, 0, sizeof(*choice));
	return fs_destination_port(core, &t, now, 0, choice);
}

static uint16_t port_for(unsigned core, unsigned n)
{
	struct fs_port_choice choice;

	ck_assert_int_eq(ask(core, n, &choice), FS_FALLBACK_NONE);
	ck_assert_uint_eq(choice.port % CPUS, core);
	ck_assert(!fs_portrange_reserved(choice.port));
	return choice.port;
}

START_TEST(each_port_comes_as_late_as_possible)
{
	static uint8_t seen[65536];
	unsigned all = 0;

	memset(seen, 0, sizeof(seen));
	for (unsigned port = LOW; port <= HIGH; port++)
		all += port % CPUS == 1 && !fs_portrange_reserved(port);
	for (unsigned i = 0; i < 2 * all; i++) {
		uint16_t port = port_for(1, 0);

		if (seen[port] != i / all)
			ck_abort_msg("port %u is number %u of %u", port, i, all);
		seen[port]++;
	}
}
END_TEST

/*
 * The range has 111 places of 256 ports. 64 walks that begin anywhere begin in 49 of them on average, with
 * a standard deviation of 3.
 */
#define WALKS 64
#define PLACE 256
#define PLACES_LEAST 30

static unsigned places(const uint16_t *port)
{
	bool seen[(HIGH - LOW) / PLACE + 1] = { false };
	unsigned different = 0;

	for (unsigned i = 0; i < WALKS; i++) {
		unsigned at = (port[i] - LOW) / PLACE;

		different += !seen[at];
		seen[at] = true;
	}
	return different;
}

START_TEST(each_destination_begins_elsewhere)
{
	uint16_t port[WALKS];

	for (unsigned i = 0; i < WALKS; i++)
		port[i] = port_for(0, i);
	ck_assert_uint_gt(places(port), PLACES_LEAST);
}
END_TEST

START_TEST(each_process_begins_elsewhere)
{
	uint16_t port[WALKS];

	for (unsigned i = 0; i < WALKS; i++) {
		fs_destination_forget();
		port[i] = port_for(0, 0);
	}
	ck_assert_uint_gt(places(port), PLACES_LEAST);
}
END_TEST

START_TEST(each_core_begins_elsewhere)
{
	unsigned same = 0;

	for (unsigned i = 0; i < WALKS; i++) {
		int apart = port_for(0, i) - port_for(1, i);

		same += apart > -CPUS && apart < CPUS;
	}
	ck_assert_uint_lt(same, WALKS / 4);
}
END_TEST

START_TEST(routes_are_asked_for_so_often_at_most)
{
	struct fs_port_choice choice;
	unsigned known = 0;

	port_for(0, 0);
	for (unsigned second = 0; second < 3; second++, now++) {
		routes = 0;
		for (unsigned i = 0; i < 3 * LOOKS; i++)
			ask(0, 1000 * (second + 1) + i, &choice);
		ck_assert_uint_eq(routes, second ? LOOKS : LOOKS - 1);
		/* What is known is known on, and another core has a share of its own. */
		for (unsigned i = 0; i < 3 * LOOKS; i++)
			known += ask(0, 1000 * (second + 1) + i, &choice) == FS_FALLBACK_NONE;
		ck_assert_uint_gt(known, 0);
		routes = 0;
		port_for(1, second);
		ck_assert_uint_eq(routes, 1);
	}
}
END_TEST

START_TEST(a_route_is_asked_for_once_a_second)
{
	for (unsigned second = 0; second < 3; second++, now++) {
		for (unsigned i = 0; i < 100; i++)
			port_for(2, 7);
		ck_assert_uint_eq(routes, second + 1);
	}
}
END_TEST

/* `n` connects, which all try what they may in vain, or find the first port free. How many tries the last one was allowed. */
static unsigned after(unsigned n, bool binds, bool found)
{
	struct fs_target t = target(0);
	struct fs_port_choice choice;
	unsigned tries = 0;

	for (unsigned i = 0; i < n; i++) {
		enum fs_fallback why = fs_destination_port(0, &t, now, binds ? FS_PORT_BIND : 0, &choice);

		tries = why ? 0 : choice.tries;
		ck_assert(!why || why == FS_FALLBACK_TAKEN);
		if (!why)
			fs_destination_tried(0, &t, now, found ? 1 : choice.tries, found);
	}
	return tries;
}

START_TEST(where_ports_are_taken_fewer_are_tried)
{
	bool binds = _i;
	unsigned tried = 0;

	ck_assert_uint_eq(after(1, binds, true), TRIES);
	/* A few that are taken are no reason. */
	ck_assert_uint_eq(after(2, binds, false), TRIES);
	after(100, binds, false);
	for (unsigned i = 0; i < 800; i++) {
		unsigned tries = after(1, binds, false);

		ck_assert_uint_le(tries, 1);
		tried += tries;
	}
	/* It still looks now and then whether it got better, */
	ck_assert_uint_eq(tried, 100);
	/* ... and believes it soon. */
	ck_assert_uint_eq(after(100, binds, true), TRIES);
}
END_TEST

/* A socket that is bound to a port takes it from everybody: patience ends sooner. */
START_TEST(bound_ports_are_given_up_sooner)
{
	unsigned least[2] = { 0, 0 };

	for (unsigned binds = 0; binds < 2; binds++) {
		begin();
		while (least[binds] < 1000 && after(1, binds, false) == TRIES)
			least[binds]++;
	}
	ck_assert_uint_gt(least[0], least[1]);
}
END_TEST

static sigjmp_buf middle;

static void jump(void)
{
	at_route = at_port = NULL;
	siglongjmp(middle, 1);
}

/* Asks, and is left in the middle: in the walk with the table held, or while asking for a route. */
static void left_in(void (**where)(void))
{
	struct fs_port_choice choice;

	*where = jump;
	if (sigsetjmp(middle, 1) == 0) {
		ask(0, 0, &choice);
		ck_abort_msg("it does not get there");
	}
}

START_TEST(a_table_that_was_left_held_is_taken)
{
	struct fs_port_choice choice;
	struct fs_target t = target(0);

	port_for(0, 0);
	left_in(&at_port);
	ck_assert_int_eq(ask(0, 0, &choice), FS_FALLBACK_BUSY);
	ck_assert_int_eq(fs_destination_known(0, &t, now), FS_FALLBACK_BUSY);
	port_for(1, 0);
	/* A second later it may be a thread that was put aside for a moment. */
	now++;
	ck_assert_int_eq(ask(0, 0, &choice), FS_FALLBACK_BUSY);
	now++;
	port_for(0, 0);
	port_for(0, 0);
}
END_TEST

/* As in a child that a handler forked while its thread asked for a route, or walked: the thread goes on in the child. */
static void fork_here(void)
{
	at_route = at_port = NULL;
	fs_destination_forget();
}

START_TEST(a_child_of_the_middle_goes_on)
{
	struct fs_port_choice choice;

	at_route = fork_here;
	ask(0, 0, &choice);
	ck_assert_ptr_null(at_route);
	port_for(0, 0);
	at_port = fork_here;
	ask(0, 0, &choice);
	ck_assert_ptr_null(at_port);
	port_for(0, 0);
}
END_TEST

/* What another thread was at is nobody's in a child. */
START_TEST(a_child_of_another_threads_middle_goes_on)
{
	left_in(&at_route);
	fs_destination_forget();
	port_for(0, 0);
	left_in(&at_port);
	fs_destination_forget();
	port_for(0, 0);
}
END_TEST

START_TEST(a_child_knows_nothing)
{
	port_for(0, 0);
	ck_assert_uint_eq(routes, 1);
	fs_destination_forget();
	port_for(0, 0);
	ck_assert_uint_eq(routes, 2);
}
END_TEST

static unsigned inner;

/* Asks while somebody else does. */
static void ask_inside(void)
{
	struct fs_port_choice choice;

	at_route = NULL;
	inner = ask(1, 1, &choice);
}

START_TEST(one_asks_at_a_time)
{
	at_route = ask_inside;
	port_for(0, 0);
	ck_assert_uint_eq(inner, FS_FALLBACK_BUSY);
	ck_assert_uint_eq(routes, 1);
	port_for(1, 1);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("destination");
	TCase *tc = tcase_create("destination");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, begin, NULL);
	tcase_add_test(tc, each_port_comes_as_late_as_possible);
	tcase_add_test(tc, each_destination_begins_elsewhere);
	tcase_add_test(tc, each_process_begins_elsewhere);
	tcase_add_test(tc, each_core_begins_elsewhere);
	tcase_add_test(tc, routes_are_asked_for_so_often_at_most);
	tcase_add_test(tc, a_route_is_asked_for_once_a_second);
	tcase_add_loop_test(tc, where_ports_are_taken_fewer_are_tried, 0, 2);
	tcase_add_test(tc, bound_ports_are_given_up_sooner);
	tcase_add_test(tc, a_table_that_was_left_held_is_taken);
	tcase_add_test(tc, a_child_of_the_middle_goes_on);
	tcase_add_test(tc, a_child_of_another_threads_middle_goes_on);
	tcase_add_test(tc, a_child_knows_nothing);
	tcase_add_test(tc, one_asks_at_a_time);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
