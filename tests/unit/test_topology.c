/*
 * The topology as sysfs tells it, read from directories that are laid out like
 * machines that are not here: many cores, holes, offline CPUs, a container
 * without /sys.
 */
#define _GNU_SOURCE
#include "lib/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "core/topology.h"

static char scratch[] = "/tmp/fs-topology-XXXXXX";
static char root[sizeof(scratch) + 16];
static struct fs_topology topo;
static struct fs_cpus known;

/* --- a machine on disk --- */

__attribute__((format(printf, 2, 3))) static void put(const char *text, const char *format, ...)
{
	char path[256];
	va_list args;
	int at = snprintf(path, sizeof(path), "%s/", root), fd;

	va_start(args, format);
	vsnprintf(path + at, sizeof(path) - (size_t)at, format, args);
	va_end(args);
	for (char *slash = strchr(path + strlen(scratch), '/'); slash; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		ck_assert(mkdir(path, 0755) == 0 || errno == EEXIST);
		*slash = '/';
	}
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

/* Two L1 leaves, an L2 and, if there is a list for it, an L3, not in the order of their levels. */
static void put_caches(unsigned cpu, const char *l3)
{
	char own[16];
	unsigned leaf = 0;

	snprintf(own, sizeof(own), "%u\n", cpu);
	if (l3) {
		put("3\n", "cpu/cpu%u/cache/index%u/level", cpu, leaf);
		put(l3, "cpu/cpu%u/cache/index%u/shared_cpu_list", cpu, leaf++);
	}
	for (unsigned level = 1; level <= 2; level++) {
		for (unsigned i = level; i <= 2; i++) {
			put(level == 1 ? "1\n" : "2\n", "cpu/cpu%u/cache/index%u/level", cpu, leaf);
			put(own, "cpu/cpu%u/cache/index%u/shared_cpu_list", cpu, leaf++);
		}
	}
}

static void fresh_machine(void)
{
	static unsigned count;

	snprintf(root, sizeof(root), "%s/%d.%u", scratch, (int)getpid() % 100000, count++);
	ck_assert_int_eq(mkdir(root, 0755), 0);
	memset(&known, 0, sizeof(known));
	memset(&topo, 0x5a, sizeof(topo));
}

/* --- tests --- */

START_TEST(two_sockets_of_64)
{
	put("0-127\n", "cpu/possible");
	for (unsigned cpu = 0; cpu < 128; cpu++) {
		char list[32];

		/* Eight cores and their sibling threads, 64 numbers on, share a cache. */
		snprintf(list, sizeof(list), "%u-%u,%u-%u\n", cpu % 64 / 8 * 8, cpu % 64 / 8 * 8 + 7, cpu % 64 / 8 * 8 + 64,
			 cpu % 64 / 8 * 8 + 71);
		put_caches(cpu, list);
	}
	put("0-1\n", "node/online");
	put("0-31,64-95\n", "node/node0/cpulist");
	put("32-63,96-127\n", "node/node1/cpulist");

	fs_topology_read_from(&topo, &known, root);
	ck_assert_uint_eq(topo.ncpus, 128);
	for (unsigned a = 0; a < 128; a++) {
		ck_assert_uint_eq(topo.possible[a], 1);
		for (unsigned b = 0; b < 128; b++) {
			ck_assert_int_eq(topo.cache[a] == topo.cache[b], a % 64 / 8 == b % 64 / 8);
			ck_assert_int_eq(topo.node[a] == topo.node[b], a % 64 / 32 == b % 64 / 32);
		}
	}
	ck_assert_uint_eq(topo.possible[128], 0);
}
END_TEST

/* No level 3 (many arm64 machines): the level 2 cache is the last. */
START_TEST(without_a_shared_cache)
{
	put("0-3\n", "cpu/possible");
	for (unsigned cpu = 0; cpu < 4; cpu++)
		put_caches(cpu, NULL);
	put("0\n", "node/online");
	put("0-3\n", "node/node0/cpulist");
	fs_topology_read_from(&topo, &known, root);
	for (unsigned a = 0; a < 4; a++)
		for (unsigned b = 0; b < 4; b++)
			ck_assert_int_eq(topo.cache[a] == topo.cache[b], a == b);
	ck_assert_uint_eq(topo.node[0], topo.node[3]);
}
END_TEST

/* sysfs has no cache for an offline CPU, and no node lists it. It is near nothing that is known. */
START_TEST(offline_cpus_and_holes)
{
	put("0-3,8-11\n", "cpu/possible");
	for (unsigned cpu = 0; cpu < 4; cpu++)
		put_caches(cpu, "0-3\n");
	put("0,2\n", "node/online");
	put("0-3\n", "node/node0/cpulist");
	put("\n", "node/node2/cpulist"); /* memory alone */
	fs_topology_read_from(&topo, &known, root);
	ck_assert_uint_eq(topo.ncpus, 12);
	for (unsigned cpu = 0; cpu < 12; cpu++)
		ck_assert_uint_eq(topo.possible[cpu], cpu < 4 || cpu >= 8);
	for (unsigned cpu = 8; cpu < 12; cpu++) {
		ck_assert_uint_eq(topo.cache[cpu], FS_TOPOLOGY_UNKNOWN);
		ck_assert_uint_eq(topo.node[cpu], FS_TOPOLOGY_UNKNOWN);
	}
	ck_assert_uint_ne(topo.cache[0], FS_TOPOLOGY_UNKNOWN);
	ck_assert_uint_ne(topo.node[0], FS_TOPOLOGY_UNKNOWN);
}
END_TEST

/* No /sys: the CPUs that the caller knows, one cache, one node. */
START_TEST(nothing_to_read)
{
	fs_cpus_add(&known, 1);
	fs_cpus_add(&known, 6);
	fs_topology_read_from(&topo, &known, root);
	ck_assert_uint_eq(topo.ncpus, 7);
	for (unsigned cpu = 0; cpu < 7; cpu++)
		ck_assert_uint_eq(topo.possible[cpu], cpu == 1 || cpu == 6);
	ck_assert_uint_eq(topo.cache[1], topo.cache[6]);
	ck_assert_uint_eq(topo.node[1], topo.node[6]);
}
END_TEST

/* A /sys that was made up by a container manager may name fewer CPUs than the caller runs on. */
START_TEST(known_cpus_exist)
{
	put("0-1\n", "cpu/possible");
	fs_cpus_add(&known, 5);
	fs_topology_read_from(&topo, &known, root);
	ck_assert_uint_eq(topo.ncpus, 6);
	ck_assert_uint_eq(topo.possible[0], 1);
	ck_assert_uint_eq(topo.possible[3], 0);
	ck_assert_uint_eq(topo.possible[5], 1);
}
END_TEST

/*
 * Text that is no list, a level that is no number, a cache that does not hold its
 * own CPU, a path too long: unknown, not wrong.
 */
START_TEST(nonsense_is_unknown)
{
	static char deep[600];

	put("0-3\n", "cpu/possible");
	put("x\n", "cpu/cpu0/cache/index0/level");
	put("0-3\n", "cpu/cpu0/cache/index0/shared_cpu_list");
	put("3\n", "cpu/cpu1/cache/index0/level");
	put("all of them\n", "cpu/cpu1/cache/index0/shared_cpu_list");
	put("3\n", "cpu/cpu2/cache/index0/level");
	put("0-1\n", "cpu/cpu2/cache/index0/shared_cpu_list");
	put("0-99999\n", "node/online");
	put("0-3\n", "node/node0/cpulist");
	fs_topology_read_from(&topo, &known, root);
	ck_assert_uint_eq(topo.ncpus, 4);
	for (unsigned cpu = 0; cpu < 4; cpu++) {
		ck_assert_uint_eq(topo.cache[cpu], FS_TOPOLOGY_UNKNOWN);
		ck_assert_uint_eq(topo.node[cpu], FS_TOPOLOGY_UNKNOWN);
	}
	memset(deep, 'd', sizeof(deep) - 1);
	fs_cpus_add(&known, 2);
	fs_topology_read_from(&topo, &known, deep);
	ck_assert_uint_eq(topo.ncpus, 3);
}
END_TEST

/* This machine: the CPUs that this process may run on are possible. */
START_TEST(this_machine)
{
	ck_assert_int_eq(fs_cpus_allowed(0, &known), 0);
	fs_topology_read(&topo, &known);
	for (unsigned cpu = fs_cpus_next(&known, 0); cpu < FS_CPUS_MAX; cpu = fs_cpus_next(&known, cpu + 1)) {
		ck_assert_uint_eq(topo.possible[cpu], 1);
		ck_assert_uint_lt(cpu, topo.ncpus);
	}
	ck_assert_uint_eq(topo.possible[topo.ncpus - 1], 1);
}
END_TEST

/*
 * --- the scratch directory goes away however the tests end: they run in a child,
 * and who waits for it cleans up ---
 */

static volatile sig_atomic_t child;

static void forward(int sig)
{
	if (child > 0)
		kill(child, sig);
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st;
	(void)kind;
	(void)where;
	return remove(path);
}

int main(void)
{
	const struct sigaction act = { .sa_handler = forward };
	sigset_t ours, old;
	int status = 0;

	sigemptyset(&ours);
	sigaddset(&ours, SIGINT);
	sigaddset(&ours, SIGTERM);
	sigaddset(&ours, SIGHUP);
	sigprocmask(SIG_BLOCK, &ours, &old);
	if (!mkdtemp(scratch)) {
		perror(scratch);
		return EXIT_FAILURE;
	}
	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	child = fork();
	if (child == 0) {
		Suite *s = suite_create("topology");
		TCase *tc = tcase_create("sysfs");

		/* Check passes a signal on to its whole process group, which must not be the caller's. */
		setpgid(0, 0);
		sigprocmask(SIG_SETMASK, &old, NULL);
		tcase_set_timeout(tc, 60);
		tcase_add_checked_fixture(tc, fresh_machine, NULL);
		tcase_add_test(tc, two_sockets_of_64);
		tcase_add_test(tc, without_a_shared_cache);
		tcase_add_test(tc, offline_cpus_and_holes);
		tcase_add_test(tc, nothing_to_read);
		tcase_add_test(tc, known_cpus_exist);
		tcase_add_test(tc, nonsense_is_unknown);
		tcase_add_test(tc, this_machine);
		suite_add_tcase(s, tc);
		return unit_main(s);
	}
	sigaction(SIGINT, &act, NULL);
	sigaction(SIGTERM, &act, NULL);
	sigaction(SIGHUP, &act, NULL);
	sigprocmask(SIG_SETMASK, &old, NULL);
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	/* A test whose runner was ended may still be writing; it comes to us, and its end is near. */
	while (waitpid(-1, NULL, 0) > 0 || errno == EINTR)
		;
	nftw(scratch, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	return child > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_FAILURE;
}
