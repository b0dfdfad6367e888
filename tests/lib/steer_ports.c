/*
 * The two ends of the test of port steering between network namespaces, and what
 * else it has to have done: somebody else's XDP program, and whether a program is
 * still there.
 *
 *	steer_ports serve ADDRESS PORT CPU
 *		On that CPU; answers each byte with the CPU that it arrived on.
 *	steer_ports connect ADDRESS PORT CPU N DIVISOR SLOT
 *		N connections from that CPU, from source ports p of ip_local_port_range with
 *		p % DIVISOR == SLOT. Prints how many were answered, how many answers arrived
 *		on this CPU, and how many bytes arrived at the server on this CPU.
 *	steer_ports attach INTERFACE native|generic
 *		A program that lets everything pass, named "other".
 *	steer_ports exists ID
 *		0 if there is an XDP program with this id, 1 if not.
 *	steer_ports cpus
 *		The first two CPUs that this may run on; fails when there is one.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_link.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Nothing here takes that long; a server whose test was killed must not stay. */
#define GIVE_UP 120
/* Time for TCP to send again what a loaded machine dropped; what is dropped each time shows itself as no answer. */
#define ANSWER_SECONDS 10
/* The client's reset may get lost, and nobody sends that again: not to let the next client wait too long. */
#define SERVER_SECONDS 2

static void die(const char *what)
{
	perror(what);
	exit(2);
}

static void bind_to_cpu(const char *cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((unsigned)atoi(cpu), &set);
	if (sched_setaffinity(0, sizeof(set), &set) < 0)
		die("sched_setaffinity");
}

static socklen_t make_address(const char *address, unsigned port, struct sockaddr_storage *out)
{
	struct sockaddr_in *in4 = (struct sockaddr_in *)out;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;

	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, address, &in4->sin_addr) == 1) {
		in4->sin_family = AF_INET;
		in4->sin_port = htons((uint16_t)port);
		return sizeof(*in4);
	}
	if (inet_pton(AF_INET6, address, &in6->sin6_addr) != 1)
		die(address);
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons((uint16_t)port);
	return sizeof(*in6);
}

static int incoming_cpu(int fd)
{
	int cpu = -1;
	socklen_t len = sizeof(cpu);

	if (getsockopt(fd, SOL_SOCKET, SO_INCOMING_CPU, &cpu, &len) < 0)
		die("SO_INCOMING_CPU");
	return cpu;
}

static _Noreturn void serve(const char *address, unsigned port)
{
	struct sockaddr_storage at;
	socklen_t len = make_address(address, port, &at);
	int listener = socket(at.ss_family, SOCK_STREAM, 0), one = 1;

	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&at, len) < 0 || listen(listener, 128) < 0)
		die("listen");
	puts("ready");
	fflush(stdout);
	for (;;) {
		struct timeval patience = {SERVER_SECONDS, 0};
		int fd = accept(listener, NULL, NULL);
		unsigned char byte;

		if (fd < 0)
			continue;
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
		if (read(fd, &byte, 1) == 1) {
			byte = (unsigned char)incoming_cpu(fd);
			if (write(fd, &byte, 1) == 1)
				/* The client closes first. */
				(void)!read(fd, &byte, 1);
		}
		close(fd);
	}
}

/* A connection from the source port, or -1 when that is taken. */
static int connect_from(const struct sockaddr_storage *to, socklen_t len, unsigned port)
{
	struct sockaddr_storage from;
	struct timeval patience = {ANSWER_SECONDS, 0};
	/* Closed by a reset: no port is left in TIME_WAIT. */
	struct linger linger = {1, 0};
	int fd = socket(to->ss_family, SOCK_STREAM, 0);

	if (fd < 0)
		die("socket");
	make_address(to->ss_family == AF_INET ? "0.0.0.0" : "::", port, &from);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (bind(fd, (struct sockaddr *)&from, len) == 0 && connect(fd, (const struct sockaddr *)to, len) == 0)
		return fd;
	if (errno != EADDRINUSE && errno != EADDRNOTAVAIL && errno != EINPROGRESS && errno != ETIMEDOUT)
		die("connect");
	fprintf(stderr, "from port %u: %s\n", port, strerror(errno));
	close(fd);
	return -1;
}

