/*
 * What `fastsock nic` would change, on machines that are not here: many CPUs, few queues, NUMA, names of
 * interrupts as drivers make them, other ports' interrupts, settings that somebody chose. And CPU masks in the kernel's
 * format.
 */
#include "lib/unit.h"

#include "cli/cli.h"
#include "cli/nic/nic.h"
#include "core/nicinfo.h"

#define CPUS 256

/* The command's own ends the command. */
void *fs_cli_grow(void *old, size_t count, size_t size)
{
	void *grown = reallocarray(old, count, size);

	if (!grown)
		abort();
	return grown;
}

static struct fs_pool pool;
static struct fs_nic_plan plan;
static const struct fs_nic_wish none;

static void clean(void)
{
	fs_pool_free(&pool);
}

/* A NIC with CPUs 0 .. n-1 to use, and nothing set up but what its driver does. */
static struct fs_nic_state machine(unsigned ncpus, unsigned nrx, unsigned ntx)
{
	struct fs_nic_state s = {.interface = "eth0", .driver = "test", .hardware = true, .node = -1};
	uint16_t *cpu = fs_pool_alloc(&pool, ncpus, sizeof(*cpu));

	for (unsigned i = 0; i < ncpus; i++)
		cpu[i] = (uint16_t)i;
	s.cpu = cpu;
	s.ncpus = ncpus;
	s.nrx = s.nrings = nrx;
	s.ntx = ntx;
	s.rx = fs_pool_alloc(&pool, nrx, sizeof(*s.rx));
	s.tx = fs_pool_alloc(&pool, ntx, sizeof(*s.tx));
	for (unsigned q = 0; q < nrx; q++)
		s.rx[q] = (struct fs_nic_queue){"00000000,00000000", "0"};
	for (unsigned q = 0; q < ntx; q++)
		s.tx[q] = (struct fs_nic_queue){"0", "0"};
	s.irq = fs_pool_alloc(&pool, 1024, sizeof(*s.irq));
	return s;
}

static void irq(struct fs_nic_state *s, const char *name, const char *cpus)
{
	s->irq[s->nirqs] = (struct fs_nic_irq){
		.number = 40 + s->nirqs, .name = name, .cpus = cpus,
		.rx = fs_nicinfo_queue_of(name), .tx = fs_nicinfo_tx_queue_of(name),
	};
	s->nirqs++;
}

static void combined_irqs(struct fs_nic_state *s, const char *format, const char *cpus)
{
	for (unsigned q = 0; q < s->nrx; q++) {
		char name[64];

		snprintf(name, sizeof(name), format, q);
		irq(s, fs_pool_printf(&pool, "%s", name), cpus);
	}
}

static void make_plan(const struct fs_nic_state *s, const struct fs_nic_wish *wish)
{
	fs_nic_plan(&pool, s, wish, &plan);
}

/* The value that the plan gives the setting, or NULL. */
static const char *planned(enum fs_nic_kind kind, unsigned number)
{
	for (size_t i = 0; i < plan.nchanges; i++)
		if (plan.change[i].to.kind == kind && plan.change[i].to.number == number)
			return plan.change[i].to.value;
	return NULL;
}

static unsigned count(enum fs_nic_kind kind)
{
	unsigned n = 0;

	for (size_t i = 0; i < plan.nchanges; i++)
		n += plan.change[i].to.kind == kind;
	return n;
}

static const char *note(const struct fs_nic_note *notes, size_t n, const char *label)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(notes[i].label, label))
			return notes[i].text;
	return "";
}

#define left(label) note(plan.left, plan.nleft, label)
#define advice(label) note(plan.advice, plan.nadvice, label)

static void expect_mask(const char *mask, const char *list)
{
	struct fs_cpus a, b;

	memset(&b, 0, sizeof(b));
	ck_assert_ptr_nonnull(mask);
	ck_assert(fs_nic_parse_mask(mask, &a));
	ck_assert(!*list || fs_cpus_parse(list, &b) == 0);
	ck_assert_msg(!memcmp(&a, &b, sizeof(a)), "%s is not %s", mask, list);
}

