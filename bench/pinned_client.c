/*
 * A load generator whose packets arrive on known CPUs: one thread pinned to
 * each CPU, and on loopback a SYN is processed on the CPU of the client.
 *
 * Every connection carries one request. Its latency runs from connect() to
 * the server's end of file, which is what a client with a connection per
 * request waits for.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"

#define CONNECTIONS_MAX 4096
/* Latency in nanoseconds, in buckets 1/32 of their value wide: 32 for each power of two. */
#define SUB_BITS 5
#define BUCKETS (64 << SUB_BITS)

enum stage { CONNECTING, WAITING };

struct connection {
	int fd;
	enum stage stage;
	bool answered; /* bytes of a 200 came */
	uint64_t started;
};

struct client {
	pthread_t thread;
	unsigned cpu;
	int ep;
	uint64_t ok;
	uint64_t errors;
	uint64_t histogram[BUCKETS];
	struct connection connection[CONNECTIONS_MAX];
};

static struct sockaddr_in server = { .sin_family = AF_INET };
static unsigned connections = 32;
static uint64_t count_from, count_until;
static _Atomic int last_errno;

static unsigned bucket_of(uint64_t value)
{
	unsigned shift;

	if (value < 1u << SUB_BITS)
		return (unsigned)value;
	shift = 63u - (unsigned)__builtin_clzll(value) - SUB_BITS;
	return ((shift + 1) << SUB_BITS) + (unsigned)(value >> shift & ((1u << SUB_BITS) - 1));
}

/* The middle of the bucket. */
static double value_of(unsigned bucket)
{
	unsigned shift = bucket >> SUB_BITS;
	uint64_t low;

	if (shift == 0)
		return bucket;
	low = (uint64_t)((bucket & ((1u << SUB_BITS) - 1)) | 1u << SUB_BITS) << (shift - 1);
	return (double)low + (double)(UINT64_C(1) << (shift - 1)) / 2;
}

static bool counts(uint64_t now)
{
	return now >= count_from && now < count_until;
}

static void failed(struct client *c, int error)
{
	if (counts(bench_now()))
		c->errors++;
	atomic_store(&last_errno, error);
}

/* Opens connections until one is under way. False when the kernel gives none at the moment. */
static bool start(struct client *c, struct connection *conn)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = conn };

	conn->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (conn->fd < 0)
		bench_die("socket: %s", strerror(errno));
	conn->stage = CONNECTING;
	conn->answered = false;
	conn->started = bench_now();
	if (connect(conn->fd, (struct sockaddr *)&server, sizeof(server)) != 0 && errno != EINPROGRESS) {
		failed(c, errno);
		close(conn->fd);
		conn->fd = -1;
		return false;
	}
	if (epoll_ctl(c->ep, EPOLL_CTL_ADD, conn->fd, &ev) != 0)
		bench_die("epoll_ctl: %s", strerror(errno));
	return true;
}

/* True when the connection is over, for better or worse. */
static bool advance(struct client *c, struct connection *conn)
{
	static const char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
	char buf[2048];

	if (conn->stage == CONNECTING) {
		if (send(conn->fd, request, sizeof(request) - 1, MSG_NOSIGNAL) < 0) {
			if (errno == EAGAIN)
				return false;
			failed(c, errno);
			return true;
		}
		conn->stage = WAITING;
	}
	for (;;) {
		ssize_t n = recv(conn->fd, buf, sizeof(buf), 0);
		uint64_t now;

		if (n > 0) {
			if (!conn->answered && (n < 12 || memcmp(buf, "HTTP/1.1 200", 12) != 0)) {
				failed(c, EPROTO);
				return true;
			}
			conn->answered = true;
			continue;
		}
		if (n < 0 && errno == EAGAIN)
			return false;
		if (n < 0 || !conn->answered) {
			failed(c, n < 0 ? errno : ENODATA);
			return true;
		}
		now = bench_now();
		if (counts(now)) {
			c->ok++;
			c->histogram[bucket_of(now - conn->started)]++;
		}
		return true;
	}
}

