/*
 * connect() where programs do what is rarely tried with it (connecting.h):
 *
 *   connect_robust --cpu CPU WHAT ADDRESS PORT [ADDRESS]
 *
 * A server on ADDRESS:PORT accepts. WHAT is one of
 *
 *   dup       the copy of a descriptor is told what to do
 *   options   sockets with options that no listener's siblings could be given
 *   few       the first one without a descriptor left
 *   children  the source ports of children
 *   udp       connections, then datagram sockets that go to ADDRESS; then waits to be ended
 *   shared    sockets with SO_REUSEPORT, on a kernel before 6.3; then waits to be ended
 *   source    bound to ADDRESS with no port left to bind, on a kernel before 6.3
 *
 * Each prints what came of it; who runs this judges, and bounds its time.
 */
#define _GNU_SOURCE
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "connecting.h"
#include "old_kernel.h"

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif
#ifndef TCP_FASTOPEN_CONNECT
#define TCP_FASTOPEN_CONNECT 30
#endif

#define PATIENCE_SECONDS 20

static _Noreturn void wait_to_be_ended(void)
{
	fflush(stdout);
	for (;;)
		pause();
}

/* ---- told otherwise ---- */

static void copies(void)
{
	int inside = 0, odd = 0;

	for (int i = 0; i < 50; i++) {
		int fd = tcp(0), copy = dup(fd);
		unsigned port;

		set(copy, IPPROTO_IP, IP_LOCAL_PORT_RANGE, (int)(40000u << 16 | 39000u));
		port = port_taken(fd);
		inside += port >= 39000 && port <= 40000;
		close(copy);
		fd = tcp(0);
		copy = dup(fd);
		set(copy, SOL_SOCKET, SO_MARK, 7);
		odd += port_taken(fd) % 2;
		close(copy);
	}
	printf("range: %d of 50 inside\nmark: %d of 50 steered\n", inside, odd);
}

static void options(void)
{
	static const struct {
		const char *name;
		int level, option;
	} odd[] = { { "fastopen", IPPROTO_TCP, TCP_FASTOPEN_CONNECT }, { "timestamp", SOL_SOCKET, SO_TIMESTAMP } };

	for (unsigned o = 0; o < sizeof(odd) / sizeof(odd[0]); o++) {
		int k = 0;

		for (int i = 0; i < 50; i++) {
			int fd = tcp(0);

			if (set(fd, odd[o].level, odd[o].option, 1) != 0)
				die(odd[o].name);
			k += port_taken(fd) % 2;
		}
		printf("%s: %d of 50 steered\n", odd[o].name, k);
	}
}

/* The first look at route, NIC and ports fails. */
static void few_descriptors(void)
{
	struct rlimit limit, low;
	int fd = tcp(0), last = fd, copy, odd = 0;

	getrlimit(RLIMIT_NOFILE, &limit);
	low = limit;
	low.rlim_cur = (rlim_t)fd + 8;
	setrlimit(RLIMIT_NOFILE, &low);
	while ((copy = dup(0)) >= 0)
		last = copy;
	port_taken(fd);
	for (int i = fd + 1; i <= last; i++)
		close(i);
	setrlimit(RLIMIT_NOFILE, &limit);
	for (time_t end = seconds() + PATIENCE_SECONDS; odd < 20 && seconds() < end; usleep(200000))
		odd = steered(20);
	printf("later: %d of 20 steered\n", odd);
}

static void children(void)
{
	steered(5);
	for (int i = 0; i < 8; i++) {
		pid_t child;
		int status;

		fflush(stdout);
		child = fork();
		if (child == 0) {
			printf("%u\n", port_taken(tcp(0)));
			exit(0);
		}
		if (child < 0 || waitpid(child, &status, 0) != child || status)
			die("child");
	}
}

static void datagrams(void)
{
	int fd = socket(to.sa.sa_family, SOCK_DGRAM, 0);
	union endpoint there;

	if (!endpoint_parse(&there, argument, 80))
		die(argument);
	tell_steered("before datagrams", 20);
	for (int i = 0; i < 1000; i++)
		if (connect(fd, &there.sa, len) != 0)
			die("connect");
	puts("done");
	wait_to_be_ended();
}

/* ---- on a kernel before 6.3 ---- */

static void need_old_kernel(void)
{
	if (!old_kernel())
		exit(77);
}

static void shared(void)
{
	need_old_kernel();
	tell_steered("before", 20);
	for (int i = 0; i < 20; i++) {
		int fd = tcp(0);

		set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
		port_taken(fd);
	}
	puts("done");
	wait_to_be_ended();
}

/* The ports that the library would bind, and any that it might, are somebody's. */
static void take_ports(void)
{
	FILE *f = fopen("/proc/sys/net/ipv4/ip_local_port_range", "r");
	unsigned low, high;

	if (!f || fscanf(f, "%u %u", &low, &high) != 2)
		die("ip_local_port_range");
	fclose(f);
	for (unsigned port = high - (high - low) / 3; port <= high; port++) {
		struct sockaddr_in any = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

		if (bind(tcp(0), (struct sockaddr *)&any, sizeof(any)) != 0)
			die("bind");
	}
}

static void source(void)
{
	union endpoint own;
	char text[INET6_ADDRSTRLEN];
	socklen_t n = sizeof(own);
	int fd;

	need_old_kernel();
	take_ports();
	fd = tcp(0);
	set(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
	endpoint_parse(&own, argument, 0);
	if (bind(fd, &own.sa, len) != 0 || connect(fd, &to.sa, len) != 0)
		die("connect");
	getsockname(fd, &own.sa, &n);
	printf("source: %s\n", inet_ntop(AF_INET, &own.in.sin_addr, text, sizeof(text)));
	drop(fd);
}

int main(int argc, char **argv)
{
	static const struct situation all[] = {
		{ "dup", copies }, { "options", options }, { "few", few_descriptors }, { "children", children },
		{ "udp", datagrams }, { "shared", shared }, { "source", source },
	};

	return connecting_main(argc, argv, all, sizeof(all) / sizeof(all[0]));
}
