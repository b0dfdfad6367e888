/*
 * A load generator whose packets arrive on known CPUs: one thread pinned to
 * each CPU, and on loopback a SYN is processed on the CPU of the client.
 *
 * Every connection carries one request. Its latency runs from connect() (in
 * the open loop, from the time at which it was due) to the server's end of
 * file, which is what a client with a connection per request waits for. Every
 * outcome is counted.
 *
 * SIGTERM ends the load early. What happens between SIGUSR1 and SIGUSR2 is
 * told apart: somebody stops a worker in between, for instance.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <math.h>
#include <signal.h>

#include "bench.h"
#include "client.h"
#include "hold.h"

#define CONNECTIONS_MAX 16384
/* Of a thread in the open loop: at 1,000 requests/s, eight seconds of them unanswered. */
#define OPEN_LOOP_SLOTS 8192

static struct load load = { .server.sin_family = AF_INET, .mark_from = UINT64_MAX, .mark_until = UINT64_MAX };

static void on_signal(int sig)
{
	uint64_t now = bench_now();

	if (sig == SIGUSR1)
		atomic_store(&load.mark_from, now);
	else if (sig == SIGUSR2)
		atomic_store(&load.mark_until, now);
	else if (now < atomic_load(&load.count_until))
		atomic_store(&load.count_until, now);
}

/* CPUs of a list such as 0-3,8. */
static unsigned parse_cpus(const char *text, unsigned *cpus, unsigned max)
{
	unsigned n = 0;

	for (const char *p = text;; p++) {
		char *end;
		unsigned long low = strtoul(p, &end, 10), high = low;

		if (end != p && *end == '-') {
			p = end + 1;
			high = strtoul(p, &end, 10);
		}
		if (end == p || high < low || high >= BENCH_CPUS_MAX)
			break;
		for (; low <= high && n < max; low++)
			cpus[n++] = (unsigned)low;
		if (!*end)
			return n;
		if (*end != ',')
			break;
		p = end;
	}
	bench_die("--cpus %s: a list such as 0-3,8 is accepted", text);
}

static void print_latency(const char *prefix, const struct histogram *h)
{
	printf("%sp50_us %.1f\n%sp95_us %.1f\n%sp99_us %.1f\n%sp999_us %.1f\n", prefix, histogram_percentile(h, 0.50),
	       prefix, histogram_percentile(h, 0.95), prefix, histogram_percentile(h, 0.99), prefix,
	       histogram_percentile(h, 0.999));
}

/*
 * The latency at ten percentiles for each factor of ten of what is above them (0, 20.6, ... 90, ... 99, ...), as far as at
 * least ten requests are above: fewer say nothing.
 */
static void print_distribution(const struct histogram *h)
{
	printf("latency_series ");
	for (int i = 0; pow(10, -i / 10.0) * (double)h->total >= 10; i++) {
		double share = 1 - pow(10, -i / 10.0);

		printf("%s%.6g:%.1f", i ? "," : "", 100 * share, histogram_percentile(h, share));
	}
	putchar('\n');
}

/* All threads' figures, added up in `sum`. */
static void print_sum(const struct client *sum)
{
	static const char *const names[OUTCOMES] = {
		[OUTCOME_REFUSED] = "refused", [OUTCOME_RESET] = "reset",	  [OUTCOME_CUT] = "cut",
		[OUTCOME_TIMED_OUT] = "timed_out", [OUTCOME_OTHER] = "other",
	};
	uint64_t until = atomic_load(&load.count_until), mark_until = atomic_load(&load.mark_until);
	double seconds = until > load.count_from ? (double)(until - load.count_from) / 1e9 : 0;
	uint64_t errors = 0;

	for (unsigned i = OUTCOME_REFUSED; i < OUTCOMES; i++)
		errors += sum->outcome[i];
	printf("requests %llu\nerrors %llu\n", (unsigned long long)sum->outcome[OUTCOME_OK], (unsigned long long)errors);
	for (unsigned i = OUTCOME_REFUSED; i < OUTCOMES; i++)
		printf("%s %llu\n", names[i], (unsigned long long)sum->outcome[i]);
	printf("seconds %.3f\nrate %.1f\n", seconds,
	       seconds > 0 ? (double)sum->outcome[OUTCOME_OK] / seconds : 0);
	print_latency("", &sum->latency);
	if (sum->latency.total >= 10)
		print_distribution(&sum->latency);
	if (load.rate > 0)
		printf("held_back %llu\nunstarted %llu\n", (unsigned long long)sum->held_back,
		       (unsigned long long)sum->unstarted);
	if (sum->blocked.total) {
		printf("blocked %llu\n", (unsigned long long)sum->blocked.total);
		print_latency("blocked_", &sum->blocked);
	}
	if (mark_until != UINT64_MAX && mark_until > load.mark_from)
		printf("marked_requests %llu\nmarked_rate %.1f\n", (unsigned long long)sum->marked_ok,
		       (double)sum->marked_ok * 1e9 / (double)(mark_until - load.mark_from));
	if (errors)
		fprintf(stderr, "pinned_client: %llu errors, the last: %s\n", (unsigned long long)errors,
			request_last_error() ? strerror(request_last_error()) : "no answer in time");
	if (sum->held_back)
		fprintf(stderr, "pinned_client: %llu requests waited for a slot, of which there are %u a thread, and %llu were never started\n",
			(unsigned long long)sum->held_back, load.slots, (unsigned long long)sum->unstarted);
}

