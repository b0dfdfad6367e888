/* Where the library's descriptors go, by the limits of the process: core/fdtab.h, which fastsock doctor tells of too. */
#include "core/fdtab.h"
#include "tests/lib/unit.h"

START_TEST(by_the_limits)
{
	/* Beyond the soft limit as far as the hard one and no farther than some, and below it. */
	ck_assert(fs_fd_hidden_room(1024, 1030).beyond == 1030);
	ck_assert(fs_fd_hidden_room(1024, 1030).base == 768);
	ck_assert(fs_fd_hidden_count(1024, 1030) == 256 + 6);
	ck_assert(fs_fd_hidden_room(1024, 524288).beyond == 1024 + FS_HIDDEN_BEYOND_MAX);
	ck_assert(fs_fd_hidden_room(1024, ~0ul).beyond == 1024 + FS_HIDDEN_BEYOND_MAX);
	/* Nothing is beyond: the limits are one, or the soft one is high. */
	ck_assert(fs_fd_hidden_count(1024, 1024) == 256);
	ck_assert(fs_fd_hidden_room(8192, 8200).beyond == 8200);
	ck_assert(fs_fd_hidden_room(8193, 8200).beyond == 0);
	ck_assert(fs_fd_hidden_count(8193, 8200) == 8193 - 6144);
	ck_assert(fs_fd_hidden_count(9000, 9010) == 9000 - 6750);
	ck_assert(fs_fd_hidden_room(1 << 19, 1 << 19).base == FS_HIDDEN_BASE_MAX);
	ck_assert(fs_fd_hidden_count(1 << 19, 1 << 19) == (1 << 19) - FS_HIDDEN_BASE_MAX);
	/* Numbers that are never tracked are no room. */
	ck_assert(fs_fd_hidden_count(~0ul, ~0ul) == FS_FD_MAX - FS_HIDDEN_BASE_MAX);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("hidden_room");
	TCase *tc = tcase_create("all");

	tcase_add_test(tc, by_the_limits);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