START_TEST(masks)
{
	static const struct {
		const char *text, *list, *canonical;
	} good[] = {
		{"0", "", "0"}, {"00", "", "0"}, {"f", "0-3", "f"}, {"F\n", "0-3", "f"},
		{"80000000", "31", "80000000"}, {"1,00000000", "32", "1,00000000"},
		{"00000001,00000000,0000000f", "0-3,64", "1,00000000,0000000f"},
		{"8,00000001,00000000,80000000", "31,64,99", "8,00000001,00000000,80000000"},
	};
	static const char *const bad[] = {"", "\n", ",", "x", "1,", ",1", "1,1", "1,,00000000", "000000001", "1 ", "0x1", "1,0000000"};
	struct fs_cpus cpus;

	for (size_t i = 0; i < FS_COUNT(good); i++) {
		expect_mask(good[i].text, good[i].list);
		ck_assert(fs_nic_parse_mask(good[i].text, &cpus));
		ck_assert_str_eq(fs_nic_format_mask(&pool, &cpus), good[i].canonical);
	}
	for (size_t i = 0; i < FS_COUNT(bad); i++)
		ck_assert_msg(!fs_nic_parse_mask(bad[i], &cpus), "\"%s\" is taken", bad[i]);
	memset(&cpus, 0xff, sizeof(cpus));
	ck_assert(fs_nic_parse_mask(fs_nic_format_mask(&pool, &cpus), &cpus));
	ck_assert_uint_eq(fs_cpus_count(&cpus), FS_CPUS_MAX);
}
END_TEST

/* A queue for each CPU: interrupt, XPS; and what is on the other CPUs' side is off. */
START_TEST(as_many_queues)
{
	static const unsigned ncpus[] = {1, 2, 4, 63, CPUS};
	unsigned n = ncpus[_i];
	struct fs_nic_state s = machine(n, n, n);

	combined_irqs(&s, "eth0-TxRx-%u", "0-511");
	s.rx[0].cpus = "1";
	make_plan(&s, &none);
	ck_assert_uint_eq(count(FS_NIC_IRQ), n);
	for (unsigned q = 0; q < n; q++) {
		const char *cpu = fs_pool_printf(&pool, "%u", q);

		ck_assert_str_eq(planned(FS_NIC_IRQ, 40 + q), cpu);
		if (n > 1)
			expect_mask(planned(FS_NIC_XPS, q), cpu);
	}
	ck_assert_uint_eq(count(FS_NIC_RPS), 1);
	expect_mask(planned(FS_NIC_RPS, 0), "");
	ck_assert_uint_eq(plan.nadvice, 0);

	/* Done: nothing is left to do. */
	for (unsigned q = 0; q < n; q++) {
		s.irq[q].cpus = planned(FS_NIC_IRQ, 40 + q);
		if (n > 1)
			s.tx[q].cpus = planned(FS_NIC_XPS, q);
	}
	s.rx[0].cpus = planned(FS_NIC_RPS, 0);
	make_plan(&s, &none);
	ck_assert_uint_eq(plan.nchanges, 0);
	ck_assert_str_eq(left("interrupts"), "each queue has one CPU already");
}
END_TEST

/* The queues' interrupts, by the names that drivers give them, each on CPU 7 before. */
START_TEST(names)
{
	static const struct {
		const char *name;
		const char *cpu; /* NULL: left alone */
	} irqs[] = {
		{"virtio0-config", NULL}, {"virtio0-input.0", "0"}, {"virtio0-output.0", "0"}, {"virtio0-input.1", "1"},
		{"virtio0-output.1", "1"}, {"eth0", NULL}, {"mlx5_comp2@pci:0000:03:00.0", "2"}, {"mlx5_async0@pci:0000:03:00.0", NULL},
		{"i40e-eth0-TxRx-3", "3"}, {"eth0-rx-4", "4"}, {"eth0-tx-4", "0"}, {"ena-mgmnt@pci:0000:00:05.0", NULL},
		{"eth0-Tx-Rx-5", "5"}, {"eth0-rx-99", NULL}, {"eth0-rx-", NULL}, {"", NULL}, {"eth0:lsc", NULL},
	};
	struct fs_nic_state s = machine(8, 8, 4);

	for (size_t i = 0; i < FS_COUNT(irqs); i++)
		irq(&s, irqs[i].name, "7");
	make_plan(&s, &none);
	for (unsigned i = 0; i < FS_COUNT(irqs); i++) {
		const char *cpu = planned(FS_NIC_IRQ, 40 + i);
		/* A transmit queue that is not there. */
		const char *expected = !strcmp(irqs[i].name, "eth0-tx-4") ? NULL : irqs[i].cpu;

		ck_assert_msg(!expected == !cpu && (!cpu || !strcmp(cpu, expected)), "%s goes to %s, not %s", irqs[i].name,
			      cpu ? cpu : "nowhere", expected ? expected : "nowhere");
	}
	ck_assert(strstr(left("interrupts"), "virtio0-config"));
	/* Two of the queues have no interrupt that is known: what RPS does there is not ours to say. */
	s.rx[1].cpus = "ff";
	make_plan(&s, &none);
	ck_assert_uint_eq(count(FS_NIC_RPS), 0);
}
END_TEST

