/*
 * What the tests of the XDP program share: it is loaded, in a network namespace
 * of its own, and run by the kernel (BPF_PROG_TEST_RUN) on frames that we make,
 * on one CPU, with another one to send packets to.
 */
#ifndef FS_TESTS_PORT_STEER_CHECK_H
#define FS_TESTS_PORT_STEER_CHECK_H

#include "lib/unit.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "bpf/loader.h"
#include "core/cpus.h"
#include "unit/frame.h"

/* Ports of 1024 and above: to even ones is for the first CPU of the list, to odd ones for the second. */
#define EVEN 40000
#define ODD 40001
#define REMOTE 50001

/* All that a connection can have, so that it is the other rules that decide. */
#define ALL_PORTS ((struct port_steer_range){1, 65535})

enum outcome { HERE, AWAY, PASSIVE, NOT_TCP, ERROR, OUTCOMES };
static const char *const outcome_name[] = {"here", "away", "passive", "not_tcp", "error", "nothing"};

static uint16_t cpu_here, cpu_away;
static unsigned npossible;
static struct port_steer_counts *counts;
static struct fs_steer_program *program;

static void load(const uint16_t *cpu, uint32_t n, struct port_steer_range ports)
{
	struct fs_steer_why why;
	int err = fs_steer_load(cpu, n, ports, &program, &why);

	ck_assert_msg(err == 0, "%s: %s", strerror(-err), why.text);
}

static void setup(void)
{
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};
	cpu_set_t set;
	int fd;

	CPU_ZERO(&set);
	CPU_SET(cpu_here, &set);
	ck_assert_int_eq(sched_setaffinity(0, sizeof(set), &set), 0);
	ck_assert_int_eq(unshare(CLONE_NEWNET), 0);
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	ck_assert_int_eq(ioctl(fd, SIOCSIFFLAGS, &lo), 0);
	close(fd);
	load((uint16_t[]){cpu_here, cpu_away}, 2, ALL_PORTS);
}

static void teardown(void)
{
	fs_steer_close(program);
}

/* What was counted on all CPUs. */
static void read_counts(uint64_t sum[OUTCOMES])
{
	memset(sum, 0, OUTCOMES * sizeof(*sum));
	ck_assert_int_eq(fs_steer_counts(fs_steer_id(program), counts, npossible), 0);
	for (unsigned cpu = 0; cpu < npossible; cpu++) {
		sum[HERE] += counts[cpu].here;
		sum[AWAY] += counts[cpu].away;
		sum[PASSIVE] += counts[cpu].passive;
		sum[NOT_TCP] += counts[cpu].not_tcp;
		sum[ERROR] += counts[cpu].error;
	}
}

/* Runs the program on the frame. What it was counted as, once and no more; verdict and frame have to agree with it. */
static enum outcome run(const struct frame *f, const char *what)
{
	unsigned char out[FRAME_MAX + 64];
	uint64_t before[OUTCOMES], after[OUTCOMES];
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f->data, .data_size_in = f->len, .data_out = out,
		    .data_size_out = sizeof(out), .repeat = 1);
	enum outcome found = OUTCOMES;
	uint64_t total = 0;

	read_counts(before);
	ck_assert_msg(bpf_prog_test_run_opts(fs_steer_fd(program), &opts) == 0, "%s: %s", what, strerror(errno));
	read_counts(after);
	for (enum outcome o = 0; o < OUTCOMES; o++) {
		total += after[o] - before[o];
		if (after[o] != before[o])
			found = o;
	}
	ck_assert_msg(total == 1, "%s: counted %u times", what, (unsigned)total);
	ck_assert_msg(opts.retval == (found == AWAY ? XDP_REDIRECT : XDP_PASS), "%s: counted as %s, verdict %u", what,
		      outcome_name[found], opts.retval);
	ck_assert_msg(opts.data_size_out == f->len && !memcmp(out, f->data, f->len), "%s: the frame was changed", what);
	return found;
}

__attribute__((unused)) static void expect(const struct frame *f, enum outcome expected, const char *what)
{
	enum outcome found = run(f, what);

	ck_assert_msg(found == expected, "%s: %s, expected %s", what, outcome_name[found], outcome_name[expected]);
}

static int listener(int family, const char *address, uint16_t port)
{
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons(port)};
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;

	ck_assert_int_ge(fd, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (family == AF_INET) {
		inet_pton(AF_INET, address, &in4.sin_addr);
		ck_assert_int_eq(bind(fd, (struct sockaddr *)&in4, sizeof(in4)), 0);
	} else {
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
		inet_pton(AF_INET6, address, &in6.sin6_addr);
		ck_assert_int_eq(bind(fd, (struct sockaddr *)&in6, sizeof(in6)), 0);
	}
	ck_assert_int_eq(listen(fd, 8), 0);
	return fd;
}

/* 0 when the tests can run; else automake's status for a skipped test, after a line that says what is missing. */
static int prepare(void)
{
	struct fs_steer_why why;
	struct fs_cpus allowed;
	int err;

	if (fs_cpus_allowed(0, &allowed) < 0 || fs_cpus_count(&allowed) < 2)
		return unit_skip("a second CPU is missing");
	cpu_here = (uint16_t)fs_cpus_next(&allowed, 0);
	cpu_away = (uint16_t)fs_cpus_next(&allowed, cpu_here + 1u);
	err = fs_steer_load(&cpu_here, 1, ALL_PORTS, &program, &why);
	if (err == -EPERM)
		return unit_skip("root, or CAP_BPF and CAP_NET_ADMIN: no permission to load BPF programs");
	if (err == -ENOSYS)
		return unit_skip("a kernel with BPF is missing");
	if (!err)
		fs_steer_close(program);
	npossible = fs_steer_possible_cpus();
	counts = calloc(npossible, sizeof(*counts));
	return 0;
}

#endif
