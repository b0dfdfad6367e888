/*
 * Help marks and their count, on a region of this process's own: a group that goes
 * while cores of it are marked takes its marks along; who died between a mark and its
 * count is made up for. While the count is wrong, workers look for victims at every wait,
 * or at none.
 */
#define _GNU_SOURCE
#include "lib/unit.h"

#include "core/group.h"
#include "core/help.h"
#include "core/siblings.h"

#define CORES 4

/* Each test has a region of its own, also where a runner without processes has them share their memory. */
static void setup(void)
{
	memset(fs_groups, 0, sizeof(fs_groups));
	fs_groups_end = 0;
	fs_proc.region = NULL;
	fs_proc.pid = getpid();
	fs_proc.ncores = CORES;
	ck_assert_int_eq(fs_region_make(), 0);
}

/* A group that this process holds, as after listen(). */
static unsigned make_group(void)
{
	struct fs_group p = { 0 };
	int group = fs_group_alloc();

	ck_assert_int_ge(group, 0);
	p.claim = fs_group_claim((unsigned)group);
	ck_assert_int_gt(p.claim, 0);
	fs_group_hold((unsigned)group, &p);
	atomic_store(&fs_group_rec((unsigned)group)->state, FS_GROUP_ACTIVE);
	return (unsigned)group;
}

static uint32_t counted(void)
{
	return atomic_load(&fs_region_head()->helpless);
}

START_TEST(a_mark_is_counted_once)
{
	unsigned g = make_group();

	ck_assert(!fs_help_wanted());
	ck_assert_int_eq(fs_help_set(g, 0, FS_HELP_STUCK), FS_HELP_NONE);
	ck_assert_int_eq(fs_help_set(g, 0, FS_HELP_PARKED), FS_HELP_STUCK);
	ck_assert_uint_eq(counted(), 1);
	ck_assert(!fs_help_change(g, 0, FS_HELP_STUCK, FS_HELP_NONE));
	ck_assert_int_eq(fs_help_of(g, 0), FS_HELP_PARKED);
	ck_assert_uint_eq(counted(), 1);
	ck_assert(fs_help_change(g, 0, FS_HELP_PARKED, FS_HELP_BUSY));
	ck_assert_uint_eq(counted(), 1);
	ck_assert(fs_help_change(g, 0, FS_HELP_BUSY, FS_HELP_NONE));
	ck_assert_uint_eq(counted(), 0);
	fs_help_set(g, 0, FS_HELP_NONE);
	ck_assert_uint_eq(counted(), 0);
}
END_TEST

START_TEST(a_closed_group_takes_its_marks_along)
{
	unsigned stays = make_group(), goes = make_group();

	fs_help_set(stays, 1, FS_HELP_BUSY);
	for (unsigned c = 0; c < CORES; c++)
		fs_help_set(goes, c, FS_HELP_DESERTED);
	ck_assert_uint_eq(counted(), 1 + CORES);
	fs_siblings_give_up(goes);
	ck_assert_uint_eq(counted(), 1);
	ck_assert_int_eq(fs_help_of(stays, 1), FS_HELP_BUSY);
	for (unsigned c = 0; c < CORES; c++)
		ck_assert_int_eq(fs_help_of(goes, c), FS_HELP_NONE);
	fs_help_recount();
	ck_assert_uint_eq(counted(), 1);
}
END_TEST

START_TEST(a_group_that_others_hold_keeps_its_marks)
{
	unsigned g = make_group();
	/* Another process's, as far as the kernel is concerned. */
	int claim = fs_group_claim(g);

	ck_assert_int_gt(claim, 0);
	fs_help_set(g, 2, FS_HELP_STUCK);
	fs_siblings_give_up(g);
	ck_assert_int_eq(fs_help_of(g, 2), FS_HELP_STUCK);
	ck_assert_uint_eq(counted(), 1);
	fs_help_recount();
	ck_assert_uint_eq(counted(), 1);
}
END_TEST

/* Its processes were killed: nobody gave it up. */
START_TEST(a_group_whose_processes_died_takes_its_marks_along)
{
	unsigned g = make_group();

	fs_help_set(g, 0, FS_HELP_PARKED);
	fs_help_set(g, 3, FS_HELP_STUCK);
	fs_fd_close_hidden(fs_groups[g].claim);
	memset(&fs_groups[g], 0, sizeof(fs_groups[g]));
	ck_assert_uint_eq(counted(), 2);
	ck_assert_uint_eq(make_group(), g);
	ck_assert_uint_eq(counted(), 0);
	ck_assert_int_eq(fs_help_of(g, 0), FS_HELP_NONE);
	ck_assert_int_eq(fs_help_of(g, 3), FS_HELP_NONE);
}
END_TEST

START_TEST(a_wrong_count_is_made_good)
{
	static const uint32_t wrong[] = { 0, 1, 3, 1000, UINT32_MAX };
	unsigned last = 0;

	for (unsigned i = 0; i < FS_GROUPS_MAX; i++)
		last = make_group();
	fs_help_set(0, 0, FS_HELP_BUSY);
	fs_help_set(last, CORES - 1, FS_HELP_DESERTED);
	/* Left in a group that is free: not a mark. */
	atomic_store(&fs_core_rec(1, 0)->help, FS_HELP_STUCK);
	atomic_store(&fs_group_rec(1)->state, FS_GROUP_FREE);
	fs_help_recount();
	ck_assert_uint_eq(counted(), 2);
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		atomic_store(&fs_region_head()->helpless, wrong[i]);
		fs_help_recount();
		ck_assert_uint_eq(counted(), 2);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("help");
	TCase *tc = tcase_create("marks");

	tcase_add_checked_fixture(tc, setup, NULL);
	tcase_add_test(tc, a_mark_is_counted_once);
	tcase_add_test(tc, a_closed_group_takes_its_marks_along);
	tcase_add_test(tc, a_group_that_others_hold_keeps_its_marks);
	tcase_add_test(tc, a_group_whose_processes_died_takes_its_marks_along);
	tcase_add_test(tc, a_wrong_count_is_made_good);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
