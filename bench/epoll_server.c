/*
 * The smallest server of nginx's shape: workers forked after listen(), each
 * with an epoll instance of its own, one connection taken per event, one
 * request answered per connection.
 *
 * It knows for itself, without the library's help, how many of its connections
 * were accepted on the CPU where their packets arrived: SO_INCOMING_CPU of
 * every accepted socket against sched_getcpu(). On SIGTERM it prints that.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

#define WORKERS_MAX 256
/* nginx's default, and so what the other scenarios listen with. */
#define BACKLOG 511

/* A worker's counters, in memory that the parent sees; a cacheline each. */
struct counters {
	_Alignas(64) _Atomic uint64_t accepted;
	_Atomic uint64_t asked;  /* SO_INCOMING_CPU was told */
	_Atomic uint64_t local;  /* ... and was the CPU that accepted */
	_Atomic uint64_t errors; /* requests that came to nothing */
};

static volatile sig_atomic_t stop;

static void on_term(int sig)
{
	(void)sig;
	stop = 1;
}

static void count(_Atomic uint64_t *counter)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + 1, memory_order_relaxed);
}

static int make_listener(uint16_t port, bool reuseport)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		bench_die("socket: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (reuseport && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) != 0)
		bench_die("SO_REUSEPORT: %s", strerror(errno));
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0)
		bench_die("bind to port %u: %s", port, strerror(errno));
	if (listen(fd, BACKLOG) != 0)
		bench_die("listen: %s", strerror(errno));
	return fd;
}

/* Answers the request if it is there. False while it is not; the descriptor is closed on true. */
static bool serve(int fd, struct counters *c)
{
	static const char response[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n";
	char request[2048];
	ssize_t n = recv(fd, request, sizeof(request), 0);

	if (n < 0 && errno == EAGAIN)
		return false;
	/* The load generators send their requests in one piece. */
	if (n < 4 || memcmp(request + n - 4, "\r\n\r\n", 4) != 0 ||
	    send(fd, response, sizeof(response) - 1, MSG_NOSIGNAL) != (ssize_t)sizeof(response) - 1)
		count(&c->errors);
	close(fd);
	return true;
}

static void take(int ep, int listener, struct counters *c)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLRDHUP };
	int cpu = -1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	socklen_t len = sizeof(cpu);

	if (fd < 0)
		return;
	count(&c->accepted);
	if (getsockopt(fd, SOL_SOCKET, SO_INCOMING_CPU, &cpu, &len) == 0 && cpu >= 0) {
		count(&c->asked);
		if (cpu == sched_getcpu())
			count(&c->local);
	}
	if (serve(fd, c))
		return;
	ev.data.fd = fd;
	if (epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) != 0)
		bench_die("epoll_ctl: %s", strerror(errno));
}

static void work(int listener, bool exclusive, struct counters *c)
{
	struct epoll_event events[64], ev = { .events = EPOLLIN | (exclusive ? EPOLLEXCLUSIVE : 0u), .data.fd = listener };
	int ep = epoll_create1(EPOLL_CLOEXEC);

	/* The parent may be killed in a way that leaves it no time to tell. */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, listener, &ev) != 0)
		bench_die("epoll: %s", strerror(errno));
	while (!stop) {
		/* Bounded, for a SIGTERM that arrives between the test and the wait. */
		int n = epoll_wait(ep, events, 64, 500);

		for (int i = 0; i < n; i++) {
			if (events[i].data.fd == listener)
				take(ep, listener, c);
			else
				serve(events[i].data.fd, c);
		}
	}
}

static void report(const struct counters *c, unsigned workers)
{
	uint64_t accepted = 0, asked = 0, local = 0, errors = 0;

	for (unsigned i = 0; i < workers; i++) {
		accepted += c[i].accepted;
		asked += c[i].asked;
		local += c[i].local;
		errors += c[i].errors;
	}
	printf("accepted %llu\nerrors %llu\nlocal_percent %.3f\naccepts_per_worker ", (unsigned long long)accepted,
	       (unsigned long long)errors, asked ? 100.0 * (double)local / (double)asked : 0.0);
	for (unsigned i = 0; i < workers; i++)
		printf("%s%llu", i ? "," : "", (unsigned long long)c[i].accepted);
	putchar('\n');
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "port", required_argument, NULL, 'p' },
		{ "workers", required_argument, NULL, 'w' },
		{ "reuseport", no_argument, NULL, 'r' },
		{ NULL, 0, NULL, 0 },
	};
	struct sigaction sa = { .sa_handler = on_term };
	unsigned workers = 2;
	uint16_t port = 0;
	bool reuseport = false;
	int opt, listeners[WORKERS_MAX];
	pid_t pids[WORKERS_MAX];
	struct counters *c;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'p')
			port = (uint16_t)bench_number("port", optarg, 1, 65535);
		else if (opt == 'w')
			workers = (unsigned)bench_number("workers", optarg, 1, WORKERS_MAX);
		else if (opt == 'r')
			reuseport = true;
		else
			return 2;
	}
	c = mmap(NULL, sizeof(*c) * WORKERS_MAX, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (c == MAP_FAILED)
		bench_die("mmap: %s", strerror(errno));
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	for (unsigned i = 0; i < workers; i++)
		listeners[i] = i == 0 || reuseport ? make_listener(port, reuseport) : listeners[0];
	for (unsigned i = 0; i < workers; i++) {
		pids[i] = fork();
		if (pids[i] < 0)
			bench_die("fork: %s", strerror(errno));
		if (pids[i] == 0) {
			work(listeners[i], !reuseport, &c[i]);
			_exit(0);
		}
	}
	while (!stop)
		poll(NULL, 0, 500);
	for (unsigned i = 0; i < workers; i++)
		kill(pids[i], SIGTERM);
	for (unsigned i = 0; i < workers; i++)
		waitpid(pids[i], NULL, 0);
	report(c, workers);
	return 0;
}
