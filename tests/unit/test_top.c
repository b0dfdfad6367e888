/*
 * The screen of `fastsock top` without a terminal: rows, their order, and the grid at
 * sizes from nothing to more than enough, with 256 CPUs and with names that want to
 * talk to the terminal.
 */
#include "lib/unit.h"

#include "cli/cli.h"
#include "cli/top/top.h"

#define CORES FS_CORES_MAX

static struct fs_sample_load loads[2][CORES];
static struct fs_sample_core cores[2][2][CORES];
static struct fs_sample_group groups[2][2];
static struct fs_sample before, now;
static struct fs_rates rates;
static struct fs_top_screen screen;
static struct fs_grid grid;

void *fs_cli_grow(void *old, size_t count, size_t size)
{
	void *grown = realloc(old, count * size);

	ck_assert_ptr_nonnull(grown);
	return grown;
}

static void make(struct fs_sample *sample, unsigned which)
{
	*sample = (struct fs_sample){.dev = 1, .ino = 2, .time_us = 1000000 * (which + 1), .pid = 123, .nprocesses = 3,
				     .command = "nginx", .ncores = 4, .ngroups = 2, .load = loads[which],
				     .group = groups[which]};
	memset(loads, 0, sizeof(loads));
	memset(cores[which], 0, sizeof(cores[which]));
	for (unsigned i = 0; i < CORES; i++)
		loads[0][i].cpu = loads[1][i].cpu = (uint16_t)i;
	for (unsigned i = 0; i < 2; i++) {
		groups[which][i] = (struct fs_sample_group){.slot = i, .state = "active", .mode = "own", .workers = 4,
							    .queue = -1, .core = cores[which][i]};
		snprintf(groups[which][i].address, sizeof(groups[which][i].address), "127.0.0.1:%u", 80 + i);
	}
}

/* A second apart, nothing happened. */
static void setup(void)
{
	make(&before, 0);
	make(&now, 1);
	fs_rates_set(&rates, &now, &before);
	screen = (struct fs_top_screen){.rates = &rates, .ntrees = 1, .group = FS_TOP_ALL, .interval = 1};
}

static void teardown(void)
{
	fs_grid_free(&grid);
}

static void accept(unsigned group, unsigned core, uint64_t local, uint64_t global, uint64_t stolen)
{
	cores[1][group][core].counter[FS_CORE_accepted_local] = local;
	cores[1][group][core].counter[FS_CORE_accepted_global] = global;
	cores[1][group][core].counter[FS_CORE_stolen] = stolen;
}

static void draw(unsigned width, unsigned height)
{
	fs_grid_free(&grid);
	fs_grid_make(&grid, width, height);
	fs_top_layout(&grid, &screen);
}

static const char *line(unsigned y)
{
	static char text[1024];

	ck_assert_uint_lt(y, grid.height);
	for (unsigned x = 0; x < grid.width; x++)
		text[x] = grid.cell[(size_t)y * grid.width + x].c;
	text[grid.width] = '\0';
	return text;
}

static bool shows(unsigned y, const char *what)
{
	return strstr(line(y), what) != NULL;
}

static unsigned count(unsigned y, char c)
{
	unsigned n = 0;

	for (const char *at = line(y); *at; at++)
		n += *at == c;
	return n;
}

START_TEST(rows_have_rates_by_kind)
{
	struct fs_top_row rows[4], total;

	accept(0, 1, 10, 2, 3);
	accept(1, 1, 100, 0, 0);
	cores[1][0][1].counter[FS_CORE_rx_sampled] = 4;
	cores[1][0][1].counter[FS_CORE_rx_local] = 3;
	loads[1][1].counter[FS_LOAD_busy_us] = 250000;
	loads[1][1].connect[FS_CONNECT_calls] = 8;
	loads[1][1].connect[FS_CONNECT_steered] = 2;
	loads[1][1].open = 7;
	fs_top_rows(rows, &rates, FS_TOP_ALL);
	ck_assert_int_eq((int)rows[1].rate, 115);
	ck_assert_int_eq((int)rows[1].accepts[FS_TOP_LOCAL], 110);
	ck_assert_int_eq((int)rows[1].accepts[FS_TOP_STOLEN], 3);
	ck_assert_int_eq((int)(rows[1].locality * 100), 75);
	ck_assert_int_eq((int)(rows[1].busy * 100), 25);
	ck_assert_int_eq((int)(rows[1].steered * 100), 25);
	ck_assert_uint_eq(rows[1].open, 7);
	ck_assert(rows[0].locality < 0 && rows[0].rate >= 0);
	fs_top_rows(rows, &rates, 0);
	ck_assert_int_eq((int)rows[1].rate, 15);
	fs_top_total(&total, &rates, FS_TOP_ALL);
	ck_assert_int_eq((int)total.rate, 115);
	ck_assert_uint_eq(total.open, 7);
	ck_assert_int_eq((int)(total.busy * 10000), 625);
}
END_TEST

