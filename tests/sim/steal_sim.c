/*
 * Stealing and balancing on machines that are not at hand: 2 to 256 cores, run through
 * the library's own policy. For each scenario it prints what happened without and with
 * the stealing thread, and fails where a promise is not kept:
 *
 * - no connection waits long while some core is idle: a few ticks where its worker does
 *   not serve, a window and the target where it serves too slowly (a shorter window
 *   would steal from workers that only lost their CPU for a moment: see --compare);
 * - no more workers are woken than find a connection, but for a few;
 * - an even load of short connections is left alone: hardly a steal, no group moved;
 * - when a skew is gone, all flow groups are home again within seconds;
 * - ten thousand connections that stay open end up evenly on all workers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"

#define S 1000000ull
/* What a connection may wait while some core is idle, us. */
#define FEW_TICKS (4 * SIM_TICK_US)
#define STANDING ((SIM_WINDOW + SIM_TARGET) * SIM_TICK_US)

static int broken;

#define PROMISE(kept, ...)                              \
	do {                                            \
		if (!(kept)) {                          \
			printf("BROKEN: " __VA_ARGS__); \
			putchar('\n');                  \
			broken = 1;                     \
		}                                       \
	} while (0)

static void make_even(struct sim_trace *t, unsigned n)
{
	/* 70 % of each core, in pieces of 50 us. */
	sim_trace_poisson(t, 0, S / 4, 14000.0 * n, n, 50, 0, 0);
}

/* The same where workers lose their CPU, or collect garbage, for 6 ms now and then: theirs to catch up with. */
static void make_pauses(struct sim_trace *t, unsigned n)
{
	sim_trace_poisson(t, 0, S / 4, 10000.0 * n, n, 50, 0, 0);
	for (unsigned c = 0; c < n; c++)
		for (unsigned i = 0; i < 5; i++)
			sim_trace_add(t, (S / 20) * i + c * 997 % (S / 20), c, 6000, SIM_SHORT);
}

static void make_one_cpu(struct sim_trace *t, unsigned n)
{
	/* Half of what all can do, pieces of 2 ms, and all of it arrives on one CPU. */
	sim_trace_poisson(t, 0, 2 * S, n == 2 ? 600 : 250.0 * n, 1, 2000, 0, 0);
}

static void make_blocks(struct sim_trace *t, unsigned n)
{
	sim_trace_poisson(t, 0, 4 * S, 300.0 * n, n, 100, 100, 50000);
}

static void make_stop(struct sim_trace *t, unsigned n)
{
	sim_trace_poisson(t, 0, 4 * S, 500.0 * n, n, 200, 0, 0);
	sim_trace_add(t, S / 2, n / 2, 3 * S, SIM_STOP);
}

static void make_kill(struct sim_trace *t, unsigned n)
{
	sim_trace_poisson(t, 0, 2 * S, 500.0 * n, n, 200, 0, 0);
	sim_trace_add(t, S / 2, n / 2, 0, SIM_KILL);
}

static void make_long(struct sim_trace *t, unsigned n)
{
	(void)n;
	for (unsigned i = 0; i < 10000; i++)
		sim_trace_add(t, i * 50, 0, 20, SIM_LONG);
}

static void make_skew_goes(struct sim_trace *t, unsigned n)
{
	make_one_cpu(t, n);
	sim_trace_poisson(t, 2 * S, 6 * S, 100.0 * n, n, 2000, 0, 0);
}

static void even(const struct sim_result *r, unsigned n)
{
	(void)n;
	PROMISE(r->stolen * 100 < r->connections, "%llu of %llu stolen", (unsigned long long)r->stolen, (unsigned long long)r->connections);
	PROMISE(!r->groups_moved, "%llu groups moved", (unsigned long long)r->groups_moved);
}

static void waits_ticks(const struct sim_result *r, unsigned n)
{
	(void)n;
	PROMISE(r->wait_idle_max <= FEW_TICKS, "one waited %llu us while a core was idle", (unsigned long long)r->wait_idle_max);
}

static void waits_window(const struct sim_result *r, unsigned n)
{
	(void)n;
	PROMISE(r->wait_idle_max <= STANDING, "one waited %llu us while a core was idle", (unsigned long long)r->wait_idle_max);
}

