/*
 * Unit tests are written in the words of the Check library and include this
 * header instead of <check.h>. Where Check is installed (HAVE_CHECK) they run
 * on it, each test in a process of its own. Where it is not, as on a foreign
 * architecture under user-mode emulation, the same source runs on the small
 * imitation below: one process, a failed assertion ends its test, the next
 * test goes on.
 *
 * A test that cannot run here says so in main(), before unit_main():
 *
 *	if (!ipv6_works())
 *		return unit_skip("no IPv6 on the loopback device");
 *
 * A passed assertion costs Check a message through a pipe. A loop over millions of
 * cases compares by itself and calls ck_abort_msg() on the first difference.
 */
#ifndef FS_TESTS_UNIT_H
#define FS_TESTS_UNIT_H

#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef HAVE_CHECK

#include <check.h>

#else /* the imitation */

#include <setjmp.h>

#define UNIT_TESTS_MAX 128
#define UNIT_CASES_MAX 32

struct unit_test {
	const char *name;
	void (*fn)(int);
};

typedef struct unit_tcase {
	const char *name;
	unsigned count;
	struct {
		const struct unit_test *test;
		int from, to;
	} run[UNIT_TESTS_MAX];
	void (*setup)(void);
	void (*teardown)(void);
} TCase;

typedef struct unit_suite {
	const char *name;
	unsigned count;
	TCase *tcase[UNIT_CASES_MAX];
} Suite;

typedef struct unit_srunner {
	Suite *suite;
	int failed;
} SRunner;

enum print_output { CK_SILENT, CK_MINIMAL, CK_NORMAL, CK_VERBOSE, CK_ENV };

static jmp_buf unit_failure;

#define START_TEST(name)                                                        \
	static void name##_body(int _i);                                        \
	static const struct unit_test name##_test = { #name, name##_body };     \
	static const struct unit_test *const name = &name##_test;               \
	static void name##_body(int _i __attribute__((unused)))
#define END_TEST

#define ck_abort_msg(...)                                                       \
	do {                                                                    \
		fprintf(stderr, "%s:%d: ", __FILE__, __LINE__);                 \
		fprintf(stderr, __VA_ARGS__);                                   \
		fputc('\n', stderr);                                            \
		longjmp(unit_failure, 1);                                       \
	} while (0)
#define ck_abort() ck_abort_msg("aborted")
#define ck_assert_msg(expr, ...)                                                \
	do {                                                                    \
		if (!(expr))                                                    \
			ck_abort_msg(__VA_ARGS__);                              \
	} while (0)
#define ck_assert(expr) ck_assert_msg(expr, "failed: %s", #expr)

#define UNIT_COMPARE(type, format, a, op, b)                                    \
	do {                                                                    \
		type unit_a = (a);                                              \
		type unit_b = (b);                                              \
		ck_assert_msg(unit_a op unit_b, "failed: %s %s %s: %" format " against %" format, #a, #op, #b, \
			      unit_a, unit_b);                                  \
	} while (0)
#define ck_assert_int_eq(a, b) UNIT_COMPARE(intmax_t, PRIdMAX, a, ==, b)
#define ck_assert_int_ne(a, b) UNIT_COMPARE(intmax_t, PRIdMAX, a, !=, b)
#define ck_assert_int_lt(a, b) UNIT_COMPARE(intmax_t, PRIdMAX, a, <, b)
#define ck_assert_int_le(a, b) UNIT_COMPARE(intmax_t, PRIdMAX, a, <=, b)
#define ck_assert_int_gt(a, b) UNIT_COMPARE(intmax_t, PRIdMAX, a, >, b)
#define ck_assert_int_ge(a, b) UNIT_COMPARE(intmax_t, PRIdMAX, a, >=, b)
#define ck_assert_uint_eq(a, b) UNIT_COMPARE(uintmax_t, PRIuMAX, a, ==, b)
#define ck_assert_uint_ne(a, b) UNIT_COMPARE(uintmax_t, PRIuMAX, a, !=, b)
#define ck_assert_uint_lt(a, b) UNIT_COMPARE(uintmax_t, PRIuMAX, a, <, b)
#define ck_assert_uint_le(a, b) UNIT_COMPARE(uintmax_t, PRIuMAX, a, <=, b)
#define ck_assert_uint_gt(a, b) UNIT_COMPARE(uintmax_t, PRIuMAX, a, >, b)
#define ck_assert_uint_ge(a, b) UNIT_COMPARE(uintmax_t, PRIuMAX, a, >=, b)
#define ck_assert_ptr_eq(a, b) UNIT_COMPARE(const void *, "p", a, ==, b)
#define ck_assert_ptr_ne(a, b) UNIT_COMPARE(const void *, "p", a, !=, b)
#define ck_assert_ptr_null(a) ck_assert_ptr_eq(a, NULL)
#define ck_assert_ptr_nonnull(a) ck_assert_ptr_ne(a, NULL)

#define UNIT_COMPARE_STR(a, op, b)                                              \
	do {                                                                    \
		const char *unit_a = (a), *unit_b = (b);                        \
		ck_assert_msg(unit_a && unit_b && strcmp(unit_a, unit_b) op 0,  \
			      "failed: %s %s %s: \"%s\" against \"%s\"", #a, #op, #b, \
			      unit_a ? unit_a : "(null)", unit_b ? unit_b : "(null)"); \
	} while (0)
