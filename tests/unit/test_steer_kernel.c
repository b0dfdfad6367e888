/*
 * The steering programs in the kernel: attached to real SO_REUSEPORT groups on
 * loopback, where a SYN is processed on the CPU that its client runs on. Which
 * listener gets a connection must be what the table says for that CPU and
 * that client's address and port, over IPv4, IPv6 and dual-stack listeners,
 * with IPv4 options and IPv6 extension headers too. By the kernel's own hash
 * each of these would go elsewhere half of the time or more.
 */
#define _GNU_SOURCE
#include "lib/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/socket.h>

#include "core/steer.h"

#define SEED UINT64_C(0x5eed0003)
#define PROG_MAX BPF_MAXINSNS
#define LISTENERS_MAX 257
/* A bound on waiting for the loopback device, not an expectation. */
#define PATIENCE_MS 20000

#ifndef SO_ATTACH_REUSEPORT_CBPF
#define SO_ATTACH_REUSEPORT_CBPF 51
#endif

static struct fs_steer_table table;
static struct fs_topology topo;
static struct fs_steer_target targets[LISTENERS_MAX];
static struct sock_filter prog[PROG_MAX];
static struct fs_cpus cpus; /* on which this test may run */
static struct unit_random rng;

struct group {
	int family;
	uint16_t port; /* network order */
	unsigned count;
	struct pollfd listener[LISTENERS_MAX];
};

static struct group group;

static socklen_t make_address(struct sockaddr_storage *ss, int family, uint16_t port, bool any)
{
	memset(ss, 0, sizeof(*ss));
	ss->ss_family = (sa_family_t)family;
	if (family == AF_INET) {
		struct sockaddr_in *in = (struct sockaddr_in *)ss;

		in->sin_port = port;
		in->sin_addr.s_addr = htonl(any ? INADDR_ANY : INADDR_LOOPBACK);
		return sizeof(*in);
	} else {
		struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)ss;

		in6->sin6_port = port;
		in6->sin6_addr = any ? in6addr_any : in6addr_loopback;
		return sizeof(*in6);
	}
}

static uint16_t port_of(const struct sockaddr_storage *ss)
{
	return ss->ss_family == AF_INET ? ((const struct sockaddr_in *)ss)->sin_port : ((const struct sockaddr_in6 *)ss)->sin6_port;
}

/* The last four bytes of the address in host order. */
static uint32_t address_low(const struct sockaddr_storage *ss)
{
	uint32_t low;

	if (ss->ss_family == AF_INET)
		low = ((const struct sockaddr_in *)ss)->sin_addr.s_addr;
	else
		memcpy(&low, ((const struct sockaddr_in6 *)ss)->sin6_addr.s6_addr + 12, 4);
	return ntohl(low);
}

static void open_group(int family, bool v6only, unsigned count)
{
	const int one = 1, only = v6only;
	struct sockaddr_storage ss;
	socklen_t len;

	group.family = family;
	group.port = 0;
	group.count = count;
	for (unsigned i = 0; i < count; i++) {
		int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

		ck_assert_int_ge(fd, 0);
		ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)), 0);
		if (family == AF_INET6)
			ck_assert_int_eq(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only)), 0);
		len = make_address(&ss, family, group.port, true);
		ck_assert_int_eq(bind(fd, (struct sockaddr *)&ss, len), 0);
		ck_assert_int_eq(listen(fd, 64), 0);
		ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
		group.port = port_of(&ss);
		group.listener[i] = (struct pollfd){ .fd = fd, .events = POLLIN };
	}
}

static void close_group(void)
{
	for (unsigned i = 0; i < group.count; i++)
		close(group.listener[i].fd);
	group.count = 0;
}

static void attach_table(void)
{
	struct sock_fprog fprog = { .filter = prog };
	int len = fs_steer_compile(&table, prog, PROG_MAX);

	ck_assert_int_gt(len, 0);
	fprog.len = (unsigned short)len;
	ck_assert_msg(setsockopt(group.listener[0].fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &fprog, sizeof(fprog)) == 0,
		      "a program of %d instructions is refused: %s", len, strerror(errno));
}

