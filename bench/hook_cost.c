/*
 * What a hook costs a descriptor that is not the library's: nanoseconds for
 * close(), epoll_ctl(MOD) and fcntl(F_GETFL) on a plain socket, in a process
 * that has a listener too (so that the library has something to look up).
 *
 * bench/run starts this with and without the library, in turn. The batches
 * are short and the quickest one counts: a batch that was interrupted says
 * nothing about the hook.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bench.h"

#define BATCH 512
/* A batch that costs more is not one that ran undisturbed; also what the search for the least starts from. */
#define WORST 1e9

static double best(double least, uint64_t from)
{
	double ns = (double)(bench_now() - from) / BATCH;

	return ns < least ? ns : least;
}

/*
 * Copies that close() will see for the first time: made behind the library's back,
 * as libc itself makes descriptors.
 */
static double close_batch(int fd, double least)
{
	int copies[BATCH];
	uint64_t from;

	for (int i = 0; i < BATCH; i++) {
		copies[i] = (int)syscall(SYS_dup, fd);
		if (copies[i] < 0)
			bench_die("dup: %s", strerror(errno));
	}
	from = bench_now();
	for (int i = 0; i < BATCH; i++)
		close(copies[i]);
	return best(least, from);
}

static double epoll_batch(int ep, int fd, double least)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = fd };
	uint64_t from = bench_now();

	for (int i = 0; i < BATCH; i++)
		epoll_ctl(ep, EPOLL_CTL_MOD, fd, &ev);
	return best(least, from);
}

static double fcntl_batch(int fd, double least)
{
	uint64_t from = bench_now();

	for (int i = 0; i < BATCH; i++)
		fcntl(fd, F_GETFL);
	return best(least, from);
}

static int make_listener(int ep)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct epoll_event ev = { .events = EPOLLIN };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) != 0 || listen(fd, 16) != 0 ||
	    epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) != 0)
		bench_die("listener: %s", strerror(errno));
	return fd;
}

/*
 * With the library loaded there must be something to measure: its hooks in front of
 * libc, and the listener in its tables.
 */
static void check_library(int listener)
{
	static const char *const names[] = { "close", "epoll_ctl", "fcntl" };
	size_t (*cores)(int);
	Dl_info library, hook;

	*(void **)&cores = dlsym(RTLD_DEFAULT, "fastsock_cores");
	if (!cores)
		return;
	if (cores(listener) == 0)
		bench_die("the library is loaded, but does not handle the listener");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!dladdr(*(void **)&cores, &library) || !dladdr(dlsym(RTLD_DEFAULT, names[i]), &hook) ||
		    library.dli_fbase != hook.dli_fbase)
			bench_die("the library is loaded, but its %s is not the one that is called", names[i]);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "batches", required_argument, NULL, 'b' },
		{ NULL, 0, NULL, 0 },
	};
	double least_close = WORST, least_epoll = WORST, least_fcntl = WORST;
	unsigned cpu;
	unsigned long batches = 300;
	struct epoll_event ev = { .events = EPOLLIN };
	int opt, ep, listener, fd;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt != 'b')
			return 2;
		batches = bench_number("batches", optarg, 1, 1000000);
	}
	ep = epoll_create1(EPOLL_CLOEXEC);
	listener = make_listener(ep);
	check_library(listener);
	/* Only now: a program that may run on one CPU alone has no listener group. */
	if (bench_cpus(&cpu, 1) == 1)
		bench_pin(cpu);
	fd = socket(AF_INET, SOCK_STREAM, 0);
	if (ep < 0 || fd < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) != 0)
		bench_die("socket: %s", strerror(errno));
	for (unsigned long i = 0; i < batches; i++) {
		least_close = close_batch(fd, least_close);
		least_epoll = epoll_batch(ep, fd, least_epoll);
		least_fcntl = fcntl_batch(fd, least_fcntl);
	}
	printf("close_ns %.2f\nepoll_ctl_ns %.2f\nfcntl_ns %.2f\n", least_close, least_epoll, least_fcntl);
	close(listener);
	return 0;
}