static void evenly_open(const struct sim_result *r, unsigned n)
{
	/* What arrives before and in the first two ticks is where it is. */
	unsigned fits = r->open_total / n * 6 / 5;

	PROMISE(r->open_most <= (fits > 44 ? fits : 44), "%u open on one worker, %u on the mean", r->open_most, r->open_total / n);
}

static void home_again(const struct sim_result *r, unsigned n)
{
	waits_window(r, n);
	PROMISE(r->groups_moved, "no group moved");
	PROMISE(!r->groups_away && r->home_at > 2 * S && r->home_at < 5 * S, "groups were home at %.1f s, %llu are not",
		(double)r->home_at / S, (unsigned long long)r->groups_away);
}

static const struct scenario {
	const char *name;
	void (*make)(struct sim_trace *t, unsigned n);
	void (*check)(const struct sim_result *r, unsigned n);
} scenarios[] = {
	{ "even load", make_even, even },
	{ "even load, pauses", make_pauses, even },
	{ "one CPU feeds all", make_one_cpu, waits_window },
	{ "1 in 100 blocks 50 ms", make_blocks, waits_ticks },
	{ "stopped for 3 s", make_stop, waits_ticks },
	{ "killed", make_kill, waits_ticks },
	{ "10,000 stay open", make_long, evenly_open },
	{ "skew that goes away", make_skew_goes, home_again },
};

static void print_head(void)
{
	printf("%-23s %5s %-8s %8s %9s %9s %9s %7s %7s %6s %7s %6s\n", "scenario", "cores", "stealing", "conns", "p99 ms",
	       "max ms", "idle ms", "stolen", "kicks", "empty", "groups", "steer");
}

static void print_row(const char *name, unsigned n, const char *how, const struct sim_result *r)
{
	char max[32];

	/* Whoever waits for a dead worker waits for ever. */
	snprintf(max, sizeof(max), r->never ? "(%.0f)" : "%.0f", r->never ? (double)r->never : 0.0);
	if (!r->never)
		snprintf(max, sizeof(max), "%.2f", (double)r->wait_max / 1e3);
	printf("%-23s %5u %-8s %8llu %9.2f %9s %9.2f %7llu %7llu %6llu %7llu %6llu", name, n, how,
	       (unsigned long long)r->connections, (double)sim_percentile(r, 990) / 1e3, max, (double)r->wait_idle_max / 1e3,
	       (unsigned long long)r->stolen, (unsigned long long)r->kicks, (unsigned long long)r->kicks_empty,
	       (unsigned long long)r->groups_moved, (unsigned long long)r->steered);
	if (r->refused)
		printf("  %llu refused", (unsigned long long)r->refused);
	if (r->open_total)
		printf("  most/mean open %.2f", (double)r->open_most * n / r->open_total);
	if (r->home_at)
		printf("  home at %.1f s", (double)r->home_at / S);
	putchar('\n');
}

static void check_kicks(const struct sim_result *r)
{
	PROMISE(r->kicks <= r->stolen + r->kicks_empty, "%llu woken for %llu stolen", (unsigned long long)r->kicks,
		(unsigned long long)r->stolen);
	PROMISE(r->kicks_empty <= r->kicks / 2 + 10, "%llu woken for nothing, %llu stolen", (unsigned long long)r->kicks_empty,
		(unsigned long long)r->stolen);
}

static void run_one(const struct scenario *s, unsigned n)
{
	struct sim_options with = { .ncores = n, .thread = true, .sojourn = true, .balance = true };
	struct sim_options without = { .ncores = n };
	struct sim_trace t;
	struct sim_result r;

	sim_trace_start(&t, n);
	s->make(&t, n);
	sim_trace_sort(&t);
	r = sim_run(&t, &without);
	print_row(s->name, n, "without", &r);
	r = sim_run(&t, &with);
	print_row(s->name, n, "with", &r);
	s->check(&r, n);
	check_kicks(&r);
	PROMISE(r.served + r.never + r.refused == r.connections, "connections are lost");
	PROMISE(!r.never, "%llu are never served", (unsigned long long)r.never);
	sim_trace_free(&t);
}