static void pin(unsigned cpu)
{
	cpu_set_t *set = CPU_ALLOC(FS_CPUS_MAX);
	size_t size = CPU_ALLOC_SIZE(FS_CPUS_MAX);

	ck_assert_ptr_nonnull(set);
	CPU_ZERO_S(size, set);
	CPU_SET_S(cpu, size, set);
	ck_assert_int_eq(sched_setaffinity(0, size, set), 0);
	CPU_FREE(set);
	ck_assert_int_eq(sched_getcpu(), (int)cpu);
}

/* The index of the one listener that has a connection; takes it out. */
static unsigned who_got_it(void)
{
	unsigned index = group.count;

	ck_assert_int_eq(poll(group.listener, group.count, PATIENCE_MS), 1);
	for (unsigned i = 0; i < group.count; i++) {
		if (group.listener[i].revents & POLLIN) {
			int fd = accept4(group.listener[i].fd, NULL, NULL, SOCK_CLOEXEC);

			ck_assert_int_ge(fd, 0);
			close(fd);
			index = i;
		}
	}
	ck_assert_uint_lt(index, group.count);
	return index;
}

enum extra { EXTRA_NONE, EXTRA_IP_OPTIONS, EXTRA_EXTENSION_HEADER };

/*
 * Connects from `cpu`. IPv4 clients take a random address of 127.0.0.0/8. The
 * connection's flow group and listener; false where the header needs a privilege.
 */
static bool connect_from(unsigned cpu, int family, enum extra extra, unsigned *flow_group, unsigned *listener)
{
	const struct linger reset = { 1, 0 };
	const struct timeval patience = { PATIENCE_MS / 1000, 0 };
	struct sockaddr_storage ss;
	socklen_t len;
	int fd;

	pin(cpu);
	fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(fd, 0);
	/* No TIME_WAIT is left behind, and no connect() that lasts for minutes. */
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)), 0);
	if (extra == EXTRA_IP_OPTIONS) {
		const uint8_t nops[] = { 1, 1, 1, 1, 1, 1, 1, 0 };
		size_t words = 1 + unit_random_below(&rng, 2);

		ck_assert_int_eq(setsockopt(fd, IPPROTO_IP, IP_OPTIONS, nops, 4 * words), 0);
	}
	if (extra == EXTRA_EXTENSION_HEADER) {
		/* A destination options header of one PadN option (RFC 8200, 4.2). */
		const uint8_t padding[] = { 0, 0, 1, 4, 0, 0, 0, 0 };

		if (setsockopt(fd, IPPROTO_IPV6, IPV6_DSTOPTS, padding, sizeof(padding)) < 0) {
			ck_assert_int_eq(errno, EPERM);
			printf("left out: IPv6 extension headers (IPV6_DSTOPTS needs CAP_NET_RAW)\n");
			close(fd);
			return false;
		}
	}
	if (family == AF_INET) {
		len = make_address(&ss, family, 0, false);
		((struct sockaddr_in *)&ss)->sin_addr.s_addr = htonl(0x7f000000 | (1 + unit_random_below(&rng, 0xfffffe)));
		ck_assert_int_eq(bind(fd, (struct sockaddr *)&ss, len), 0);
	}
	len = make_address(&ss, family, group.port, false);
	ck_assert_int_eq(connect(fd, (struct sockaddr *)&ss, len), 0);
	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	*flow_group = fs_steer_flow_group(address_low(&ss), extra == EXTRA_EXTENSION_HEADER ? 0 : ntohs(port_of(&ss)));
	*listener = who_got_it();
	close(fd);
	return true;
}

static unsigned lookup(unsigned cpu, unsigned flow_group)
{
	const struct fs_steer_row *row = &table.row[cpu];
	uint32_t i = row->first;

	ck_assert_uint_lt(cpu, table.ncpus);
	while (flow_group >= table.seg[i].end)
		i++;
	return table.seg[i].listener;
}