static void load_run(const unsigned *cpus, unsigned ncpus)
{
	static struct client sum;
	struct client *clients = calloc(ncpus, sizeof(struct client));

	if (!clients)
		bench_die("out of memory");
	for (unsigned i = 0; i < ncpus; i++) {
		clients[i].load = &load;
		clients[i].cpu = cpus[i];
		if (pthread_create(&clients[i].thread, NULL, client_main, &clients[i]) != 0)
			bench_die("cannot start a thread");
	}
	for (unsigned i = 0; i < ncpus; i++) {
		pthread_join(clients[i].thread, NULL);
		for (unsigned o = 0; o < OUTCOMES; o++)
			sum.outcome[o] += clients[i].outcome[o];
		sum.held_back += clients[i].held_back;
		sum.unstarted += clients[i].unstarted;
		sum.marked_ok += clients[i].marked_ok;
		histogram_merge(&sum.latency, &clients[i].latency);
		histogram_merge(&sum.blocked, &clients[i].blocked);
	}
	free(clients);
	print_sum(&sum);
}

static void usage(void)
{
	puts("Usage: pinned_client --port PORT [OPTION]...\n"
	     "  --cpus LIST        a thread on each of these (default: all that it may run on)\n"
	     "  --connections N    of each thread, at once (default 32; in the open loop the bound, 8192)\n"
	     "  --rate R           open loop: requests/s of all threads, at random times (Poisson)\n"
	     "  --seed N           of those times (default 1)\n"
	     "  --milliseconds N   how long (default 1000)\n"
	     "  --warmup MS        before it counts (default 0)\n"
	     "  --timeout MS       of a request (default 2000)\n"
	     "  --hold N           open N connections from the first CPU, a request each, and keep them\n"
	     "                     all the time (--rate: so many a second)");
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "port", required_argument, NULL, 'p' },    { "connections", required_argument, NULL, 'c' },
		{ "cpus", required_argument, NULL, 'C' },    { "milliseconds", required_argument, NULL, 'm' },
		{ "warmup", required_argument, NULL, 'w' },  { "timeout", required_argument, NULL, 't' },
		{ "rate", required_argument, NULL, 'r' },    { "seed", required_argument, NULL, 's' },
		{ "hold", required_argument, NULL, 'h' },    { "help", no_argument, NULL, '?' },
		{ NULL, 0, NULL, 0 },
	};
	struct sigaction sa = { .sa_handler = on_signal };
	unsigned cpus[BENCH_CPUS_MAX], ncpus = bench_cpus(cpus, BENCH_CPUS_MAX), hold = 0;
	uint64_t milliseconds = 1000, warmup = 0, timeout = 2000;
	unsigned long rate = 0;
	rlim_t limit = bench_raise_limit();
	int opt;

	load.seed = 1;
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'p')
			load.server.sin_port = htons((uint16_t)bench_number("port", optarg, 1, 65535));
		else if (opt == 'c')
			load.slots = (unsigned)bench_number("connections", optarg, 1, CONNECTIONS_MAX);
		else if (opt == 'C')
			ncpus = parse_cpus(optarg, cpus, BENCH_CPUS_MAX);
		else if (opt == 'm')
			milliseconds = bench_number("milliseconds", optarg, 1, 3600000);
		else if (opt == 'w')
			warmup = bench_number("warmup", optarg, 0, 3600000);
		else if (opt == 't')
			timeout = bench_number("timeout", optarg, 1, 3600000);
		else if (opt == 'r')
			rate = bench_number("rate", optarg, 1, 10000000);
		else if (opt == 's')
			load.seed = bench_number("seed", optarg, 0, 1000000);
		else if (opt == 'h')
			hold = (unsigned)bench_number("hold", optarg, 1, 1000000);
		else
			return usage(), 2;
	}
	if (!load.server.sin_port)
		bench_die("--port is missing");
	if (hold)
		ncpus = 1;
	/* Some descriptors are not connections: everybody's, and each thread's own. */
	limit = limit > 32 + 4 * (rlim_t)ncpus ? limit - 32 - 4 * (rlim_t)ncpus : 0;
	if (!load.slots && rate)
		load.slots = limit / ncpus < OPEN_LOOP_SLOTS ? (unsigned)(limit / ncpus) : OPEN_LOOP_SLOTS;
	else if (!load.slots)
		load.slots = 32;
	if ((hold ? hold : (rlim_t)load.slots * ncpus) > limit)
		bench_die("%u connections are more than the descriptor limit allows: %lu",
			  hold ? hold : load.slots * ncpus, (unsigned long)limit);
	load.server.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	load.rate = (double)rate / ncpus;
	load.timeout = timeout * 1000000;
	load.count_from = bench_now() + warmup * 1000000;
	load.count_until = load.count_from + milliseconds * 1000000;
	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	sigaction(SIGUSR2, &sa, NULL);
	if (hold)
		hold_run(&load, cpus[0], hold);
	else
		load_run(cpus, ncpus);
	return 0;
}
