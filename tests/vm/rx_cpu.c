/*
 * Where do replies arrive? From a thread pinned to each CPU that it may run
 * on, opens connections to a server, one after the other, and compares the CPU
 * that calls with the one that the reply came in on (SO_INCOMING_CPU).
 *
 *	rx_cpu [--connections N] [--warm-up N] [--rss DEVICE] ADDRESS PORT
 *
 * makes N connections for each CPU, after those of the warm-up, and prints, for every calling CPU and for all,
 *
 *	cpu=1 connections=250 failed=0 local=61 arrived=63,61,66,60
 *	total connections=1000 failed=0 local=247
 *
 * where `arrived` counts by CPU. With --rss also what the NIC's hash makes of
 * the replies' addresses and ports (Toeplitz over the key and the indirection
 * table that the device tells), to be compared with where they arrived:
 *
 *	rss function=toeplitz key=40 table=128 queues=4
 *	queue=2 connections=260 arrived=0,0,260,0
 *
 * Exits 0 if all connections were answered.
 *
 *	rx_cpu --serve PORT
 *
 * is the server, for both families: takes a byte, answers with one, closes. It closes first, so that no
 * port of the client's stays in TIME_WAIT.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE 20
#define CPUS_MAX 256
#define QUEUES_MAX 256
/* The first bit of struct ethtool_rxfh's hfunc, by the kernel's own enum, which is in no header for programs. */
#define HFUNC_TOEPLITZ 1
#define KEY_MAX 256
#define TABLE_MAX 4096

static struct sockaddr_storage server;
static socklen_t server_len;
static unsigned wanted = 250, warm_up, cpus;

static struct {
	unsigned function, key_len, table_len;
	unsigned long long queues;
	uint8_t key[KEY_MAX];
	uint32_t table[TABLE_MAX];
} rss;

struct caller {
	pthread_t thread;
	unsigned cpu;
	unsigned failed, error, local;
	unsigned arrived[CPUS_MAX];
	unsigned by_queue[QUEUES_MAX][CPUS_MAX];
};

