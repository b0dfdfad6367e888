/*
 * A map that is wrong switches itself off, once and for longer each time; one whose queues
 * moved, as irqbalance moves them, is learned anew before anybody loses patience, with any
 * number of queues.
 */
#define _GNU_SOURCE
#include "lib/unit.h"

#include "core/log.h"
#include "core/nic.h"

static struct fs_nic nic;

static void make(unsigned queues)
{
	struct fs_rss rss = { .key_len = 40, .table_len = 1024 };

	memset(&nic, 0, sizeof(nic));
	memcpy(nic.name, "test0", sizeof("test0"));
	for (unsigned i = 0; i < 1024; i++)
		rss.table[i] = (uint16_t)(i % queues);
	ck_assert_int_eq(fs_rxmap_rss(&nic.map, &rss), 0);
	for (unsigned q = 0; q < queues; q++)
		fs_rxmap_guess(&nic.map, q, q);
	ck_assert_uint_eq(fs_rxmap_spread(&nic.map), queues);
}

static unsigned believed(unsigned queue)
{
	return atomic_load_explicit(&nic.map.queue[queue], memory_order_relaxed) & 0xffff;
}

/* A connection of this queue, whose packets arrived on `cpu`. */
static void one(unsigned queue, unsigned cpu, uint32_t now)
{
	fs_nic_observed(&nic, believed(queue), cpu, now);
	fs_rxmap_seen(&nic.map, queue, cpu);
}

START_TEST(moved_queues_are_learned)
{
	static const unsigned counts[] = { 2, 8, 32, 128, 256 };

	for (unsigned n = 0; n < FS_COUNT(counts); n++) {
		struct unit_random random = unit_random_from(0x76657264 + n);
		unsigned queues = counts[n];

		make(queues);
		for (unsigned i = 0; i < queues * 20; i++) {
			unsigned q = unit_random_below(&random, queues);

			one(q, q, 1);
		}
		for (unsigned i = 0; i < queues * 40; i++) {
			unsigned q = unit_random_below(&random, queues);

			one(q, (q + 1) % queues, 1);
			ck_assert_msg(fs_nic_trusted(&nic, 1), "%u queues, off after %u, " UNIT_SEED_FMT, queues, i, random.seed);
		}
		for (unsigned q = 0; q < queues; q++)
			ck_assert_uint_eq(believed(q), (q + 1) % queues);
	}
}
END_TEST

START_TEST(what_is_wrong_is_switched_off)
{
	struct unit_random random = unit_random_from(0x77726f6e);
	uint32_t now = 1;

	for (unsigned queues = 2; queues <= 64; queues *= 2) {
		uint32_t off = 60;

		make(queues);
		for (unsigned times = 0; times < 8; times++) {
			unsigned tries = 0;

			for (; fs_nic_trusted(&nic, now) && tries < 100000; tries++)
				one(unit_random_below(&random, queues), unit_random_below(&random, queues), now);
			ck_assert_msg(tries < 100000, "%u queues: never off, " UNIT_SEED_FMT, queues, random.seed);
			/* What comes in meanwhile makes it no longer. */
			for (unsigned i = 0; i < 10000; i++)
				one(unit_random_below(&random, queues), 1000, now);
			ck_assert(!fs_nic_trusted(&nic, now + off - 1));
			ck_assert(fs_nic_trusted(&nic, now + off));
			now += off;
			off = off * 2 < 3600 ? off * 2 : 3600;
		}
		/* Right again, it is believed, and its past forgotten. */
		for (unsigned i = 0; i < queues * 100; i++)
			one(i % queues, i % queues, now);
		ck_assert(fs_nic_trusted(&nic, now));
		ck_assert_uint_eq(atomic_load(&nic.offs), 0);
	}
}
END_TEST

int main(void)
{
	Suite *s = suite_create("verdict");
	TCase *tc = tcase_create("verdict");

	fs_log_mute(true);
	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, moved_queues_are_learned);
	tcase_add_test(tc, what_is_wrong_is_switched_off);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
