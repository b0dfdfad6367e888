/*
 * Where a reply arrives: the NIC's hash must be Microsoft's to the bit, and from it, the
 * table and what is believed of the queues, a source port must lead to the CPU that asked,
 * with any number of CPUs. What is believed follows what is observed.
 */
#define _GNU_SOURCE
#include "lib/unit.h"

#include <arpa/inet.h>
#include <errno.h>

#include "core/rxmap.h"
#include "core/toeplitz.h"

/* The key of Microsoft's verification suite. */
static const uint8_t key[40] = {
	0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
	0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
};

static const struct {
	int family;
	const char *from, *to;
	uint16_t from_port, to_port;
	uint32_t addresses, all;
} vector[] = {
	{ AF_INET, "66.9.149.187", "161.142.100.80", 2794, 1766, 0x323e8fc2, 0x51ccc178 },
	{ AF_INET, "199.92.111.2", "65.69.140.83", 14230, 4739, 0xd718262a, 0xc626b0ea },
	{ AF_INET, "24.19.198.95", "12.22.207.184", 12898, 38024, 0xd2d0a5de, 0x5c2b394a },
	{ AF_INET, "38.27.205.30", "209.142.163.6", 48228, 2217, 0x82989176, 0xafc7327f },
	{ AF_INET, "153.39.163.191", "202.188.127.2", 44251, 1303, 0x5d1809c5, 0x10e828a2 },
	{ AF_INET6, "3ffe:2501:200:1fff::7", "3ffe:2501:200:3::1", 2794, 1766, 0x2cc18cd5, 0x40207d3d },
	{ AF_INET6, "3ffe:501:8::260:97ff:fe40:efab", "ff02::1", 14230, 4739, 0x0f0c461c, 0xdde51bbf },
	{ AF_INET6, "3ffe:1900:4545:3:200:f8ff:fe21:67cf", "fe80::200:f8ff:fe21:67cf", 44251, 38024, 0x4b61e985, 0x02d1feef },
};

START_TEST(toeplitz_is_microsofts)
{
	uint8_t in[FS_TOEPLITZ_INPUT6];
	size_t address = vector[_i].family == AF_INET ? 4 : 16;
	uint16_t port;

	ck_assert_int_eq(inet_pton(vector[_i].family, vector[_i].from, in), 1);
	ck_assert_int_eq(inet_pton(vector[_i].family, vector[_i].to, in + address), 1);
	port = htons(vector[_i].from_port);
	memcpy(in + 2 * address, &port, 2);
	port = htons(vector[_i].to_port);
	memcpy(in + 2 * address + 2, &port, 2);
	ck_assert_uint_eq(fs_toeplitz(key, 0, in, 2 * address), vector[_i].addresses);
	ck_assert_uint_eq(fs_toeplitz(key, 0, in, 2 * address + 4), vector[_i].all);
	/* Parts add up. */
	ck_assert_uint_eq(fs_toeplitz(key, 0, in, 3) ^ fs_toeplitz(key, 3, in + 3, 2 * address + 1), vector[_i].all);
}
END_TEST

static struct fs_rxmap map;

static struct fs_rss rss_of(unsigned table, unsigned queues)
{
	struct fs_rss rss = { .key_len = sizeof(key), .table_len = (uint16_t)table };

	memcpy(rss.key, key, sizeof(key));
	for (unsigned i = 0; i < table; i++)
		rss.table[i] = (uint16_t)(i % queues);
	return rss;
}

/* The map and the vectors must agree on the queue: the port that we choose is the replies' destination. */
START_TEST(queue_is_the_tables_entry_at_the_hash)
{
	static const unsigned tables[] = { 1, 2, 3, 7, 128, 1000, 4096 };
	struct fs_rx_tuple t = { .v6 = vector[_i].family == AF_INET6, .remote_port = vector[_i].from_port };

	inet_pton(vector[_i].family, vector[_i].from, t.remote);
	inet_pton(vector[_i].family, vector[_i].to, t.local);
	for (unsigned n = 0; n < FS_COUNT(tables); n++) {
		struct fs_rss rss = rss_of(tables[n], FS_RSS_QUEUES_MAX);

		ck_assert_int_eq(fs_rxmap_rss(&map, &rss), 0);
		ck_assert(fs_rxmap_covers(&map, t.v6));
		ck_assert_uint_eq(fs_rxmap_queue(&map, t.v6, fs_rxmap_base(&map, &t), vector[_i].to_port),
				  rss.table[vector[_i].all % tables[n]]);
	}
}
END_TEST

START_TEST(short_keys_and_bad_tables_are_refused)
{
	struct fs_rss rss = rss_of(128, 4);

	rss.key_len = 15;
	ck_assert_int_eq(fs_rxmap_rss(&map, &rss), -EINVAL);
	rss.key_len = 16;
	ck_assert_int_eq(fs_rxmap_rss(&map, &rss), 0);
	ck_assert(fs_rxmap_covers(&map, false));
	ck_assert(!fs_rxmap_covers(&map, true));
	rss = rss_of(128, 4);
	rss.table[127] = FS_RSS_QUEUES_MAX;
	ck_assert_int_eq(fs_rxmap_rss(&map, &rss), -EINVAL);
	rss = rss_of(128, 4);
	rss.table_len = 0;
	ck_assert_int_eq(fs_rxmap_rss(&map, &rss), -EINVAL);
}
END_TEST