START_TEST(queues_and_marks_of_all_groups_meet)
{
	struct fs_top_row rows[4];

	cores[1][0][0].queue = -1;
	cores[1][1][0].queue = -1;
	cores[1][0][1].queue = 2;
	cores[1][1][1].queue = -1;
	cores[1][0][1].help = FS_HELP_BUSY;
	cores[1][1][1].help = FS_HELP_STUCK;
	cores[1][1][1].out = true;
	fs_top_rows(rows, &rates, FS_TOP_ALL);
	ck_assert_int_eq(rows[0].queue, -1);
	ck_assert_int_eq(rows[1].queue, 2);
	ck_assert_int_eq(rows[1].help, FS_HELP_STUCK);
	ck_assert(rows[1].out);
	fs_top_rows(rows, &rates, 0);
	ck_assert_int_eq(rows[1].help, FS_HELP_BUSY);
	ck_assert(!rows[1].out);
}
END_TEST

static void expect_order(enum fs_top_sort sort, unsigned a, unsigned b, unsigned c, unsigned d)
{
	struct fs_top_row rows[4] = {
		{.cpu = 2, .rate = 5, .queue = 1, .open = 3, .locality = 0.5},
		{.cpu = 0, .rate = 5, .queue = -1, .open = 9, .locality = -1},
		{.cpu = 3, .rate = -1, .queue = 8, .open = 3, .locality = 0.9},
		{.cpu = 1, .rate = 7, .queue = 8, .open = 0, .locality = 0.1},
	};

	fs_top_sort(rows, 4, sort);
	ck_assert_msg(rows[0].cpu == a && rows[1].cpu == b && rows[2].cpu == c && rows[3].cpu == d,
		      "by %s: %u %u %u %u", fs_top_sort_name(sort), rows[0].cpu, rows[1].cpu, rows[2].cpu, rows[3].cpu);
}

START_TEST(rows_are_sorted)
{
	expect_order(FS_TOP_BY_CPU, 0, 1, 2, 3);
	expect_order(FS_TOP_BY_RATE, 1, 0, 2, 3);
	expect_order(FS_TOP_BY_QUEUE, 1, 3, 2, 0);
	expect_order(FS_TOP_BY_OPEN, 0, 2, 3, 1);
	expect_order(FS_TOP_BY_LOCALITY, 1, 2, 3, 0);
}
END_TEST

START_TEST(bars_are_as_long_as_their_shares)
{
	unsigned whole;

	accept(0, 0, 60, 20, 20);
	accept(0, 1, 50, 0, 0);
	draw(100, 20);
	ck_assert(shows(0, "nginx (pid 123, 3 processes)"));
	ck_assert(shows(1, "all 2 listeners"));
	ck_assert(shows(2, "accepts/s 150"));
	ck_assert(shows(4, "CPU"));
	ck_assert(shows(4, "# local"));
	whole = count(5, '#') + count(5, '+') + count(5, '!');
	ck_assert_uint_ge(whole, 8);
	ck_assert_uint_eq(count(5, '#'), (unsigned)(0.6 * whole + 0.5));
	ck_assert(count(5, '+') && count(5, '!'));
	/* Half as much as the most. */
	ck_assert_uint_eq(count(6, '#'), (unsigned)(0.5 * whole + 0.5));
	ck_assert_uint_eq(count(6, '+'), 0);
	ck_assert_uint_eq(count(7, '#'), 0);
}
END_TEST

START_TEST(marks_are_words)
{
	cores[1][0][2].help = FS_HELP_STUCK;
	cores[1][0][2].out = true;
	loads[1][2].away = 1024;
	loads[1][3].away = 2048;
	draw(100, 20);
	ck_assert(shows(7, "stuck out -25%"));
	ck_assert(shows(8, "-50%"));
	ck_assert(!shows(5, "stuck"));
}
END_TEST

