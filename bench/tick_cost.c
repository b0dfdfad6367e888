/*
 * What the active stealing thread costs while there is nothing to steal, for more
 * cores than this machine has: a region with so many cores, a listening socket in each
 * core's place, and records of workers whose loop counts move as those of quick ones do.
 * The loop is the thread's own: a look, then the pause that it asks for.
 *
 * Prints for both kinds of pause (as asked for; at every tick, the worst case) the
 * thread's CPU time in percent of one CPU, and the cost of one look.
 */
#define _GNU_SOURCE
#include <getopt.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"
#include "core/group.h"
#include "core/hub.h"
#include "core/tick.h"
#include "core/worker_rec.h"

#define TICK_US 1000

static uint64_t cpu_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int listening_socket(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&any, sizeof(any)) != 0 || listen(fd, 511) != 0)
		bench_die("listening socket: %s", strerror(errno));
	return fd;
}

static void make_tree(unsigned cores)
{
	static struct fs_group group;

	fs_process_start();
	fs_proc.on = true;
	fs_proc.ncores = cores;
	for (unsigned c = 0; c < cores; c++)
		fs_proc.cpu[c] = (uint16_t)c;
	if (fs_region_make() < 0 || fs_hub_make() < 0)
		bench_die("no region");
	for (unsigned c = 0; c < cores; c++) {
		struct fs_worker_rec *w = fs_worker_rec(c);

		group.local[c] = listening_socket();
		fs_core_rec(0, c)->member = c + 1;
		w->core = c;
		w->pid = (uint32_t)getpid();
		w->tid = (uint32_t)getpid();
		fs_rec_set(w->announced, 0);
		fs_rec_set(w->serving, 0);
		w->state = FS_WORKER_LIVE;
	}
	fs_region_head()->workers_end = cores;
	fs_group_rec(0)->nmembers = cores + 1;
	fs_group_rec(0)->backlog = 511;
	fs_group_rec(0)->state = FS_GROUP_ACTIVE;
	fs_group_hold(0, &group);
}

static void measure(const char *name, unsigned cores, bool every_tick, uint64_t ms)
{
	uint64_t start = bench_now(), until = start + ms * 1000000, before = start, cpu = cpu_time(), looking = 0;
	unsigned looks = 0;

	fs_tick_begin(0);
	while (before < until) {
		struct timespec pause = { 0, TICK_US * 1000L };
		uint64_t now = bench_now(), look;
		uint32_t ticks;

		/* Twenty waits in a millisecond: a core that accepts 20,000 connections/s, one at a time. */
		for (unsigned c = 0; c < cores; c++) {
			fs_worker_rec(c)->beat += (uint32_t)((now - before) / 50000) * 2;
			fs_core_rec(0, c)->accepted_local += (now - before) / 50000;
		}
		look = cpu_time();
		ticks = fs_tick((uint32_t)((now - before) / 1000), looks == 0);
		looking += cpu_time() - look;
		looks++;
		before = now;
		pause.tv_nsec *= every_tick || !ticks ? 1 : ticks;
		fs_lease_keep((uint32_t)pause.tv_nsec / 1000);
		nanosleep(&pause, NULL);
	}
	cpu = cpu_time() - cpu;
	printf("%s_percent %.3f\n%s_looks_per_s %.1f\n%s_look_us %.2f\n", name,
	       100.0 * (double)cpu / (double)(bench_now() - start), name, looks * 1e9 / (double)(bench_now() - start), name,
	       (double)looking / 1000 / looks);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "cores", required_argument, NULL, 'c' },
		{ "milliseconds", required_argument, NULL, 'm' },
		{ NULL, 0, NULL, 0 },
	};
	unsigned cores = 64;
	uint64_t ms = 2000;
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'c')
			cores = (unsigned)bench_number("cores", optarg, 1, FS_CORES_MAX);
		else if (opt == 'm')
			ms = bench_number("milliseconds", optarg, 1, 60000);
		else
			return 2;
	}
	make_tree(cores);
	fs_lease_take();
	measure("asked", cores, false, ms);
	measure("every_tick", cores, true, ms);
	return 0;
}
