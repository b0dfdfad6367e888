/*
 * CPU lists come from users and from the kernel: what is one is read right,
 * what is none is refused as a whole, and what is printed can be read back.
 */
#define _GNU_SOURCE
#include "lib/unit.h"

#include <errno.h>
#include <sched.h>

#include "core/cpus.h"

#define SEED UINT64_C(0x5eed0002)

static struct fs_cpus parsed(const char *text)
{
	struct fs_cpus s;

	memset(&s, 0xff, sizeof(s));
	ck_assert_msg(fs_cpus_parse(text, &s) == 0, "\"%s\" is refused", text);
	return s;
}

START_TEST(parse_and_format)
{
	static const struct {
		const char *text, *canonical;
		unsigned count;
	} good[] = {
		{ "0", "0", 1 },
		{ "0-3,8", "0-3,8", 5 },
		{ "0-3,8\n", "0-3,8", 5 },
		{ "8,0-3", "0-3,8", 5 },
		{ "1,2,3,3,2", "1-3", 3 },
		{ "5-5", "5", 1 },
		{ "62-65", "62-65", 4 },
		{ "63,64,127-128", "63-64,127-128", 4 },
		{ "0,2,4", "0,2,4", 3 },
		{ "007", "7", 1 },
		{ "0-4095", "0-4095", 4096 },
		{ "4095", "4095", 1 },
	};
	char buf[64];

	for (size_t i = 0; i < FS_COUNT(good); i++) {
		struct fs_cpus s = parsed(good[i].text);

		ck_assert_uint_eq(fs_cpus_count(&s), good[i].count);
		ck_assert_uint_eq(fs_cpus_format(&s, buf, sizeof(buf)), strlen(good[i].canonical));
		ck_assert_str_eq(buf, good[i].canonical);
	}
}
END_TEST

START_TEST(parse_refuses)
{
	static const char *const bad[] = {
		"", "\n", " ", " 0", "0 ", "0,", ",0", "0,,1", "-1", "1-", "3-1", "0-3-5", "a", "0x1", "1;2", "0-3,x", "4096",
		"0-4096", "99999999999999999999", "4294967296", "+1", "1.5", "0\r\n",
	};

	for (size_t i = 0; i < FS_COUNT(bad); i++) {
		struct fs_cpus s, before;

		memset(&s, 0x5a, sizeof(s));
		before = s;
		ck_assert_msg(fs_cpus_parse(bad[i], &s) == -EINVAL, "\"%s\" is taken", bad[i]);
		ck_assert_mem_eq(&s, &before, sizeof(s));
	}
}
END_TEST

START_TEST(next_walks_the_members)
{
	static const unsigned member[] = { 0, 1, 63, 64, 128, 1000, 4095 };
	struct fs_cpus s = parsed("0,1,63,64,128,1000,4095");
	unsigned at = fs_cpus_next(&s, 0);

	for (size_t i = 0; i < FS_COUNT(member); i++) {
		ck_assert_uint_eq(at, member[i]);
		ck_assert(fs_cpus_has(&s, at));
		at = fs_cpus_next(&s, at + 1);
	}
	ck_assert_uint_eq(at, FS_CPUS_MAX);
	ck_assert_uint_eq(fs_cpus_next(&s, 129), 1000);
	ck_assert_uint_eq(fs_cpus_next(&s, FS_CPUS_MAX + 100), FS_CPUS_MAX);
	ck_assert(!fs_cpus_has(&s, 2));
	ck_assert(!fs_cpus_has(&s, FS_CPUS_MAX));
	fs_cpus_add(&s, FS_CPUS_MAX); /* has no place, and harms nobody */
	ck_assert_uint_eq(fs_cpus_count(&s), 7);
}
END_TEST

START_TEST(and_keeps_the_common)
{
	struct fs_cpus a = parsed("0-10,64-70"), b = parsed("5-66,100");
	char buf[64];

	fs_cpus_and(&a, &b);
	fs_cpus_format(&a, buf, sizeof(buf));
	ck_assert_str_eq(buf, "5-10,64-66");
}
END_TEST

/* Cut between items, always terminated, never beyond the buffer. */
START_TEST(format_is_cut_to_the_buffer)
{
	static const char *const want[] = { NULL, "", "0", "0", "0", "0,5-7", "0,5-7", "0,5-7", "0,5-7", "0,5-7,100" };
	static const size_t len[] = { 0, 1, 2, 3, 5, 6, 7, 8, 9, 10 };
	struct fs_cpus s = parsed("0,5-7,100");
	char buf[16];

	for (size_t i = 0; i < FS_COUNT(len); i++) {
		memset(buf, '#', sizeof(buf));
		ck_assert_uint_eq(fs_cpus_format(&s, buf, len[i]), want[i] ? strlen(want[i]) : 0);
		if (want[i])
			ck_assert_str_eq(buf, want[i]);
		ck_assert_int_eq(buf[len[i]], '#');
	}
	memset(&s, 0, sizeof(s));
	ck_assert_uint_eq(fs_cpus_format(&s, buf, sizeof(buf)), 0);
	ck_assert_str_eq(buf, "");
}
END_TEST

START_TEST(random_sets_survive)
{
	struct unit_random rng = unit_random_from(SEED);
	static char buf[8 * FS_CPUS_MAX];

	for (unsigned round = 0; round < 200; round++) {
		unsigned n = unit_random_below(&rng, 300) + 1, below = 1 + unit_random_below(&rng, FS_CPUS_MAX);
		struct fs_cpus s, back;

		memset(&s, 0, sizeof(s));
		while (n--)
			fs_cpus_add(&s, unit_random_below(&rng, below));
		fs_cpus_format(&s, buf, sizeof(buf));
		ck_assert_msg(fs_cpus_parse(buf, &back) == 0 && !memcmp(&s, &back, sizeof(s)), "%s, " UNIT_SEED_FMT, buf, rng.seed);
	}
}
END_TEST

/* What the kernel says, and it follows the affinity. */
START_TEST(allowed_is_the_affinity)
{
	cpu_set_t old, one;
	struct fs_cpus s;
	unsigned last = 0;

	ck_assert_int_eq(sched_getaffinity(0, sizeof(old), &old), 0);
	ck_assert_int_eq(fs_cpus_allowed(0, &s), 0);
	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		ck_assert_int_eq(fs_cpus_has(&s, cpu), !!CPU_ISSET(cpu, &old));
		if (CPU_ISSET(cpu, &old))
			last = cpu;
	}
	CPU_ZERO(&one);
	CPU_SET(last, &one);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(one), &one), 0);
	ck_assert_int_eq(fs_cpus_allowed(0, &s), 0);
	ck_assert_uint_eq(fs_cpus_count(&s), 1);
	ck_assert_uint_eq(fs_cpus_next(&s, 0), last);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(old), &old), 0);
	/* Above any pid_max: there is no such thread. */
	ck_assert_int_eq(fs_cpus_allowed(0x7ffffffe, &s), -ESRCH);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("cpus");
	TCase *tc = tcase_create("sets");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, parse_and_format);
	tcase_add_test(tc, parse_refuses);
	tcase_add_test(tc, next_walks_the_members);
	tcase_add_test(tc, and_keeps_the_common);
	tcase_add_test(tc, format_is_cut_to_the_buffer);
	tcase_add_test(tc, random_sets_survive);
	tcase_add_test(tc, allowed_is_the_affinity);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
