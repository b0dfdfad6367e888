/*
 * What accept4() costs: a queue is filled by connecting clients, then drained
 * against the clock. With the library loaded the same program measures its
 * accept4() on a local listener of an active group; the shape is the same
 * (two workers forked after listen(), pinned, each with an epoll instance).
 *
 * The worker that measures makes the connections itself: on loopback they
 * then arrive on its own CPU, in its own listener's queue. The other worker
 * registers the listener, which is what makes the group active, and sleeps.
 *
 * With --marks every drain is enclosed in two recognisable system calls that
 * fail, between which a tracer can count.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fastsock/fastsock.h>

#include "bench.h"

#define BATCH 256
#define BACKLOG 1024
#define BATCHES_MAX 100000
/* How long the group may take to become active, in waits of 10 ms. */
#define ACTIVE_WAITS 500

static struct sockaddr_in address = { .sin_family = AF_INET };

static int register_listener(int listener)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLEXCLUSIVE };
	int ep = epoll_create1(EPOLL_CLOEXEC);

	if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, listener, &ev) != 0)
		bench_die("epoll: %s", strerror(errno));
	return ep;
}

/* Says over `ready` that the listener is registered, then sleeps until the other end of `ready` is closed. */
static void other_worker(int listener, unsigned cpu, int ready)
{
	struct epoll_event ev;
	struct pollfd end = { .fd = ready, .events = POLLIN };
	int ep;

	bench_pin(cpu);
	ep = register_listener(listener);
	epoll_wait(ep, &ev, 1, 0);
	if (write(ready, "r", 1) != 1)
		_exit(1);
	while (poll(&end, 1, -1) < 0 && errno == EINTR)
		;
	_exit(0);
}

/* Whether the library is loaded; if it is, the group must be active or there would be nothing to measure. */
static bool wait_until_active(int ep)
{
	int (*active)(void);
	struct epoll_event ev;

	*(void **)&active = dlsym(RTLD_DEFAULT, "fastsock_active");
	if (!active)
		return false;
	for (int i = 0; i < ACTIVE_WAITS; i++) {
		epoll_wait(ep, &ev, 1, 10);
		if (active())
			return true;
	}
	bench_die("the library is loaded, but its listener group does not become active");
}

static uint64_t accepted_local(int listener)
{
	size_t (*cores)(int);
	int (*counters)(int, size_t, struct fastsock_core *);
	uint64_t sum = 0;

	*(void **)&cores = dlsym(RTLD_DEFAULT, "fastsock_cores");
	*(void **)&counters = dlsym(RTLD_DEFAULT, "fastsock_core_counters");
	for (size_t i = 0; cores && counters && i < cores(listener); i++) {
		struct fastsock_core core = { .size = sizeof(core) };

		if (counters(listener, i, &core) == 0)
			sum += core.accepted_local;
	}
	return sum;
}

static void fill(int *clients)
{
	/* Away with a reset: no TIME_WAIT to slow down the batches that follow. */
	struct linger reset = { .l_onoff = 1 };

	for (int i = 0; i < BATCH; i++) {
		clients[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		if (clients[i] < 0)
			bench_die("socket: %s", strerror(errno));
		setsockopt(clients[i], SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		if (connect(clients[i], (struct sockaddr *)&address, sizeof(address)) != 0 && errno != EINPROGRESS)
			bench_die("connect: %s", strerror(errno));
	}
}

/* Nanoseconds per accept4, or a negative number when the queue held less than the batch. */
static double drain(int ep, int listener, int *accepted, bool marks)
{
	struct epoll_event ev;
	struct sockaddr_in peer;
	uint64_t from, until;
	int n = 0;

	if (epoll_wait(ep, &ev, 1, 1000) < 0 && errno != EINTR)
		bench_die("epoll_wait: %s", strerror(errno));
	if (marks && write(-1, "drain-begin", 11) >= 0)
		bench_die("a write to no descriptor succeeded");
	from = bench_now();
	for (; n < BATCH; n++) {
		socklen_t len = sizeof(peer);

		accepted[n] = accept4(listener, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (accepted[n] < 0)
			break;
	}
	until = bench_now();
	if (marks && write(-1, "drain-end", 9) >= 0)
		bench_die("a write to no descriptor succeeded");
	for (int i = n; i < BATCH; i++)
		accepted[i] = -1;
	return n == BATCH ? (double)(until - from) / BATCH : -1;
}

static void measure(int listener, unsigned cpu, unsigned long batches, bool marks)
{
	static double ns[BATCHES_MAX];
	static int clients[BATCH], accepted[BATCH];
	uint64_t total = 0;
	size_t good = 0;
	bool library;
	int ep;

	bench_pin(cpu);
	ep = register_listener(listener);
	library = wait_until_active(ep);
	for (unsigned long i = 0; i < batches; i++) {
		double cost;

		fill(clients);
		cost = drain(ep, listener, accepted, marks);
		if (cost >= 0)
			ns[good++] = cost;
		for (int j = 0; j < BATCH; j++) {
			/* A connection that came late stays for the next batch, which then takes it first. */
			close(clients[j]);
			if (accepted[j] >= 0) {
				close(accepted[j]);
				total++;
			}
		}
	}
	if (good * 2 < batches)
		bench_die("the queue was short in %lu of %lu batches", batches - good, batches);
	printf("accept_ns %.2f\naccepted %llu\nbatches %zu\n", bench_median(ns, good), (unsigned long long)total, good);
	if (library)
		printf("accepted_local_percent %.2f\n", 100.0 * (double)accepted_local(listener) / (double)total);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "batches", required_argument, NULL, 'b' },
		{ "marks", no_argument, NULL, 'm' },
		{ NULL, 0, NULL, 0 },
	};
	socklen_t len = sizeof(address);
	unsigned cpus[2];
	unsigned long batches = 200;
	bool marks = false;
	int opt, listener, ready[2], status;
	pid_t other, measurer;
	char byte;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'b')
			batches = bench_number("batches", optarg, 1, BATCHES_MAX);
		else if (opt == 'm')
			marks = true;
		else
			return 2;
	}
	if (bench_cpus(cpus, 2) < 2)
		bench_die("needs two CPUs");
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    listen(listener, BACKLOG) != 0 || getsockname(listener, (struct sockaddr *)&address, &len) != 0)
		bench_die("listener: %s", strerror(errno));
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ready) != 0)
		bench_die("socketpair: %s", strerror(errno));
	other = fork();
	if (other == 0) {
		close(ready[0]);
		other_worker(listener, cpus[1], ready[1]);
	}
	close(ready[1]);
	if (other < 0 || read(ready[0], &byte, 1) != 1)
		bench_die("the other worker did not start");
	measurer = fork();
	if (measurer == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		measure(listener, cpus[0], batches, marks);
		_exit(0);
	}
	if (measurer < 0 || waitpid(measurer, &status, 0) != measurer)
		bench_die("fork: %s", strerror(errno));
	close(ready[0]);
	waitpid(other, NULL, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
