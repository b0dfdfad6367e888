/*
 * How many connections wait in the accept queues of a server, over time: asks
 * the kernel (TCP_INFO of the listeners: tcpi_unacked) at fixed times, which
 * costs 0.2 us for each queue and the server nothing.
 *
 * usage: queue_watch PID PORT INTERVAL-US
 *
 * Ends on SIGTERM. Prints "queue_series MS:CONNECTIONS,...", in milliseconds
 * since its start: the sum of all queues whenever it is another than before.
 */
#define _GNU_SOURCE
#include <signal.h>

#include "bench.h"
#include "listeners.h"

#define LISTENERS_MAX 1024
/* A minute in which every look, a millisecond apart, sees another number. */
#define CHANGES_MAX 60000

static struct {
	uint64_t at;
	unsigned waiting;
} changes[CHANGES_MAX];

static volatile sig_atomic_t stop;

static void on_signal(int sig)
{
	(void)sig;
	stop = 1;
}

static unsigned waiting(const int *fds, int n)
{
	unsigned sum = 0;

	for (int i = 0; i < n; i++) {
		struct tcp_info info;
		socklen_t len = sizeof(info);

		if (getsockopt(fds[i], IPPROTO_TCP, TCP_INFO, &info, &len) == 0 && info.tcpi_state == TCP_LISTEN)
			sum += info.tcpi_unacked;
	}
	return sum;
}

static void print_series(uint64_t start, size_t n, uint64_t end, unsigned last)
{
	printf("queue_series ");
	for (size_t i = 0; i < n; i++)
		printf("%.1f:%u,", (double)(changes[i].at - start) / 1e6, changes[i].waiting);
	printf("%.1f:%u\n", (double)(end - start) / 1e6, last);
}

int main(int argc, char **argv)
{
	struct sigaction sa = { .sa_handler = on_signal };
	int fds[LISTENERS_MAX], n;
	uint64_t interval, start, now, next;
	size_t nchanges = 0;

	if (argc != 4) {
		fprintf(stderr, "Usage: queue_watch PID PORT INTERVAL-US\n");
		return 2;
	}
	sigaction(SIGTERM, &sa, NULL);
	interval = bench_number("interval", argv[3], 100, 1000000) * 1000;
	n = listeners_of((int)bench_number("pid", argv[1], 1, 1 << 22), (int)bench_number("port", argv[2], 1, 65535), fds,
			 LISTENERS_MAX);
	if (n <= 0)
		bench_die("the queues of process %s cannot be watched: %s", argv[1],
			  n < 0 ? strerror(-n) : "it has no listener on that port");
	start = next = now = bench_now();
	while (!stop) {
		struct timespec at;
		unsigned sum = waiting(fds, n);

		now = bench_now();
		if ((nchanges == 0 || changes[nchanges - 1].waiting != sum) && nchanges < CHANGES_MAX) {
			changes[nchanges].at = now;
			changes[nchanges++].waiting = sum;
		}
		/* A look that comes late is not made up for. */
		next += now > next ? ((now - next) / interval + 1) * interval : interval;
		at.tv_sec = (time_t)(next / 1000000000u);
		at.tv_nsec = (long)(next % 1000000000u);
		clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL);
	}
	if (nchanges == CHANGES_MAX)
		bench_die("more than %d changes: watch for less than a minute", CHANGES_MAX);
	if (nchanges)
		print_series(start, nchanges, bench_now(), waiting(fds, n));
	return 0;
}