static void die(const char *what)
{
	fprintf(stderr, "rx_cpu: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void ask(int fd, const char *device, void *command)
{
	struct ifreq ifr = { .ifr_data = command };

	strncpy(ifr.ifr_name, device, sizeof(ifr.ifr_name) - 1);
	if (ioctl(fd, SIOCETHTOOL, &ifr) != 0)
		die("ethtool's interface");
}

/* As ETHTOOL_GRSSH answers: the indirection table, then the key. */
static void read_rss(const char *device)
{
	struct ethtool_rxnfc rings = { .cmd = ETHTOOL_GRXRINGS };
	struct ethtool_rxfh sizes = { .cmd = ETHTOOL_GRSSH }, *all;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0)
		die("socket");
	ask(fd, device, &rings);
	ask(fd, device, &sizes);
	if (sizes.indir_size == 0 || sizes.indir_size > TABLE_MAX || sizes.key_size < 40 || sizes.key_size > KEY_MAX) {
		fprintf(stderr, "rx_cpu: %s: table of %u, key of %u bytes\n", device, sizes.indir_size, sizes.key_size);
		exit(1);
	}
	all = calloc(1, sizeof(*all) + sizes.indir_size * sizeof(uint32_t) + sizes.key_size);
	if (!all)
		die("calloc");
	*all = sizes;
	ask(fd, device, all);
	close(fd);
	rss.function = all->hfunc;
	rss.queues = rings.data;
	rss.table_len = sizes.indir_size;
	rss.key_len = sizes.key_size;
	memcpy(rss.table, all->rss_config, rss.table_len * sizeof(uint32_t));
	memcpy(rss.key, all->rss_config + rss.table_len, rss.key_len);
	free(all);
	printf("rss function=%s key=%u table=%u queues=%llu\n", rss.function == HFUNC_TOEPLITZ ? "toeplitz" : "other",
	       rss.key_len, rss.table_len, rss.queues);
}

/* For every bit that is set, the 32 bits of the key that start there. */
static uint32_t toeplitz(const uint8_t *data, size_t len)
{
	uint32_t hash = 0, window;
	size_t bit;

	window = (uint32_t)rss.key[0] << 24 | (uint32_t)rss.key[1] << 16 | (uint32_t)rss.key[2] << 8 | rss.key[3];
	for (bit = 0; bit < len * 8; bit++) {
		size_t next = bit + 32;

		if (data[bit / 8] >> (7 - bit % 8) & 1)
			hash ^= window;
		window = window << 1 | (rss.key[next / 8 % rss.key_len] >> (7 - next % 8) & 1);
	}
	return hash;
}

/* The NIC sees the reply: from the peer to us. */
static unsigned queue_of(int fd)
{
	struct sockaddr_storage us;
	socklen_t len = sizeof(us);
	uint8_t data[36];
	size_t n = 0;

	if (getsockname(fd, (struct sockaddr *)&us, &len) != 0)
		die("getsockname");
#define PUT(field)                                                                                 \
	do {                                                                                       \
		memcpy(data + n, &(field), sizeof(field));                                         \
		n += sizeof(field);                                                                \
	} while (0)
	if (us.ss_family == AF_INET) {
		PUT(((struct sockaddr_in *)&server)->sin_addr);
		PUT(((struct sockaddr_in *)&us)->sin_addr);
		PUT(((struct sockaddr_in *)&server)->sin_port);
		PUT(((struct sockaddr_in *)&us)->sin_port);
	} else {
		PUT(((struct sockaddr_in6 *)&server)->sin6_addr);
		PUT(((struct sockaddr_in6 *)&us)->sin6_addr);
		PUT(((struct sockaddr_in6 *)&server)->sin6_port);
		PUT(((struct sockaddr_in6 *)&us)->sin6_port);
	}
#undef PUT
	return rss.table[toeplitz(data, n) % rss.table_len];
}

static int open_one(struct caller *c)
{
	const struct timeval patience = { .tv_sec = PATIENCE };
	int fd = socket(server.ss_family, SOCK_STREAM, 0), cpu;
	socklen_t len = sizeof(cpu);
	char byte = 'x';

	if (fd < 0)
		return -errno;
	/* Also how long connect() may take. */
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	errno = ECONNRESET;
	if (connect(fd, (struct sockaddr *)&server, server_len) != 0 || write(fd, &byte, 1) != 1 ||
	    read(fd, &byte, 1) != 1 || getsockopt(fd, SOL_SOCKET, SO_INCOMING_CPU, &cpu, &len) != 0) {
		int error = errno;

		close(fd);
		return -error;
	}
	if (cpu >= 0 && (unsigned)cpu < CPUS_MAX) {
		c->arrived[cpu]++;
		c->local += (unsigned)cpu == c->cpu;
		if (rss.table_len)
			c->by_queue[queue_of(fd) % QUEUES_MAX][cpu]++;
	}
	close(fd);
	return 0;
}

static void *call(void *arg)
{
	struct caller *c = arg;
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(c->cpu, &one);
	if (sched_setaffinity(0, sizeof(one), &one) != 0)
		die("sched_setaffinity");
	for (unsigned i = 0; i < warm_up; i++)
		open_one(c);
	/* None of these counts. */
	c->local = 0;
	memset(c->arrived, 0, sizeof(c->arrived));
	memset(c->by_queue, 0, sizeof(c->by_queue));
	for (unsigned i = 0; i < wanted; i++) {
		int ret = open_one(c);

		if (ret < 0) {
			c->failed++;
			c->error = (unsigned)-ret;
		}
	}
	return NULL;
}

static void print_arrived(const unsigned *arrived)
{
	for (unsigned cpu = 0; cpu < cpus; cpu++)
		printf("%s%u", cpu ? "," : " arrived=", arrived[cpu]);
	putchar('\n');
}

static void print_queues(const struct caller *callers, unsigned n)
{
	for (unsigned queue = 0; queue < QUEUES_MAX && queue < rss.queues; queue++) {
		unsigned arrived[CPUS_MAX] = { 0 }, sum = 0;

		for (unsigned i = 0; i < n; i++)
			for (unsigned cpu = 0; cpu < CPUS_MAX; cpu++) {
				arrived[cpu] += callers[i].by_queue[queue][cpu];
				sum += callers[i].by_queue[queue][cpu];
			}
		printf("queue=%u connections=%u", queue, sum);
		print_arrived(arrived);
	}
}

static int measure(void)
{
	struct caller *callers = calloc(CPUS_MAX, sizeof(*callers));
	unsigned n = 0, failed = 0, local = 0;
	cpu_set_t may;

	if (!callers || sched_getaffinity(0, sizeof(may), &may) != 0)
		die("sched_getaffinity");
	cpus = (unsigned)sysconf(_SC_NPROCESSORS_CONF);
	for (unsigned cpu = 0; cpu < CPUS_MAX; cpu++) {
		if (!CPU_ISSET(cpu, &may))
			continue;
		callers[n].cpu = cpu;
		errno = pthread_create(&callers[n].thread, NULL, call, &callers[n]);
		if (errno)
			die("pthread_create");
		n++;
	}
	for (unsigned i = 0; i < n; i++) {
		struct caller *c = &callers[i];

		pthread_join(c->thread, NULL);
		if (c->failed)
			fprintf(stderr, "rx_cpu: CPU %u: %u failed, the last one with: %s\n", c->cpu, c->failed, strerror((int)c->error));
		printf("cpu=%u connections=%u failed=%u local=%u", c->cpu, wanted, c->failed, c->local);
		print_arrived(c->arrived);
		failed += c->failed;
		local += c->local;
	}
	print_queues(callers, n);
	printf("total connections=%u failed=%u local=%u\n", n * wanted, failed, local);
	free(callers);
	return failed != 0;
}

static void __attribute__((noreturn)) serve(const char *port)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_ANY_INIT };
	const struct timeval patience = { .tv_sec = PATIENCE };
	int lfd = socket(AF_INET6, SOCK_STREAM, 0), on = 1;

	any.sin6_port = htons((uint16_t)atoi(port));
	setsockopt(lfd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(lfd, (struct sockaddr *)&any, sizeof(any)) != 0 || listen(lfd, SOMAXCONN) != 0)
		die(port);
	for (;;) {
		int conn = accept(lfd, NULL, NULL);
		char byte;

		if (conn < 0)
			continue;
		setsockopt(conn, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
		if (read(conn, &byte, 1) == 1 && write(conn, &byte, 1) != 1)
			perror("rx_cpu: write");
		close(conn);
	}
}

int main(int argc, char **argv)
{
	const struct addrinfo hints = { .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM };
	struct addrinfo *found;

	if (argc == 3 && strcmp(argv[1], "--serve") == 0)
		serve(argv[2]);
	for (; argc > 3; argc -= 2, argv += 2) {
		if (strcmp(argv[1], "--connections") == 0)
			wanted = (unsigned)strtoul(argv[2], NULL, 10);
		else if (strcmp(argv[1], "--warm-up") == 0)
			warm_up = (unsigned)strtoul(argv[2], NULL, 10);
		else if (strcmp(argv[1], "--rss") == 0)
			read_rss(argv[2]);
		else
			break;
	}
	if (argc != 3 || getaddrinfo(argv[1], argv[2], &hints, &found) != 0) {
		fputs("usage: rx_cpu [--connections N] [--warm-up N] [--rss DEVICE] ADDRESS PORT\n"
		      "       rx_cpu --serve PORT\n", stderr);
		return 2;
	}
	server_len = found->ai_addrlen;
	memcpy(&server, found->ai_addr, server_len);
	freeaddrinfo(found);
	return measure();
}