#define ck_assert_str_eq(a, b) UNIT_COMPARE_STR(a, ==, b)
#define ck_assert_str_ne(a, b) UNIT_COMPARE_STR(a, !=, b)
#define ck_assert_mem_eq(a, b, len) ck_assert_msg(!memcmp(a, b, len), "failed: %s == %s (%zu bytes)", #a, #b, (size_t)(len))
#define ck_assert_mem_ne(a, b, len) ck_assert_msg(memcmp(a, b, len), "failed: %s != %s (%zu bytes)", #a, #b, (size_t)(len))

__attribute__((unused)) static void *unit_alloc(size_t size)
{
	void *p = calloc(1, size);

	if (!p) {
		fprintf(stderr, "no memory for the test's bookkeeping\n");
		exit(EXIT_FAILURE);
	}
	return p;
}

__attribute__((unused)) static Suite *suite_create(const char *name)
{
	Suite *s = unit_alloc(sizeof(*s));

	s->name = name;
	return s;
}

__attribute__((unused)) static TCase *tcase_create(const char *name)
{
	TCase *tc = unit_alloc(sizeof(*tc));

	tc->name = name;
	return tc;
}

__attribute__((unused)) static void suite_add_tcase(Suite *s, TCase *tc)
{
	if (s->count == UNIT_CASES_MAX) {
		fprintf(stderr, "more than %d test cases\n", UNIT_CASES_MAX);
		exit(EXIT_FAILURE);
	}
	s->tcase[s->count++] = tc;
}

__attribute__((unused)) static void tcase_add_loop_test(TCase *tc, const struct unit_test *test, int from, int to)
{
	if (tc->count == UNIT_TESTS_MAX) {
		fprintf(stderr, "more than %d tests in a case\n", UNIT_TESTS_MAX);
		exit(EXIT_FAILURE);
	}
	tc->run[tc->count].test = test;
	tc->run[tc->count].from = from;
	tc->run[tc->count].to = to;
	tc->count++;
}

__attribute__((unused)) static void tcase_add_test(TCase *tc, const struct unit_test *test)
{
	tcase_add_loop_test(tc, test, 0, 1);
}

/* The set-up and tear-down around each test of the case; one pair a case here. */
__attribute__((unused)) static void tcase_add_checked_fixture(TCase *tc, void (*setup)(void), void (*teardown)(void))
{
	tc->setup = setup;
	tc->teardown = teardown;
}

/* What runs the whole program bounds its time; a single process has nobody to time it. */
__attribute__((unused)) static void tcase_set_timeout(TCase *tc, double seconds)
{
	(void)tc;
	(void)seconds;
}

__attribute__((unused)) static SRunner *srunner_create(Suite *s)
{
	SRunner *sr = unit_alloc(sizeof(*sr));

	sr->suite = s;
	return sr;
}

static int unit_run_one(const TCase *tc, const struct unit_test *test, int i)
{
	if (setjmp(unit_failure)) {
		fprintf(stderr, "FAIL: %s: %s (%d)\n", tc->name, test->name, i);
		if (tc->teardown)
			tc->teardown();
		return 1;
	}
	if (tc->setup)
		tc->setup();
	test->fn(i);
	if (tc->teardown)
		tc->teardown();
	return 0;
}

__attribute__((unused)) static void srunner_run_all(SRunner *sr, enum print_output mode)
{
	int total = 0;

	(void)mode;
	for (unsigned c = 0; c < sr->suite->count; c++) {
		const TCase *tc = sr->suite->tcase[c];

		for (unsigned t = 0; t < tc->count; t++)
			for (int i = tc->run[t].from; i < tc->run[t].to; i++, total++)
				sr->failed += unit_run_one(tc, tc->run[t].test, i);
	}
	printf("%s: %d tests, %d failed\n", sr->suite->name, total, sr->failed);
}

__attribute__((unused)) static int srunner_ntests_failed(SRunner *sr)
{
	return sr->failed;
}

__attribute__((unused)) static void srunner_free(SRunner *sr)
{
	for (unsigned c = 0; c < sr->suite->count; c++)
		free(sr->suite->tcase[c]);
	free(sr->suite);
	free(sr);
}

#endif /* HAVE_CHECK */

/* Runs the suite and frees it; main()'s return value. CK_VERBOSITY and CK_FORK=no work as in Check. */
__attribute__((unused)) static int unit_main(Suite *suite)
{
	SRunner *sr = srunner_create(suite);
	int failed;

	srunner_run_all(sr, CK_ENV);
	failed = srunner_ntests_failed(sr);
	srunner_free(sr);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* Automake's exit status for a test that was skipped; says what is missing. */
__attribute__((unused)) static int unit_skip(const char *missing)
{
	printf("SKIP: %s\n", missing);
	return 77;
}

/*
 * Random numbers for property tests, the same on every machine: splitmix64
 * (Steele, Lea, Flood 2014). The seed is fixed, or what FS_TEST_SEED says; a
 * failing test prints it with UNIT_SEED_FMT.
 */
struct unit_random {
	uint64_t state;
	uint64_t seed;
};

__attribute__((unused)) static struct unit_random unit_random_from(uint64_t seed)
{
	const char *given = getenv("FS_TEST_SEED");

	if (given && *given)
		seed = strtoull(given, NULL, 0);
	return (struct unit_random){ seed, seed };
}

__attribute__((unused)) static uint64_t unit_random_next(struct unit_random *r)
{
	uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* 0 .. below-1 */
__attribute__((unused)) static unsigned unit_random_below(struct unit_random *r, unsigned below)
{
	return (unsigned)(unit_random_next(r) % below);
}

#define UNIT_SEED_FMT "FS_TEST_SEED=%#" PRIx64

#endif