/* The marks of Affinity-Accept alone, and windows and targets for the standing queue. */
static void compare(void)
{
	static const struct {
		const char *name;
		bool sojourn;
		uint32_t target, window;
	} how[] = {
		{ "marks", false, 0, 0 }, { "1/5", true, 1, 5 }, { "2/10", true, 2, 10 }, { "5/10", true, 5, 10 },
		{ "5/20", true, 5, 20 }, { "5/100", true, 5, 100 },
	};
	static const unsigned which[] = { 1, 2 };

	print_head();
	for (unsigned k = 0; k < FS_COUNT(which); k++) {
		for (unsigned n = 2; n <= 256; n *= n == 16 || n == 64 ? 4 : 8) {
			const struct scenario *s = &scenarios[which[k]];
			struct sim_trace t;

			sim_trace_start(&t, n);
			s->make(&t, n);
			sim_trace_sort(&t);
			for (unsigned h = 0; h < FS_COUNT(how); h++) {
				/* Without balance: what stealing does alone. */
				struct sim_options o = { .ncores = n, .thread = true, .sojourn = how[h].sojourn,
							 .target = how[h].target, .window = how[h].window };
				struct sim_result r = sim_run(&t, &o);

				print_row(s->name, n, how[h].name, &r);
			}
			sim_trace_free(&t);
		}
	}
}

static void run_trace(const char *path, unsigned n)
{
	struct sim_options with = { .ncores = n, .thread = true, .sojourn = true, .balance = true };
	struct sim_options without = { .ncores = n };
	struct sim_trace t;
	struct sim_result r;

	sim_trace_read(&t, path, n);
	print_head();
	r = sim_run(&t, &without);
	print_row(path, n, "without", &r);
	r = sim_run(&t, &with);
	print_row(path, n, "with", &r);
	sim_trace_free(&t);
}

/* The data of docs/steal-simulation.png: 16 cores, one of them stopped for 3 s. */
static void write_plots(const char *without, const char *with)
{
	struct sim_options o = { .ncores = 16, .plot = without };
	struct sim_trace t;

	sim_trace_start(&t, 16);
	/* 45 % of each core. */
	sim_trace_poisson(&t, 0, 5 * S, 900.0 * 16, 16, 500, 0, 0);
	sim_trace_add(&t, S, 8, 3 * S, SIM_STOP);
	sim_trace_sort(&t);
	sim_run(&t, &o);
	o = (struct sim_options){ .ncores = 16, .thread = true, .sojourn = true, .balance = true, .plot = with };
	sim_run(&t, &o);
	sim_trace_free(&t);
}

static int usage(void)
{
	fputs("usage: steal_sim [--quick]             every scenario; --quick: 2 and 16 cores\n"
	      "       steal_sim --compare             Affinity-Accept's marks alone, and standing queues\n"
	      "       steal_sim --trace FILE --cores N\n"
	      "       steal_sim --plot WITHOUT WITH   writes queues and loads over time\n",
	      stderr);
	return 2;
}

int main(int argc, char **argv)
{
	unsigned most = argc > 1 && !strcmp(argv[1], "--quick") ? 16 : 256;

	if (argc == 2 && !strcmp(argv[1], "--compare")) {
		compare();
		return 0;
	}
	if (argc == 5 && !strcmp(argv[1], "--trace") && !strcmp(argv[3], "--cores")) {
		unsigned long n = strtoul(argv[4], NULL, 10);

		if (n < 1 || n > FS_CORES_MAX)
			return usage();
		run_trace(argv[2], (unsigned)n);
		return 0;
	}
	if (argc == 4 && !strcmp(argv[1], "--plot")) {
		write_plots(argv[2], argv[3]);
		return 0;
	}
	if (argc > 2 || (argc == 2 && most == 256))
		return usage();
	print_head();
	for (size_t i = 0; i < FS_COUNT(scenarios); i++)
		for (unsigned n = 2; n <= most; n *= n == 2 ? 8 : 4)
			run_one(&scenarios[i], n);
	return broken;
}