static void check_connections(int family, enum extra extra, unsigned each)
{
	for (unsigned i = 0; i < each; i++) {
		for (unsigned cpu = fs_cpus_next(&cpus, 0); cpu < FS_CPUS_MAX; cpu = fs_cpus_next(&cpus, cpu + 1)) {
			unsigned flow_group, listener, want;

			if (!connect_from(cpu, family, extra, &flow_group, &listener))
				return;
			want = lookup(cpu, flow_group);
			ck_assert_msg(listener == want, "CPU %u, flow group %u: listener %u, not %u, " UNIT_SEED_FMT, cpu, flow_group,
				      listener, want, rng.seed);
		}
	}
}

static void start(void)
{
	rng = unit_random_from(SEED);
	fs_topology_read(&topo, &cpus);
}

/* The three kinds of listeners, and the families of clients that each sees. */
enum kind { KIND_IP4, KIND_IP6, KIND_DUAL, KINDS };

static void open_kind(enum kind kind, unsigned count)
{
	open_group(kind == KIND_IP4 ? AF_INET : AF_INET6, kind == KIND_IP6, count);
}

static void check_kind(enum kind kind, enum extra extra, unsigned each)
{
	if (kind != KIND_IP6 && extra != EXTRA_EXTENSION_HEADER)
		check_connections(AF_INET, extra, each);
	if (kind != KIND_IP4 && extra != EXTRA_IP_OPTIONS)
		check_connections(AF_INET6, extra, each);
}

/* --- tests --- */

/*
 * One listener a CPU, dealt anew in every round, on the same sockets: the program
 * is replaced while they listen.
 */
START_TEST(each_cpu_has_its_listener)
{
	open_kind((enum kind)_i, topo.ncpus + 1 < 16 ? topo.ncpus + 1 : 16);
	for (unsigned round = 0; round < 8; round++) {
		size_t n = 0;

		for (unsigned cpu = fs_cpus_next(&cpus, 0); cpu < FS_CPUS_MAX && n < LISTENERS_MAX; cpu = fs_cpus_next(&cpus, cpu + 1)) {
			targets[n].cpu = (uint16_t)cpu;
			targets[n].listener = (uint16_t)((cpu + round) % group.count);
			n++;
		}
		ck_assert_int_eq(fs_steer_plan(&table, &topo, targets, n, 0, false), 0);
		attach_table();
		check_kind((enum kind)_i, EXTRA_NONE, 3);
	}
	close_group();
}
END_TEST

/*
 * Five workers on every CPU: the flow group decides, and it is the client's own
 * address and port that make it.
 */
START_TEST(flow_groups_split_a_cpu)
{
	size_t n = 0;

	open_kind((enum kind)_i, 5);
	for (unsigned cpu = fs_cpus_next(&cpus, 0); cpu < FS_CPUS_MAX; cpu = fs_cpus_next(&cpus, cpu + 1)) {
		for (unsigned i = 0; i < 5 && n < LISTENERS_MAX; i++) {
			targets[n].cpu = (uint16_t)cpu;
			targets[n].listener = (uint16_t)((cpu + i) % 5);
			n++;
		}
	}
	ck_assert_int_eq(fs_steer_plan(&table, &topo, targets, n, 0, false), 0);
	attach_table();
	check_kind((enum kind)_i, EXTRA_NONE, 20);
	check_kind((enum kind)_i, EXTRA_IP_OPTIONS, 20);
	check_kind((enum kind)_i, EXTRA_EXTENSION_HEADER, 20);
	close_group();
}
END_TEST

START_TEST(blind_to_the_cpu)
{
	open_kind((enum kind)_i, 7);
	for (unsigned i = 0; i < 7; i++) {
		targets[i].cpu = 0;
		targets[i].listener = (uint16_t)(6 - i);
	}
	ck_assert_int_eq(fs_steer_plan_hash(&table, targets, 7, 0), 0);
	attach_table();
	check_kind((enum kind)_i, EXTRA_NONE, 20);
	close_group();
}
END_TEST

/*
 * Nobody serves a local listener: all go to the global one. Somebody does: CPUs
 * without a worker still go there when that is asked for.
 */