/* Both ports of a card at one device: only those that name the interface, and "eth01" is another's name. */
START_TEST(other_port)
{
	struct fs_nic_state s = machine(2, 2, 2);

	for (unsigned q = 0; q < 2; q++) {
		irq(&s, fs_pool_printf(&pool, "eth01-TxRx-%u", q), "0-1");
		irq(&s, fs_pool_printf(&pool, "eth0-TxRx-%u", q), "0-1");
		irq(&s, fs_pool_printf(&pool, "eth1-TxRx-%u", q), "0-1");
	}
	make_plan(&s, &none);
	ck_assert_uint_eq(count(FS_NIC_IRQ), 2);
	ck_assert_str_eq(planned(FS_NIC_IRQ, 41), "0");
	ck_assert_str_eq(planned(FS_NIC_IRQ, 44), "1");
}
END_TEST

/* 8 queues, 32 CPUs, node 1's first: interrupts stay on the node, and each CPU has one of the queues to send through. */
START_TEST(numa_and_few_queues)
{
	struct fs_nic_state s = machine(32, 8, 8);
	uint16_t *cpu = fs_pool_alloc(&pool, 32, sizeof(*cpu));
	const struct fs_nic_wish rps = {.rps = true};
	struct fs_cpus all;

	for (unsigned i = 0; i < 32; i++)
		cpu[i] = (uint16_t)((i + 16) % 32);
	s.cpu = cpu;
	combined_irqs(&s, "eth0-TxRx-%u", "0-31");
	make_plan(&s, &none);
	memset(&all, 0, sizeof(all));
	for (unsigned q = 0; q < 8; q++) {
		struct fs_cpus mine;

		ck_assert_str_eq(planned(FS_NIC_IRQ, 40 + q), fs_pool_printf(&pool, "%u", 16 + q));
		ck_assert(fs_nic_parse_mask(planned(FS_NIC_XPS, q), &mine));
		ck_assert_uint_eq(fs_cpus_count(&mine), 4);
		ck_assert(fs_cpus_has(&mine, 16 + q));
		for (unsigned i = 0; i < FS_COUNT(all.bits); i++) {
			ck_assert(!(all.bits[i] & mine.bits[i]));
			all.bits[i] |= mine.bits[i];
		}
	}
	ck_assert_uint_eq(fs_cpus_count(&all), 32);
	ck_assert_uint_eq(count(FS_NIC_RPS), 0);
	ck_assert(strstr(advice("RPS"), "--rps"));

	make_plan(&s, &rps);
	ck_assert_uint_eq(count(FS_NIC_RPS), 8);
	for (unsigned q = 0; q < 8; q++)
		ck_assert_str_eq(planned(FS_NIC_RPS, q), planned(FS_NIC_XPS, q));
	ck_assert_str_eq(advice("RPS"), "");
}
END_TEST

/* More queues than CPUs: each queue on one CPU, each CPU with as many. */
START_TEST(more_queues)
{
	struct fs_nic_state s = machine(4, 16, 16);

	combined_irqs(&s, "eth0-TxRx-%u", "0-3");
	make_plan(&s, &none);
	for (unsigned q = 0; q < 16; q++) {
		ck_assert_str_eq(planned(FS_NIC_IRQ, 40 + q), fs_pool_printf(&pool, "%u", q % 4));
		expect_mask(planned(FS_NIC_XPS, q), fs_pool_printf(&pool, "%u", q % 4));
	}
	ck_assert(strstr(left("queues"), "16 for 4 CPUs"));
}
END_TEST

