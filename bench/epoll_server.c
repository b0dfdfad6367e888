/*
 * The smallest server of nginx's shape: workers forked after listen() and
 * again when one is killed, each with an epoll instance of its own, one
 * connection taken per event, one request answered per connection.
 *
 * It knows for itself, without the library's help, how many of its connections
 * were accepted on the CPU where their packets arrived: SO_INCOMING_CPU of
 * every accepted socket against sched_getcpu(). And, because its counters
 * outlive a worker, how many connections a killed worker took with it. On
 * SIGTERM it prints that.
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
	/* Connections that may be this worker's: set before accept(), taken back when there was none. */
	_Atomic uint64_t open;
	_Atomic uint64_t most_open;
};

/* What all workers share. */
struct shared {
	_Atomic uint64_t requests; /* so far, when some of them block */
	struct counters worker[WORKERS_MAX];
};

/* As the command line says. */
static struct {
	unsigned workers;
	uint16_t port;
	bool reuseport;
	bool keep;
	unsigned block_one_in, block_ms;
	uint64_t seed;
} opt = { .workers = 2, .block_ms = 50, .seed = 1 };

static struct shared *shared;
static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	if (sig != SIGCHLD)
		stop = 1;
}

/* Each counter has one writer. */
static void add(_Atomic uint64_t *counter, uint64_t value)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + value, memory_order_relaxed);
}

static void count(_Atomic uint64_t *counter)
{
	add(counter, 1);
}

static void uncount(_Atomic uint64_t *counter)
{
	add(counter, UINT64_MAX);
}

/*
 * Whether this request is one of those that block: by chance, but by the same
 * chance for the n-th request of every run, whichever worker gets it (the
 * mixing function is splitmix64's).
 */
static bool is_blocker(void)
{
	uint64_t x;

	if (!opt.block_one_in)
		return false;
	x = (opt.seed << 32) + atomic_fetch_add_explicit(&shared->requests, 1, memory_order_relaxed);
	x = (x + 0x9e3779b97f4a7c15) * 0x9e3779b97f4a7c15;
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return (x ^ x >> 31) % opt.block_one_in == 0;
}

/* As a read from a slow disk does it: the worker does nothing else meanwhile. */
static void block(void)
{
	struct timespec left = { .tv_sec = opt.block_ms / 1000, .tv_nsec = opt.block_ms % 1000 * 1000000L };

	while (nanosleep(&left, &left) != 0 && errno == EINTR && !stop)
		;
}

static int make_listener(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons(opt.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		bench_die("socket: %s", strerror(errno));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (opt.reuseport && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) != 0)
		bench_die("SO_REUSEPORT: %s", strerror(errno));
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0)
		bench_die("bind to port %u: %s", opt.port, strerror(errno));
	if (listen(fd, BACKLOG) != 0)
		bench_die("listen: %s", strerror(errno));
	return fd;
}

/* Answers the request if it is there. True: that was the end of the connection. */
static bool serve(int fd, struct counters *c)
{
#define HEAD "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n"
	static const char *const responses[] = {
		HEAD "Connection: close\r\n\r\nok\n", HEAD "X-Blocked: 1\r\nConnection: close\r\n\r\nok\n",
		HEAD "\r\nok\n", HEAD "X-Blocked: 1\r\n\r\nok\n",
	};
#undef HEAD
	char request[2048];
	ssize_t n = recv(fd, request, sizeof(request), 0);

	if (n < 0 && errno == EAGAIN)
		return false;
	/* The load generators send their requests in one piece. */
	if (n >= 4 && memcmp(request + n - 4, "\r\n\r\n", 4) == 0) {
		bool blocks = is_blocker();
		const char *response = responses[2 * opt.keep + blocks];
		ssize_t length = (ssize_t)strlen(response);

		if (blocks)
			block();
		if (send(fd, response, (size_t)length, MSG_NOSIGNAL) != length)
			count(&c->errors);
		else if (opt.keep)
			return false;
	} else if (n != 0 || !opt.keep) {
		count(&c->errors);
	}
	close(fd);
	uncount(&c->open);
	return true;
}

static void take(int ep, int listener, struct counters *c)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLRDHUP };
	int cpu = -1, fd;
	socklen_t len = sizeof(cpu);

	count(&c->open);
	fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd < 0) {
		uncount(&c->open);
		return;
	}
	if (c->open > c->most_open)
		c->most_open = c->open;
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

