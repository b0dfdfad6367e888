/*
 * The XDP program of `fastsock steer` on what nobody planned: lists of any length,
 * and at least a hundred thousand packets that are random or were good ones once.
 * Whatever arrives passes or goes to a CPU of the list, is counted exactly once
 * and is not changed. FS_TEST_SEED repeats a run, FS_TEST_PACKETS makes it longer.
 */
#define _GNU_SOURCE
#include "unit/port_steer_check.h"

#include <time.h>

#define PACKETS 120000

START_TEST(any_number)
{
	/* One, powers of two and their neighbours, primes, and the most that there can be. */
	static const uint32_t number[] = {1, 2, 3, 4, 5, 7, 8, 12, 31, 100, 255, 256};
	struct unit_random r = unit_random_from(3);

	for (size_t i = 0; i < sizeof(number) / sizeof(*number); i++) {
		uint16_t cpu[PORT_STEER_CPUS_MAX];
		uint32_t n = number[i];

		/* No pattern that another divisor would meet, too. */
		for (uint32_t c = 0; c < n; c++)
			cpu[c] = unit_random_below(&r, 2) ? cpu_here : cpu_away;
		fs_steer_close(program);
		load(cpu, n, ALL_PORTS);
		for (unsigned t = 0; t < 3 * n + 50; t++) {
			/* All slots in order, then anywhere. */
			unsigned port = t < 2 * n ? 1024 + t : 1024 + unit_random_below(&r, 64512);
			struct frame f = t % 2 ? frame_tcp4(80, (uint16_t)port) : frame_tcp6(80, (uint16_t)port);
			char what[96];

			snprintf(what, sizeof(what), "%u CPUs, port %u, " UNIT_SEED_FMT, n, port, r.seed);
			expect(&f, cpu[port % n] == cpu_here ? HERE : AWAY, what);
		}
	}
}
END_TEST

/* Up to four headers that may or may not belong together. */
static struct frame random_good(struct unit_random *r)
{
	static const uint16_t ports[] = {80, 1023, 1024, EVEN, ODD, REMOTE};
	static const uint8_t next[] = {IPPROTO_HOPOPTS, IPPROTO_ROUTING, IPPROTO_DSTOPTS, IPPROTO_FRAGMENT, IPPROTO_TCP};
	static const uint16_t tags[] = {ETH_P_8021Q, ETH_P_8021AD};
	unsigned ntags = unit_random_below(r, 8) < 6 ? 0 : unit_random_below(r, 4), v6 = unit_random_below(r, 2);
	uint16_t type = v6 ? ETH_P_IPV6 : ETH_P_IP;
	struct frame f = frame_ethernet(ntags ? tags[unit_random_below(r, 2)] : type);

	for (unsigned i = 1; i <= ntags; i++)
		frame_tag(&f, i < ntags ? tags[unit_random_below(r, 2)] : type);
	if (v6) {
		unsigned extensions = unit_random_below(r, 2) ? 0 : unit_random_below(r, 10);

		frame_ipv6(&f, extensions ? next[unit_random_below(r, 4)] : IPPROTO_TCP, unit_random_below(r, 16) ? 1400 : 0);
		for (unsigned i = 1; i <= extensions; i++)
			frame_extension(&f, i < extensions ? next[unit_random_below(r, 5)] : IPPROTO_TCP,
					(uint8_t)(unit_random_below(r, 4) ? 0 : unit_random_below(r, 10)));
	} else {
		frame_ipv4(&f, unit_random_below(r, 16) ? IPPROTO_TCP : IPPROTO_UDP, 4 * unit_random_below(r, 11), 20);
	}
	frame_tcp(&f, ports[unit_random_below(r, 6)], ports[unit_random_below(r, 6)]);
	frame_add(&f, NULL, unit_random_below(r, 64));
	return f;
}

static struct frame random_frame(struct unit_random *r)
{
	struct frame f = random_good(r);
	unsigned kind = unit_random_below(r, 8);

	if (kind == 0) {
		/* Nothing but noise, behind a type that lets it in or not. */
		for (uint32_t i = unit_random_below(r, 2) ? 12 : 14; i < f.len; i++)
			f.data[i] = (unsigned char)unit_random_next(r);
	} else if (kind < 6) {
		for (unsigned n = 1 + unit_random_below(r, 4); n; n--)
			f.data[unit_random_below(r, f.len)] = (unsigned char)unit_random_next(r);
	}
	if (unit_random_below(r, 4) == 0)
		f.len = ETH_HLEN + unit_random_below(r, f.len - ETH_HLEN + 1);
	return f;
}

static uint64_t seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec;
}

START_TEST(fuzz)
{
	const char *given = getenv("FS_TEST_PACKETS");
	unsigned long packets = given ? strtoul(given, NULL, 0) : PACKETS, done, seen[OUTCOMES] = {0};
	/* Other packets each time: what is found is told with its seed. */
	struct unit_random r = unit_random_from((uint64_t)time(NULL) << 20 ^ (uint64_t)getpid());
	uint64_t until = seconds() + 50;
	int listening = listener(AF_INET, "0.0.0.0", ODD), listening6 = listener(AF_INET6, "::", EVEN);
	char what[64];

	printf("fuzz: " UNIT_SEED_FMT "\n", r.seed);
	for (done = 0; done < packets && (given || done % 1024 || seconds() < until); done++) {
		struct frame f = random_frame(&r);

		snprintf(what, sizeof(what), "packet %lu, " UNIT_SEED_FMT, done, r.seed);
		seen[run(&f, what)]++;
	}
	for (enum outcome o = 0; o < OUTCOMES; o++) {
		printf("fuzz: %s %lu\n", outcome_name[o], seen[o]);
		/* Or it would be a fuzzer that gets no further than the first check. */
		ck_assert_msg(seen[o] > done / 100, "only %lu of %lu packets came to be counted as %s, " UNIT_SEED_FMT, seen[o], done,
			      outcome_name[o], r.seed);
	}
	ck_assert_msg(given || done >= 100000, "%lu packets in 50 s", done);
	fflush(stdout);
	close(listening);
	close(listening6);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("port_steer_fuzz");
	TCase *tc = tcase_create("program");
	int status = prepare();

	if (status)
		return status;
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, any_number);
	tcase_add_test(tc, fuzz);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