/* Interrupts that are dealt out well in another order stay, and sending follows them; ones that are not do not. */
START_TEST(somebodys_order)
{
	static const struct {
		const char *cpus[4];
		bool stays;
	} order[] = {
		{{"3", "2", "1", "0"}, true}, {{"1", "0", "3", "2"}, true}, {{"0", "1", "2", "3"}, true},
		{{"0", "0", "1", "2"}, false}, {{"3", "2", "1", "0-3"}, false}, {{"3", "2", "1", "7"}, false},
	};
	struct fs_nic_state s = machine(4, 4, 4);

	combined_irqs(&s, "eth0-TxRx-%u", "");
	for (unsigned q = 0; q < 4; q++)
		s.irq[q].cpus = order[_i].cpus[q];
	make_plan(&s, &none);
	ck_assert_int_eq(count(FS_NIC_IRQ) == 0, order[_i].stays);
	for (unsigned q = 0; q < 4; q++)
		expect_mask(planned(FS_NIC_XPS, q), order[_i].stays ? order[_i].cpus[q] : fs_pool_printf(&pool, "%u", q));
}
END_TEST

/* What the kernel places, what cannot be read, what is chosen by something else. */
START_TEST(not_ours)
{
	struct fs_nic_state s = machine(4, 4, 4);

	combined_irqs(&s, "eth0-TxRx-%u", "0-3");
	s.irq[1].fixed = true;
	s.irq[2].cpus = NULL;
	s.tx[2].more = "4";
	s.rx[3].cpus = "f";
	s.rx[3].more = "4096";
	make_plan(&s, &none);
	ck_assert_uint_eq(plan.nchanges, 2);
	ck_assert_str_eq(planned(FS_NIC_IRQ, 40), "0");
	ck_assert_str_eq(planned(FS_NIC_IRQ, 43), "3");
	ck_assert(strstr(left("rx-1"), "the kernel places it"));
	ck_assert(strstr(left("rx-2"), "cannot be read"));
	ck_assert(strstr(left("XPS"), "xps_rxqs"));
	ck_assert(strstr(left("RPS"), "not known which interrupts"));
	ck_assert(strstr(left("RFS"), "rps_flow_cnt"));
	s.tx[2].more = NULL;
	s.tx[1].cpus = NULL;
	s.rx[2].cpus = NULL;
	make_plan(&s, &none);
	ck_assert_str_eq(left("XPS"), "cannot be read");
	ck_assert(strstr(left("RPS"), "cannot be read"));
}
END_TEST

/* Without hardware, as veth: no interrupts, and whoever sends is where packets arrive. */
START_TEST(no_hardware)
{
	struct fs_nic_state s = machine(2, 2, 2);

	s.hardware = false;
	s.rx[1].cpus = "3";
	make_plan(&s, &none);
	ck_assert_uint_eq(count(FS_NIC_IRQ), 0);
	expect_mask(planned(FS_NIC_XPS, 0), "0");
	expect_mask(planned(FS_NIC_XPS, 1), "1");
	expect_mask(planned(FS_NIC_RPS, 1), "");
	s = machine(2, 1, 1);
	s.hardware = false;
	make_plan(&s, &none);
	ck_assert_uint_eq(plan.nchanges, 0);
	ck_assert_uint_eq(plan.nadvice, 0);
	s = machine(2, 0, 0);
	make_plan(&s, &(struct fs_nic_wish){.channels = true, .rps = true});
	ck_assert_uint_eq(plan.nchanges, 0);
}
END_TEST

