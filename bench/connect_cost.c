/*
 * What connect() costs and where the replies arrive.
 *
 *   connect_cost --serve                   listens on every address, prints "port N", takes
 *                                          connections, sends one byte, closes when the peer does
 *   connect_cost --hook ADDRESS            ns of a connect() towards ADDRESS that fails at once
 *                                          (descriptor -1): what the hook costs alone
 *   connect_cost --to ADDRESS --port N     opens and resets connections, from each CPU in turn:
 *        [--count N] [--hold N]            (N a CPU), with N others that are held open and N that
 *        [--time-wait N]                   were closed properly and wait in TIME_WAIT
 *
 * A measured connection is reset when it is closed, so that none is left in TIME_WAIT.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

#define BATCH 2000
#define BATCHES 50
#define BACKLOG 4096
#define EVENTS 64

union address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

static union address to;
static socklen_t to_len;

static void set_address(const char *text)
{
	if (inet_pton(AF_INET, text, &to.in.sin_addr) == 1) {
		to.in.sin_family = AF_INET;
		to_len = sizeof(to.in);
	} else if (inet_pton(AF_INET6, text, &to.in6.sin6_addr) == 1) {
		to.in6.sin6_family = AF_INET6;
		to_len = sizeof(to.in6);
	} else {
		bench_die("%s: an IPv4 or IPv6 address is accepted", text);
	}
}

static void set_port(unsigned long port)
{
	if (to.sa.sa_family == AF_INET)
		to.in.sin_port = htons((uint16_t)port);
	else
		to.in6.sin6_port = htons((uint16_t)port);
}

/* ---- the server ---- */

static int serve(void)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6 };
	socklen_t len = sizeof(any);
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = -1 }, got[EVENTS];
	int l = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0), ep = epoll_create1(0);

	bench_raise_limit();
	if (l < 0 || ep < 0 || bind(l, (struct sockaddr *)&any, sizeof(any)) != 0 || listen(l, BACKLOG) != 0 ||
	    getsockname(l, (struct sockaddr *)&any, &len) != 0 || epoll_ctl(ep, EPOLL_CTL_ADD, l, &ev) != 0)
		bench_die("listener: %s", strerror(errno));
	printf("port %u\n", ntohs(any.sin6_port));
	fflush(stdout);
	for (;;) {
		int n = epoll_wait(ep, got, EVENTS, -1);

		for (int i = 0; i < n; i++) {
			int conn = got[i].data.fd;

			if (conn >= 0) {
				close(conn);
				continue;
			}
			while ((conn = accept4(l, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
				ev.data.fd = conn;
				if (send(conn, "", 1, MSG_NOSIGNAL) != 1 || epoll_ctl(ep, EPOLL_CTL_ADD, conn, &ev) != 0)
					close(conn);
			}
		}
	}
}

/* ---- the hook ---- */

static int hook(void)
{
	double least = 1e9;

	set_port(80);
	for (int b = 0; b < BATCHES; b++) {
		uint64_t from = bench_now();
		double ns;

		for (int i = 0; i < BATCH; i++)
			if (connect(-1, &to.sa, to_len) == 0)
				bench_die("connect(-1) succeeded");
		ns = (double)(bench_now() - from) / BATCH;
		if (ns < least)
			least = ns;
	}
	printf("connect_hook_ns %.2f\n", least);
	return 0;
}

/* ---- the client ---- */

static unsigned refused; /* EADDRNOTAVAIL */

static int open_one(void)
{
	int fd = socket(to.sa.sa_family, SOCK_STREAM, 0);

	if (fd < 0)
		bench_die("socket: %s", strerror(errno));
	if (connect(fd, &to.sa, to_len) == 0)
		return fd;
	if (errno != EADDRNOTAVAIL)
		bench_die("connect: %s", strerror(errno));
	refused++;
	close(fd);
	return -1;
}

/* Where the packets of an established connection arrive, once the server's byte is there. */
static int rx_cpu(int fd)
{
	int cpu = -1;
	socklen_t len = sizeof(cpu);
	char byte;

	if (recv(fd, &byte, 1, 0) != 1)
		bench_die("recv: %s", strerror(errno));
	getsockopt(fd, SOL_SOCKET, SO_INCOMING_CPU, &cpu, &len);
	return cpu;
}

static void reset(int fd)
{
	struct linger now = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

static void hold(unsigned long count)
{
	for (unsigned long i = 0; i < count; i++)
		open_one();
}

static void leave_waiting(unsigned long count)
{
	for (unsigned long i = 0; i < count; i++) {
		int fd = open_one();

		if (fd >= 0)
			close(fd);
	}
}

static int measure(unsigned long count)
{
	unsigned cpus[BENCH_CPUS_MAX], n = bench_cpus(cpus, BENCH_CPUS_MAX);
	double *ns = calloc(count * n, sizeof(*ns)), sum = 0;
	unsigned long at = 0, local = 0;

	if (!ns)
		bench_die("out of memory");
	for (unsigned c = 0; c < n; c++) {
		unsigned long here = 0;

		bench_pin(cpus[c]);
		/* Bindings are looked up once a second: only now does the library know. */
		sleep(2);
		for (unsigned long i = 0; i < count; i++) {
			uint64_t from = bench_now();
			int fd = open_one();

			if (fd < 0)
				continue;
			ns[at++] = (double)(bench_now() - from);
			here += rx_cpu(fd) == (int)cpus[c];
			reset(fd);
		}
		printf("local_cpu%u %lu\n", cpus[c], here);
		local += here;
	}
	if (!at)
		bench_die("no connection succeeded");
	qsort(ns, at, sizeof(*ns), bench_compare_doubles);
	for (unsigned long i = 0; i < at; i++)
		sum += ns[i];
	printf("connections %lu\nrefused %u\nlocal_percent %.2f\nmean_us %.3f\np50_us %.3f\np99_us %.3f\n", at, refused,
	       100.0 * (double)local / (double)at, sum / (double)at / 1000, ns[at / 2] / 1000, ns[at * 99 / 100] / 1000);
	free(ns);
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "serve", no_argument, NULL, 's' },
		{ "hook", required_argument, NULL, 'k' },
		{ "to", required_argument, NULL, 't' },
		{ "port", required_argument, NULL, 'p' },
		{ "count", required_argument, NULL, 'c' },
		{ "hold", required_argument, NULL, 'h' },
		{ "time-wait", required_argument, NULL, 'w' },
		{ NULL, 0, NULL, 0 },
	};
	unsigned long port = 0, count = 1000, held = 0, waiting = 0;
	bool just_hook = false;
	unsigned cpu;
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 's')
			return serve();
		else if (opt == 'k' || opt == 't')
			set_address(optarg), just_hook = opt == 'k';
		else if (opt == 'p')
			port = bench_number("port", optarg, 1, 65535);
		else if (opt == 'c')
			count = bench_number("count", optarg, 1, 10000000);
		else if (opt == 'h')
			held = bench_number("hold", optarg, 0, 65535);
		else if (opt == 'w')
			waiting = bench_number("time-wait", optarg, 0, 65535);
		else
			return 2;
	}
	if (!to_len)
		bench_die("--serve, --hook or --to is needed");
	if (just_hook) {
		if (bench_cpus(&cpu, 1) == 1)
			bench_pin(cpu);
		return hook();
	}
	set_port(port);
	bench_raise_limit();
	/* Before it is bound to a CPU: the kernel chooses these ports, with the library or without. */
	hold(held);
	leave_waiting(waiting);
	return measure(count);
}