/* The ports of this network namespace's connections: packets to others are not steered. */
static void read_range(unsigned *low, unsigned *high)
{
	FILE *file = fopen("/proc/sys/net/ipv4/ip_local_port_range", "r");

	if (!file || fscanf(file, "%u %u", low, high) != 2)
		die("ip_local_port_range");
	fclose(file);
}

/* The first port from `from` on whose slot it is. */
static unsigned port_of_slot(unsigned from, unsigned divisor, unsigned slot)
{
	return from + divisor - from % divisor + slot;
}

static int connect_many(const char *address, unsigned port, int cpu, unsigned n, unsigned divisor, unsigned slot)
{
	unsigned low, high, from, answered = 0, here = 0, there = 0;
	struct sockaddr_storage to;
	socklen_t len = make_address(address, port, &to);

	read_range(&low, &high);
	/* Any start will do. */
	from = port_of_slot(low + (unsigned)getpid() % ((high - low) / 2), divisor, slot);
	for (unsigned i = 0; i < n; i++, from += divisor) {
		unsigned char byte = 0;
		int fd;

		if (from > high)
			from = port_of_slot(low, divisor, slot);
		fd = connect_from(&to, len, from);
		if (fd < 0)
			continue;
		if (write(fd, &byte, 1) == 1 && read(fd, &byte, 1) == 1) {
			answered++;
			here += incoming_cpu(fd) == cpu;
			there += byte == cpu;
		} else {
			fprintf(stderr, "from port %u: no answer: %s\n", from, strerror(errno));
		}
		close(fd);
	}
	printf("%u %u %u\n", answered, here, there);
	return 0;
}

static int attach(const char *interface, const char *mode)
{
	static const struct bpf_insn pass[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = XDP_PASS},
		{.code = BPF_JMP | BPF_EXIT},
	};
	int fd = bpf_prog_load(BPF_PROG_TYPE_XDP, "other", "MIT", pass, sizeof(pass) / sizeof(*pass), NULL);

	if (fd < 0)
		die("bpf_prog_load");
	if (bpf_xdp_attach((int)if_nametoindex(interface), fd, strcmp(mode, "native") ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE,
			   NULL) < 0)
		die("bpf_xdp_attach");
	return 0;
}

static int exists(const char *id)
{
	int fd = bpf_prog_get_fd_by_id((unsigned)strtoul(id, NULL, 10));

	if (fd < 0 && errno != ENOENT)
		die("bpf_prog_get_fd_by_id");
	return fd < 0;
}

static int cpus(void)
{
	cpu_set_t set;
	int found = 0;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		die("sched_getaffinity");
	for (int cpu = 0; cpu < CPU_SETSIZE && found < 2; cpu++) {
		if (CPU_ISSET((unsigned)cpu, &set))
			printf("%s%d", found++ ? " " : "", cpu);
	}
	putchar('\n');
	return found < 2;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";

	alarm(GIVE_UP);
	if (!strcmp(verb, "cpus"))
		return cpus();
	if (!strcmp(verb, "exists") && argc == 3)
		return exists(argv[2]);
	if (!strcmp(verb, "attach") && argc == 4)
		return attach(argv[2], argv[3]);
	if (!strcmp(verb, "serve") && argc == 5) {
		bind_to_cpu(argv[4]);
		serve(argv[2], (unsigned)atoi(argv[3]));
	}
	if (!strcmp(verb, "connect") && argc == 8) {
		bind_to_cpu(argv[4]);
		return connect_many(argv[2], (unsigned)atoi(argv[3]), atoi(argv[4]), (unsigned)atoi(argv[5]),
				    (unsigned)atoi(argv[6]), (unsigned)atoi(argv[7]));
	}
	fprintf(stderr, "steer_ports: wrong usage\n");
	return 2;
}