static void *client_main(void *arg)
{
	struct client *c = arg;
	struct epoll_event events[256];

	bench_pin(c->cpu);
	c->ep = epoll_create1(EPOLL_CLOEXEC);
	if (c->ep < 0)
		bench_die("epoll_create1: %s", strerror(errno));
	for (unsigned i = 0; i < connections; i++)
		c->connection[i].fd = -1;
	while (bench_now() < count_until) {
		int n;

		for (unsigned i = 0; i < connections; i++)
			if (c->connection[i].fd < 0 && !start(c, &c->connection[i]))
				break;
		n = epoll_wait(c->ep, events, 256, 10);
		for (int i = 0; i < n; i++) {
			struct connection *conn = events[i].data.ptr;

			if (advance(c, conn)) {
				close(conn->fd);
				conn->fd = -1;
			}
		}
	}
	for (unsigned i = 0; i < connections; i++)
		if (c->connection[i].fd >= 0)
			close(c->connection[i].fd);
	close(c->ep);
	return NULL;
}

static double percentile(const uint64_t *histogram, uint64_t total, double share)
{
	uint64_t rank = (uint64_t)(share * (double)total), seen = 0;

	for (unsigned i = 0; i < BUCKETS; i++) {
		seen += histogram[i];
		if (seen > rank)
			return value_of(i) / 1000;
	}
	return 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "port", required_argument, NULL, 'p' },
		{ "connections", required_argument, NULL, 'c' },
		{ "milliseconds", required_argument, NULL, 'm' },
		{ "warmup", required_argument, NULL, 'w' },
		{ NULL, 0, NULL, 0 },
	};
	static uint64_t histogram[BUCKETS];
	unsigned cpus[BENCH_CPUS_MAX], ncpus = bench_cpus(cpus, BENCH_CPUS_MAX);
	uint64_t milliseconds = 1000, warmup = 0, ok = 0, errors = 0;
	struct client **clients = calloc(ncpus, sizeof(struct client *));
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'p')
			server.sin_port = htons((uint16_t)bench_number("port", optarg, 1, 65535));
		else if (opt == 'c')
			connections = (unsigned)bench_number("connections", optarg, 1, CONNECTIONS_MAX);
		else if (opt == 'm')
			milliseconds = bench_number("milliseconds", optarg, 1, 3600000);
		else if (opt == 'w')
			warmup = bench_number("warmup", optarg, 0, 3600000);
		else
			return 2;
	}
	if (!server.sin_port)
		bench_die("--port is missing");
	server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	count_from = bench_now() + warmup * 1000000;
	count_until = count_from + milliseconds * 1000000;
	for (unsigned i = 0; clients && i < ncpus; i++) {
		clients[i] = calloc(1, sizeof(struct client));
		if (!clients[i])
			bench_die("out of memory");
		clients[i]->cpu = cpus[i];
		if (pthread_create(&clients[i]->thread, NULL, client_main, clients[i]) != 0)
			bench_die("cannot start a thread");
	}
	for (unsigned i = 0; clients && i < ncpus; i++) {
		pthread_join(clients[i]->thread, NULL);
		ok += clients[i]->ok;
		errors += clients[i]->errors;
		for (unsigned b = 0; b < BUCKETS; b++)
			histogram[b] += clients[i]->histogram[b];
		free(clients[i]);
	}
	free(clients);
	printf("requests %llu\nerrors %llu\nrate %.1f\np50_us %.1f\np95_us %.1f\np99_us %.1f\np999_us %.1f\n",
	       (unsigned long long)ok, (unsigned long long)errors, (double)ok * 1000 / (double)milliseconds,
	       percentile(histogram, ok, 0.50), percentile(histogram, ok, 0.95), percentile(histogram, ok, 0.99),
	       percentile(histogram, ok, 0.999));
	if (errors)
		fprintf(stderr, "pinned_client: %llu errors, the last: %s\n", (unsigned long long)errors,
			strerror(atomic_load(&last_errno)));
	return 0;
}