START_TEST(connects_are_shown_where_there_are_any)
{
	draw(120, 20);
	ck_assert(!shows(4, "CONN/S"));
	loads[1][0].connect[FS_CONNECT_calls] = 1000;
	loads[1][0].connect[FS_CONNECT_steered] = 990;
	draw(120, 20);
	ck_assert(shows(4, "CONN/S"));
	ck_assert(shows(3, "connect/s 1000 steered 99.0%"));
	ck_assert(shows(5, "99.0%"));
}
END_TEST

START_TEST(narrow_screens_leave_columns_out)
{
	draw(60, 20);
	ck_assert(shows(4, "ACCEPT/S") && shows(4, "QUEUE") && !shows(4, "BUSY"));
	draw(15, 20);
	ck_assert(shows(4, "ACCEPT/S") && !shows(4, "QUEUE"));
}
END_TEST

/* A guard around the grid would not be hit: everything is clipped. Run under the sanitizers this says more. */
START_TEST(every_size_can_be_drawn)
{
	now.ncores = before.ncores = CORES;
	accept(0, 0, 1000000000, 1, 1);
	screen.message = "gone";
	for (unsigned help = 0; help < 2; help++) {
		screen.help = help;
		for (unsigned width = 0; width < 140; width += 1 + width / 20) {
			for (unsigned height = 0; height < 30; height++)
				draw(width, height);
		}
	}
	screen.help = false;
	screen.scroll = CORES + 7;
	draw(80, 24);
	screen.scroll = CORES - 1;
	draw(80, 24);
	ck_assert(shows(5, "255"));
}
END_TEST

START_TEST(many_cpus_scroll)
{
	now.ncores = before.ncores = CORES;
	screen.scroll = 100;
	ck_assert_uint_eq(fs_top_page(24), 18);
	ck_assert_uint_eq(fs_top_page(3), 0);
	draw(100, 24);
	ck_assert(shows(5, "  100 ") && shows(22, "  117 "));
	ck_assert(shows(23, "CPUs 101-118 of 256"));
}
END_TEST

START_TEST(names_do_not_drive_the_terminal)
{
	snprintf(now.command, sizeof(now.command), "a\033[2J\377\nb");
	draw(80, 24);
	for (size_t i = 0; i < 80 * 24; i++)
		ck_assert(grid.cell[i].c >= ' ' && grid.cell[i].c < 127);
	ck_assert(shows(0, "a?[2J??b"));
}
END_TEST

START_TEST(one_listener_can_be_chosen)
{
	groups[1][1].queue = 17;
	screen.group = 1;
	accept(0, 0, 5, 0, 0);
	accept(1, 0, 30, 0, 0);
	draw(100, 24);
	ck_assert(shows(1, "127.0.0.1:81  active (own), 4 workers, global queue 17  listener 2/2"));
	ck_assert(shows(2, "accepts/s 30"));
}
END_TEST

START_TEST(state_is_said)
{
	screen.paused = true;
	screen.ntrees = 3;
	screen.tree = 1;
	screen.sort = FS_TOP_BY_OPEN;
	screen.message = "process 123 is gone. q quits";
	draw(100, 24);
	ck_assert(shows(0, "PAUSED") && shows(0, "tree 2/3") && shows(0, "by open"));
	ck_assert(shows(23, "process 123 is gone. q quits"));
	draw(40, 24);
	ck_assert(shows(0, "PAUSED"));
	screen.help = true;
	draw(100, 24);
	ck_assert(shows(5, "q       quit"));
}
END_TEST

START_TEST(the_first_look_has_no_rates)
{
	fs_rates_set(&rates, &now, NULL);
	accept(0, 0, 5, 0, 0);
	draw(100, 24);
	ck_assert(shows(2, "accepts/s -"));
	ck_assert_uint_eq(count(5, '#'), 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("top");
	TCase *tc = tcase_create("grid");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, rows_have_rates_by_kind);
	tcase_add_test(tc, queues_and_marks_of_all_groups_meet);
	tcase_add_test(tc, rows_are_sorted);
	tcase_add_test(tc, bars_are_as_long_as_their_shares);
	tcase_add_test(tc, marks_are_words);
	tcase_add_test(tc, connects_are_shown_where_there_are_any);
	tcase_add_test(tc, narrow_screens_leave_columns_out);
	tcase_add_test(tc, every_size_can_be_drawn);
	tcase_add_test(tc, many_cpus_scroll);
	tcase_add_test(tc, names_do_not_drive_the_terminal);
	tcase_add_test(tc, one_listener_can_be_chosen);
	tcase_add_test(tc, state_is_said);
	tcase_add_test(tc, the_first_look_has_no_rates);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