START_TEST(the_global_listener)
{
	unsigned first = fs_cpus_next(&cpus, 0);

	open_kind(KIND_IP4, 4);
	ck_assert_int_eq(fs_steer_plan(&table, &topo, NULL, 0, 2, false), 0);
	attach_table();
	check_connections(AF_INET, EXTRA_NONE, 10);
	targets[0].cpu = (uint16_t)first;
	targets[0].listener = 3;
	ck_assert_int_eq(fs_steer_plan(&table, &topo, targets, 1, 1, true), 0);
	ck_assert_uint_eq(lookup(first, 0), 3);
	ck_assert_uint_eq(lookup(fs_cpus_next(&cpus, first + 1), 0), 1);
	attach_table();
	check_connections(AF_INET, EXTRA_NONE, 10);
	close_group();
}
END_TEST

/*
 * The largest machine of the design, in no order at all: the kernel takes the
 * program, and it is right on the CPUs that are here.
 */
START_TEST(permutation_of_256)
{
	open_group(AF_INET, false, 257);
	for (unsigned round = 0; round < 4; round++) {
		memset(&topo, 0, sizeof(topo));
		topo.ncpus = 256;
		for (unsigned cpu = 0; cpu < 256; cpu++) {
			topo.possible[cpu] = 1;
			targets[cpu].cpu = (uint16_t)cpu;
			targets[cpu].listener = (uint16_t)(cpu + 1);
		}
		for (unsigned i = 255; i > 0; i--) {
			unsigned j = unit_random_below(&rng, i + 1);
			uint16_t tmp = targets[i].listener;

			targets[i].listener = targets[j].listener;
			targets[j].listener = tmp;
		}
		ck_assert_int_eq(fs_steer_plan(&table, &topo, targets, 256, 0, false), 0);
		attach_table();
		if (fs_cpus_next(&cpus, 256) == FS_CPUS_MAX)
			check_connections(AF_INET, EXTRA_NONE, 2);
	}
	close_group();
}
END_TEST

/* --- what has to be there --- */

static bool have_ip6(void)
{
	struct sockaddr_storage ss;
	socklen_t len = make_address(&ss, AF_INET6, 0, false);
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool works = fd >= 0 && bind(fd, (struct sockaddr *)&ss, len) == 0;

	if (fd >= 0)
		close(fd);
	return works;
}

static bool have_cbpf(void)
{
	struct sock_filter ret = BPF_STMT(BPF_RET | BPF_K, 0);
	const struct sock_fprog fprog = { 1, &ret };
	const int one = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool missing;

	missing = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) == 0 &&
		  setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &fprog, sizeof(fprog)) < 0 && errno == ENOPROTOOPT;
	if (fd >= 0)
		close(fd);
	return !missing;
}

/* Receive packet steering on loopback moves a SYN to another CPU than its client's. */
static bool loopback_is_steered(void)
{
	char mask[1024] = "";
	int fd = open("/sys/class/net/lo/queues/rx-0/rps_cpus", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, mask, sizeof(mask) - 1);

	if (fd >= 0)
		close(fd);
	return n > 0 && strspn(mask, "0,\n") != strlen(mask);
}

int main(void)
{
	Suite *s = suite_create("steer in the kernel");
	TCase *tc = tcase_create("connections");

	if (fs_cpus_allowed(0, &cpus) < 0 || fs_cpus_count(&cpus) < 2)
		return unit_skip("two CPUs to run on");
	if (!have_cbpf())
		return unit_skip("SO_ATTACH_REUSEPORT_CBPF (Linux 4.5; not under user-mode emulation)");
	if (!have_ip6())
		return unit_skip("IPv6 on the loopback device");
	if (loopback_is_steered())
		return unit_skip("a loopback device without receive packet steering (rps_cpus)");
	tcase_set_timeout(tc, 300);
	tcase_add_checked_fixture(tc, start, NULL);
	tcase_add_loop_test(tc, each_cpu_has_its_listener, 0, KINDS);
	tcase_add_loop_test(tc, flow_groups_split_a_cpu, 0, KINDS);
	tcase_add_loop_test(tc, blind_to_the_cpu, 0, KINDS);
	tcase_add_test(tc, the_global_listener);
	tcase_add_test(tc, permutation_of_256);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