START_TEST(tables)
{
	static const struct {
		uint32_t table[8];
		unsigned nrings;
		const char *to; /* NULL: stays */
	} cases[] = {
		{{0, 1, 2, 3, 0, 1, 2, 3}, 4, NULL}, {{3, 3, 2, 2, 1, 1, 0, 0}, 4, NULL}, {{0, 1, 2, 0, 1, 2, 0, 1}, 3, NULL},
		{{0, 1, 0, 1, 0, 1, 0, 1}, 4, "0,1,2,3,0,1,2,3"}, {{0, 0, 0, 0, 0, 0, 0, 1}, 2, "0,1,0,1,0,1,0,1"},
		{{0, 1, 2, 3, 4, 5, 6, 7}, 16, NULL}, {{0, 1, 2, 3, 4, 0, 0, 0}, 4, NULL}, {{0}, 1, NULL},
	};
	struct fs_nic_state s = machine(4, 4, 4);

	s.table = cases[_i].table;
	s.table_len = 8;
	s.nrings = cases[_i].nrings;
	make_plan(&s, &none);
	if (cases[_i].to)
		ck_assert_str_eq(planned(FS_NIC_TABLE, 0), cases[_i].to);
	else
		ck_assert_uint_eq(count(FS_NIC_TABLE), 0);
}
END_TEST

/* More queues only when they are asked for, as many as there are CPUs, and the rest is for when they are there. */
START_TEST(channels)
{
	static const struct {
		struct ethtool_channels now;
		unsigned ncpus;
		const char *to; /* NULL: nothing to win */
	} cases[] = {
		{{.max_combined = 8, .combined_count = 2}, 4, "0/0/0/4"}, {{.max_combined = 8, .combined_count = 2}, CPUS, "0/0/0/8"},
		{{.max_combined = 8, .combined_count = 4}, 4, NULL}, {{.max_combined = 8, .combined_count = 8}, 4, NULL},
		{{.max_combined = 2, .combined_count = 2}, 4, NULL}, {{.max_rx = 4, .max_tx = 4, .rx_count = 1, .tx_count = 2}, 4, "4/4/0/0"},
		{{.max_rx = 4, .max_tx = 1, .rx_count = 4, .tx_count = 1}, 4, NULL},
		/* Separate ones where combined ones are possible: somebody chose that. */
		{{.max_combined = 8, .max_rx = 8, .max_tx = 8, .rx_count = 2, .tx_count = 2}, 4, NULL},
		{{.max_combined = 8, .combined_count = 1, .other_count = 1, .max_other = 1}, 2, "0/0/1/2"},
	};
	struct fs_nic_state s = machine(cases[_i].ncpus, 2, 2);

	s.has_channels = true;
	s.channels = cases[_i].now;
	make_plan(&s, &none);
	ck_assert_uint_eq(count(FS_NIC_CHANNELS), 0);
	ck_assert_int_eq(!*advice("queues"), !cases[_i].to);
	make_plan(&s, &(struct fs_nic_wish){.channels = true});
	ck_assert_int_eq(plan.more, cases[_i].to != NULL);
	if (cases[_i].to) {
		ck_assert_uint_eq(plan.nchanges, 1);
		ck_assert_str_eq(planned(FS_NIC_CHANNELS, 0), cases[_i].to);
	}
}
END_TEST

START_TEST(irqbalance)
{
	struct fs_nic_state s = machine(2, 2, 2);

	irq(&s, "virtio0-config", "0-1");
	irq(&s, "virtio0-input.0", "0");
	irq(&s, "virtio0-input.1", "1");
	make_plan(&s, &none);
	ck_assert_str_eq(advice("irqbalance"), "");
	s.irqbalance = 77;
	make_plan(&s, &none);
	ck_assert(strstr(advice("irqbalance"), "--banirq=41 --banirq=42\n"));
}
END_TEST

static Suite *suite(void)
{
	Suite *s = suite_create("nic_plan");
	TCase *tc = tcase_create("plan");

	tcase_add_checked_fixture(tc, NULL, clean);
	tcase_add_test(tc, masks);
	tcase_add_loop_test(tc, as_many_queues, 0, 5);
	tcase_add_test(tc, names);
	tcase_add_test(tc, other_port);
	tcase_add_test(tc, numa_and_few_queues);
	tcase_add_test(tc, more_queues);
	tcase_add_loop_test(tc, somebodys_order, 0, 6);
	tcase_add_test(tc, not_ours);
	tcase_add_test(tc, no_hardware);
	tcase_add_loop_test(tc, tables, 0, 8);
	tcase_add_loop_test(tc, channels, 0, 9);
	tcase_add_test(tc, irqbalance);
	suite_add_tcase(s, tc);
	return s;
}

int main(void)
{
	return unit_main(suite());
}