static void work(int listener, struct counters *c)
{
	struct epoll_event events[64], ev = { .events = EPOLLIN | (opt.reuseport ? 0u : EPOLLEXCLUSIVE), .data.fd = listener };
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

static void print_each(const char *name, const _Atomic uint64_t *first)
{
	printf("%s ", name);
	for (unsigned i = 0; i < opt.workers; i++)
		printf("%s%llu", i ? "," : "", (unsigned long long)first[i * (sizeof(struct counters) / sizeof(*first))]);
	putchar('\n');
}

static void report(uint64_t killed, uint64_t killed_open)
{
	const struct counters *c = shared->worker;
	uint64_t accepted = 0, asked = 0, local = 0, errors = 0;

	for (unsigned i = 0; i < opt.workers; i++) {
		accepted += c[i].accepted;
		asked += c[i].asked;
		local += c[i].local;
		errors += c[i].errors;
	}
	printf("accepted %llu\nerrors %llu\nlocal_percent %.3f\nkilled %llu\nkilled_open %llu\n",
	       (unsigned long long)accepted, (unsigned long long)errors,
	       asked ? 100.0 * (double)local / (double)asked : 0.0, (unsigned long long)killed,
	       (unsigned long long)killed_open);
	print_each("accepts_per_worker", &c->accepted);
	print_each("most_open_per_worker", &c->most_open);
}

static pid_t start_worker(unsigned i, int listener, const sigset_t *unblocked)
{
	pid_t pid = fork();

	if (pid < 0)
		bench_die("fork: %s", strerror(errno));
	if (pid == 0) {
		sigprocmask(SIG_SETMASK, unblocked, NULL);
		work(listener, &shared->worker[i]);
		_exit(0);
	}
	return pid;
}

/* Starts the workers, again when one is killed, and ends them on SIGTERM. */
static void supervise(void)
{
	struct sigaction sa = { .sa_handler = on_signal };
	int listeners[WORKERS_MAX];
	pid_t pids[WORKERS_MAX];
	uint64_t killed = 0, killed_open = 0;
	sigset_t blocked, unblocked;

	/* Heard in ppoll() alone, so none falls between the test and the wait. */
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigaddset(&blocked, SIGINT);
	sigaddset(&blocked, SIGCHLD);
	sigprocmask(SIG_BLOCK, &blocked, &unblocked);
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGCHLD, &sa, NULL);
	for (unsigned i = 0; i < opt.workers; i++)
		listeners[i] = i == 0 || opt.reuseport ? make_listener() : listeners[0];
	for (unsigned i = 0; i < opt.workers; i++)
		pids[i] = start_worker(i, listeners[i], &unblocked);
	while (!stop) {
		ppoll(NULL, 0, NULL, &unblocked);
		for (unsigned i = 0; !stop && i < opt.workers; i++) {
			struct counters *c = &shared->worker[i];

			if (waitpid(pids[i], NULL, WNOHANG) != pids[i])
				continue;
			killed++;
			killed_open += c->open;
			c->open = 0;
			pids[i] = start_worker(i, listeners[i], &unblocked);
		}
	}
	for (unsigned i = 0; i < opt.workers; i++)
		kill(pids[i], SIGTERM);
	for (unsigned i = 0; i < opt.workers; i++)
		waitpid(pids[i], NULL, 0);
	report(killed, killed_open);
}

static void usage(void)
{
	puts("Usage: epoll_server --port PORT [OPTION]...\n"
	     "  --workers N        processes (default 2)\n"
	     "  --reuseport        a listener of its own for each, by SO_REUSEPORT\n"
	     "  --block-one-in N   one request in N, by chance, blocks its worker, and is answered with\n"
	     "                     `X-Blocked: 1`\n"
	     "  --block-ms N       ... for so long (default 50)\n"
	     "  --seed N           another chance (default 1)\n"
	     "  --keep             connections stay open until the client closes them");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "port", required_argument, NULL, 'p' },	  { "workers", required_argument, NULL, 'w' },
		{ "reuseport", no_argument, NULL, 'r' },	  { "keep", no_argument, NULL, 'k' },
		{ "block-one-in", required_argument, NULL, 'b' }, { "block-ms", required_argument, NULL, 'm' },
		{ "seed", required_argument, NULL, 's' },	  { "help", no_argument, NULL, '?' },
		{ NULL, 0, NULL, 0 },
	};
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (o == 'p')
			opt.port = (uint16_t)bench_number("port", optarg, 1, 65535);
		else if (o == 'w')
			opt.workers = (unsigned)bench_number("workers", optarg, 1, WORKERS_MAX);
		else if (o == 'r')
			opt.reuseport = true;
		else if (o == 'k')
			opt.keep = true;
		else if (o == 'b')
			opt.block_one_in = (unsigned)bench_number("block-one-in", optarg, 1, 1000000000);
		else if (o == 'm')
			opt.block_ms = (unsigned)bench_number("block-ms", optarg, 1, 60000);
		else if (o == 's')
			opt.seed = bench_number("seed", optarg, 0, 1000000);
		else
			return usage(), 2;
	}
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		bench_die("mmap: %s", strerror(errno));
	/* Otherwise as it comes: where the library's descriptors lie depends on the limit. */
	if (opt.keep)
		bench_raise_limit();
	supervise();
	return 0;
}
