/*
 * What the tests of balance share: the cores as they are measured, and that no flow group
 * is lost in any step. Static state: one program includes it once.
 */
#ifndef FS_TESTS_BALANCE_CHECK_H
#define FS_TESTS_BALANCE_CHECK_H

#include "lib/unit.h"

#include "core/balance.h"
#include "core/steer.h"

#define ALL FS_FLOW_GROUPS

static struct fs_balance b;
static struct fs_balance_load loads[FS_CORES_MAX];
static struct unit_random rng;

static void start(void)
{
	memset(&b, 0, sizeof(b));
	memset(loads, 0, sizeof(loads));
	rng = unit_random_from(UINT64_C(0xba1a9ce));
}

__attribute__((unused)) static void all_at(unsigned n, uint32_t busy)
{
	for (unsigned i = 0; i < n; i++)
		loads[i] = (struct fs_balance_load){ .able = true, .busy = busy, .accepted = busy * 10 };
}

static void check_sums(unsigned n)
{
	uint32_t away = 0, gain = 0;

	for (unsigned i = 0; i < n; i++) {
		const struct fs_share *s = &b.share[i];

		if (s->away > ALL || s->gain > ALL)
			ck_abort_msg("core %u: %u away, %u gained", i, s->away, s->gain);
		if (!loads[i].able && (s->away || s->gain))
			ck_abort_msg("core %u cannot serve, and gives %u or takes %u", i, s->away, s->gain);
		if (s->away && s->gain)
			ck_abort_msg("core %u gives %u and takes %u", i, s->away, s->gain);
		away += s->away;
		gain += s->gain;
	}
	ck_assert_uint_eq(away, gain);
}

__attribute__((unused)) static bool load_step(unsigned n)
{
	bool told = fs_balance_load(&b, loads, n);

	check_sums(n);
	return told;
}

__attribute__((unused)) static bool open_step(unsigned n)
{
	bool told = fs_balance_open(&b, loads, n);

	check_sums(n);
	return told;
}

static unsigned away(unsigned n)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < n; i++)
		sum += b.share[i].away;
	return sum;
}

#endif
