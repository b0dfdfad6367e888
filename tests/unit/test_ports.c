/*
 * What a source port is chosen by is read right: the kernel's range and reserved ports,
 * the operator's FASTSOCK_RSS, interrupts' names, and the keyed hash that hides the walk.
 */
#define _GNU_SOURCE
#include "lib/unit.h"

#include <errno.h>

#include "core/nicinfo.h"
#include "core/ports.h"
#include "core/rss_text.h"
#include "core/siphash.h"

static struct fs_ports ports;

START_TEST(ranges)
{
	static const char *const bad[] = { "", "1", "1 ", "0 5", "5 4", "1 65536", "-1 5", "1 5 6", "a b", "1 5x" };

	ck_assert_int_eq(fs_ports_parse_range(&ports, "32768\t60999\n"), 0);
	ck_assert_uint_eq(ports.low, 32768);
	ck_assert_uint_eq(ports.high, 60999);
	ck_assert_int_eq(fs_ports_parse_range(&ports, "1 65535"), 0);
	ck_assert_uint_eq(ports.high, 65535);
	for (unsigned i = 0; i < FS_COUNT(bad); i++) {
		ck_assert_msg(fs_ports_parse_range(&ports, bad[i]) == -EINVAL, "\"%s\" is taken", bad[i]);
		ck_assert_uint_eq(ports.high, 65535);
	}
	ck_assert_int_eq(fs_ports_parse_range(&ports, "1024 1024\n"), 0);
}
END_TEST

static unsigned reserved(void)
{
	unsigned n = 0;

	for (unsigned p = 0; p < 65536; p++)
		n += fs_port_reserved(&ports, p);
	return n;
}

START_TEST(reserved_ports)
{
	static const char *const bad[] = { "x", "1-", "-1", "5-4", "65536", "1,,2x", "1;2" };

	ck_assert_int_eq(fs_ports_parse_reserved(&ports, "8080,9000-9010,65535\n"), 0);
	ck_assert_uint_eq(reserved(), 13);
	ck_assert(fs_port_reserved(&ports, 8080) && fs_port_reserved(&ports, 9010) && fs_port_reserved(&ports, 65535));
	ck_assert(!fs_port_reserved(&ports, 9011));
	ck_assert_int_eq(fs_ports_parse_reserved(&ports, "\n"), 0);
	ck_assert_uint_eq(reserved(), 0);
	ck_assert_int_eq(fs_ports_parse_reserved(&ports, "0-65535"), 0);
	ck_assert_uint_eq(reserved(), 65536);
	for (unsigned i = 0; i < FS_COUNT(bad); i++) {
		ck_assert_msg(fs_ports_parse_reserved(&ports, bad[i]) == -EINVAL, "\"%s\" is taken", bad[i]);
		ck_assert_uint_eq(reserved(), 0);
	}
}
END_TEST

START_TEST(the_machines_own)
{
	ck_assert_int_eq(fs_ports_read(&ports), 0);
	ck_assert_uint_ge(ports.high, ports.low);
	ck_assert_uint_gt(ports.low, 0);
}
END_TEST

#define KEY "6d5a56da255b0ec24167253d43a38fb0d0ca2bcbae7b30b477cb2da38030f20c6a42b73bbeac01fa"

START_TEST(rss_text)
{
	static const char *const bad[] = {
		"", "eth0", "eth0:", "eth0:key=:table=0", "eth0:key=6d5a:table=0", "eth0:key=" KEY, "eth0:key=" KEY ":table=",
		"eth0:key=" KEY ":table=0,", "eth0:key=" KEY ":table=1024", "eth0:key=" KEY ":table=0;", "eth0:key=" KEY "a:table=0",
		":key=" KEY ":table=0", "a_name_of_16_byte:key=" KEY ":table=0", "eth0:key=" KEY ":table=0 ", "eth0:table=0:key=" KEY,
	};
	struct fs_rss rss = { 0 };

	ck_assert_int_eq(fs_rss_text("eth0:key=" KEY ":table=0,1,2,3;eth1.7:key=00" KEY ":table=5", "eth0", &rss), 1);
	ck_assert_uint_eq(rss.key_len, 40);
	ck_assert_uint_eq(rss.key[0], 0x6d);
	ck_assert_uint_eq(rss.key[39], 0xfa);
	ck_assert_uint_eq(rss.table_len, 4);
	ck_assert_uint_eq(rss.table[3], 3);
	ck_assert_int_eq(fs_rss_text("eth0:key=" KEY ":table=0,1,2,3;eth1.7:key=00" KEY ":table=5", "eth1.7", &rss), 1);
	ck_assert_uint_eq(rss.key_len, 41);
	ck_assert_uint_eq(rss.table[0], 5);
	ck_assert_int_eq(fs_rss_text("eth0:key=" KEY ":table=0", "eth", &rss), 0);
	/* As ethtool prints a key. */
	ck_assert_int_eq(fs_rss_text("e:key=6D:5a:56:da:25:5b:0e:c2:41:67:25:3d:43:a3:8f:b0:table=9", "e", &rss), 1);
	ck_assert_uint_eq(rss.key_len, 16);
	ck_assert_uint_eq(rss.key[15], 0xb0);
	for (unsigned i = 0; i < FS_COUNT(bad); i++)
		ck_assert_msg(fs_rss_text(bad[i], "eth0", &rss) == -EINVAL, "\"%s\" is taken", bad[i]);
}
END_TEST

START_TEST(interrupts_names)
{
	static const struct {
		const char *name;
		int queue;
	} irq[] = {
		{ "virtio0-input.3\n", 3 }, { "virtio0-output.3\n", -1 }, { "virtio0-config\n", -1 }, { "eth0-TxRx-12", 12 },
		{ "i40e-eth0-TxRx-0", 0 }, { "eth0-rx-7", 7 }, { "eth0-tx-7", -1 }, { "eth0", -1 }, { "eth0-Tx-Rx-4", 4 },
		{ "mlx5_comp5@pci:0000:03:00.0", 5 }, { "mlx5_async@pci:0000:03:00.0", -1 }, { "ena-mgmnt@pci:0000:00:05.0", -1 },
		{ "eth0-rx-99999", -1 }, { "", -1 }, { "eth0-rx-", -1 },
	};

	for (unsigned i = 0; i < FS_COUNT(irq); i++)
		ck_assert_msg(fs_nicinfo_queue_of(irq[i].name) == irq[i].queue, "%s is queue %d", irq[i].name,
			      fs_nicinfo_queue_of(irq[i].name));
}
END_TEST

/* The first and the sixteenth of the authors' vectors. */
START_TEST(siphash_is_its_authors)
{
	uint8_t in[15];
	static const uint64_t secret[2] = { UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908) };

	for (unsigned i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)i;
	ck_assert_uint_eq(fs_siphash(secret, in, 0), UINT64_C(0x726fdb47dd0e0e31));
	ck_assert_uint_eq(fs_siphash(secret, in, sizeof(in)), UINT64_C(0xa129ca6149be45e5));
}
END_TEST

int main(void)
{
	Suite *s = suite_create("ports");
	TCase *tc = tcase_create("ports");

	tcase_set_timeout(tc, 60);
	tcase_add_test(tc, ranges);
	tcase_add_test(tc, reserved_ports);
	tcase_add_test(tc, the_machines_own);
	tcase_add_test(tc, rss_text);
	tcase_add_test(tc, interrupts_names);
	tcase_add_test(tc, siphash_is_its_authors);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
