/*
 * Connections that stay open. The promises: few of them, or short ones in flight, move
 * nothing; ten thousand, all from one CPU, end up evenly on all workers; when they are
 * closed, all flow groups go home. 2 to 256 cores.
 */
#include "lib/unit.h"

#include "balance_check.h"

static void opens_move_nothing(unsigned n, unsigned mean, unsigned more)
{
	for (unsigned k = 0; k < n; k++)
		loads[k] = (struct fs_balance_load){ .able = true, .open = mean };
	loads[n / 2].open += more;
	for (int i = 0; i < 5; i++)
		ck_assert_msg(!open_step(n) && !away(n), "%u cores with %u open, one with %u more", n, mean, more);
}

static unsigned root(unsigned x)
{
	unsigned r = 0;

	while ((r + 1) * (r + 1) <= x)
		r++;
	return r;
}

/* Few of them, evenly many, or short ones in flight with the noise of their count: nothing moves. */
START_TEST(open_leaves_alone)
{
	for (unsigned n = 2; n <= FS_CORES_MAX; n *= 2) {
		unsigned apart = 4096 / n < 64 ? 4096 / n : 64;

		start();
		for (unsigned mean = 0; mean < 100000; mean += 1 + mean / 2) {
			opens_move_nothing(n, mean, 0);
			opens_move_nothing(n, mean, apart - 1);
			opens_move_nothing(n, mean, 3 * root(mean));
			/* Three in a hundred more, of however many. */
			opens_move_nothing(n, mean, mean / 33);
		}
		/* So many more are too many. */
		for (unsigned k = 0; k < n; k++)
			loads[k].open = 100;
		loads[0].open = 100 + 2 * apart + 50;
		ck_assert(open_step(n));
		ck_assert_uint_gt(b.share[0].away, 0);
	}
}
END_TEST

struct result {
	unsigned most;
	unsigned told;
};

/*
 * `total` connections that stay open, from one CPU, `rate` a millisecond, with a step
 * every `step` ms; each goes where the plan says that its flow group goes.
 */
static struct result all_from_one_cpu(unsigned n, unsigned total, unsigned rate, unsigned step)
{
	static struct fs_steer_table table;
	static struct fs_topology topo;
	static struct fs_steer_target targets[FS_CORES_MAX];
	struct result r = { 0, 0 };

	start();
	memset(&topo, 0, sizeof(topo));
	topo.ncpus = n;
	for (unsigned i = 0; i < n; i++) {
		topo.possible[i] = 1;
		targets[i] = (struct fs_steer_target){ .cpu = (uint16_t)i, .listener = (uint16_t)i };
		loads[i] = (struct fs_balance_load){ .able = true };
	}
	fs_steer_plan(&table, &topo, targets, n, 0, false);
	for (unsigned ms = 0, made = 0; made < total; ms++) {
		if (ms % step == 0 && open_step(n)) {
			r.told++;
			for (unsigned i = 0; i < n; i++) {
				targets[i].away = b.share[i].away;
				targets[i].gain = b.share[i].gain;
			}
			ck_assert_int_eq(fs_steer_plan(&table, &topo, targets, n, 0, false), 0);
		}
		for (unsigned k = 0; k < rate && made < total; k++, made++) {
			const struct fs_steer_seg *seg = &table.seg[table.row[0].first];
			unsigned group = fs_steer_flow_group(0x0a000001, (uint16_t)(32768 + made % 28000));

			while (group >= seg->end)
				seg++;
			loads[seg->listener].open++;
		}
	}
	for (unsigned i = 0; i < n; i++)
		r.most = loads[i].open > r.most ? loads[i].open : r.most;
	return r;
}

/*
 * The bar: 10,000 at 20,000/s, most over mean at most 1.2. Before the first step nobody
 * can know, so what arrives in one step's time has to fit.
 */
START_TEST(ten_thousand_stay_open)
{
	for (unsigned n = 2; n <= FS_CORES_MAX; n *= 2) {
		for (unsigned step = 1; step <= 10; step += 9) {
			struct result r = all_from_one_cpu(n, 10000, 20, step);
			unsigned mean = 10000 / n, fits = mean * 6 / 5;

			if (getenv("CK_VERBOSITY"))
				printf("%3u cores, step of %2u ms: most/mean %.2f, steering changed %u times\n", n, step,
				       (double)r.most * n / 10000, r.told);
			if (fits < 20 * step + 20)
				fits = 20 * step + 20;
			ck_assert_msg(r.most <= fits, "%u cores, step of %u ms: %u on one worker, %u on the mean", n, step, r.most, mean);
		}
	}
}
END_TEST

/* They are closed again: all groups go home, by and by. */
START_TEST(open_goes_home)
{
	for (unsigned n = 2; n <= FS_CORES_MAX; n *= 2) {
		bool told = false;

		all_from_one_cpu(n, 10000, 20, 10);
		ck_assert_uint_gt(away(n), 0);
		for (unsigned i = 0; i < n; i++)
			loads[i].open = 0;
		for (int i = 0; i < 100; i++)
			told |= open_step(n);
		ck_assert_uint_eq(away(n), 0);
		ck_assert(told);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("balance_open");
	TCase *tc = tcase_create("shares");

	tcase_set_timeout(tc, 60);
	tcase_add_checked_fixture(tc, start, NULL);
	tcase_add_test(tc, open_leaves_alone);
	tcase_add_test(tc, ten_thousand_stay_open);
	tcase_add_test(tc, open_goes_home);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