START_TEST(every_cpu_of_an_rss_nic_has_its_ports)
{
	static const unsigned counts[] = { 2, 3, 4, 8, 12, 64, 128 };
	struct fs_rx_tuple t = { .remote = { 10, 0, 0, 2 }, .local = { 10, 0, 0, 1 }, .remote_port = 80 };

	for (unsigned n = 0; n < FS_COUNT(counts); n++) {
		struct fs_rss rss = rss_of(128, counts[n]);
		unsigned ports[128] = { 0 };
		uint32_t base;

		ck_assert_int_eq(fs_rxmap_rss(&map, &rss), 0);
		base = fs_rxmap_base(&map, &t);
		ck_assert_uint_eq(fs_rxmap_cpu(&map, false, base, 40000), FS_NO_CPU);
		/* Queues in another order than CPUs. */
		for (unsigned q = 0; q < counts[n]; q++)
			fs_rxmap_guess(&map, q, counts[n] - 1 - q);
		for (unsigned port = 32768; port < 61000; port++) {
			unsigned cpu = fs_rxmap_cpu(&map, false, base, (uint16_t)port);

			ck_assert_uint_lt(cpu, counts[n]);
			ports[cpu]++;
		}
		for (unsigned c = 0; c < counts[n]; c++)
			ck_assert_uint_gt(ports[c], 28232 / counts[n] / 3);
	}
}
END_TEST

START_TEST(xdp_map_is_modulo_the_list)
{
	uint16_t cpu[256];

	for (unsigned n = 1; n <= 256; n++) {
		for (unsigned i = 0; i < n; i++)
			cpu[i] = (uint16_t)(1000 - i);
		fs_rxmap_ports(&map, cpu, n);
		for (unsigned port = 1; port < 65536; port += 7)
			ck_assert_uint_eq(fs_rxmap_cpu(&map, port & 1, 0, (uint16_t)port), 1000 - port % n);
	}
	ck_assert(fs_rxmap_covers(&map, true));
}
END_TEST

START_TEST(queues_are_learned)
{
	struct fs_rss rss = rss_of(128, 4);
	struct fs_rx_tuple t = { .remote = { 10, 0, 0, 2 }, .local = { 10, 0, 0, 1 }, .remote_port = 80 };
	uint32_t base;
	unsigned queue;

	ck_assert_int_eq(fs_rxmap_rss(&map, &rss), 0);
	base = fs_rxmap_base(&map, &t);
	queue = fs_rxmap_queue(&map, false, base, 40000);
	/* Unknown: the first one that is seen counts. */
	fs_rxmap_seen(&map, queue, 3);
	ck_assert_uint_eq(fs_rxmap_cpu(&map, false, base, 40000), 3);
	/* A single odd one does not shake what was seen often. */
	for (int i = 0; i < 10; i++)
		fs_rxmap_seen(&map, queue, 3);
	fs_rxmap_seen(&map, queue, 1);
	ck_assert_uint_eq(fs_rxmap_cpu(&map, false, base, 40000), 3);
	/* An interrupt that moved is learned soon, however long it had been elsewhere. */
	for (int i = 0; i < 4; i++)
		fs_rxmap_seen(&map, queue, 1);
	ck_assert_uint_eq(fs_rxmap_cpu(&map, false, base, 40000), 1);
	/* A guess from the interrupts yields to observation. */
	fs_rxmap_guess(&map, queue, 7);
	ck_assert_uint_eq(fs_rxmap_cpu(&map, false, base, 40000), 7);
	fs_rxmap_seen(&map, queue, 2);
	fs_rxmap_seen(&map, queue, 2);
	ck_assert_uint_eq(fs_rxmap_cpu(&map, false, base, 40000), 2);
	/* Nonsense changes nothing. */
	fs_rxmap_seen(&map, FS_RSS_QUEUES_MAX, 5);
	fs_rxmap_seen(&map, queue, FS_NO_CPU);
	ck_assert_uint_eq(fs_rxmap_cpu(&map, false, base, 40000), 2);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("rxmap");
	TCase *tc = tcase_create("maps");

	tcase_set_timeout(tc, 60);
	tcase_add_loop_test(tc, toeplitz_is_microsofts, 0, FS_COUNT(vector));
	tcase_add_loop_test(tc, queue_is_the_tables_entry_at_the_hash, 0, FS_COUNT(vector));
	tcase_add_test(tc, short_keys_and_bad_tables_are_refused);
	tcase_add_test(tc, every_cpu_of_an_rss_nic_has_its_ports);
	tcase_add_test(tc, xdp_map_is_modulo_the_list);
	tcase_add_test(tc, queues_are_learned);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
