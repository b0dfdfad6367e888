/*
 * make_region KIND [SEED] COMMAND [ARGUMENT...]
 *
 * Runs COMMAND while this process holds a memfd like that of libfastsock, so that
 * what reads such regions from outside can be tested without the library, and
 * against regions that the library would never make. COMMAND does not inherit the
 * memfd. Its status is this program's.
 *
 * KIND is "valid", a kind of damage or of trouble (see damages[]), "random", which takes a
 * SEED and corrupts a valid region, or "large": the same on 256 CPUs, with 97 more
 * groups that are active, a worker on each CPU, and nothing that is 0. COMMAND finds in its environment REGION_PID:
 * this process, the creator and worker of core 0; REGION_CHILD: its child, which
 * holds the memfd, too, and is another worker of core 0; REGION_PORT: where the
 * first group listens; REGION_COOKIE: the socket cookie of core 0's local listener
 * there. The kind "foreign" has it from its own environment.
 *
 * A valid region has cores for CPUs 0 and 3 and three groups:
 * 127.0.0.1:REGION_PORT, own and active: 2 connections wait at the global listener,
 * 3 at core 0's local listener; [::]:443, adopted and passive: one member served by
 * core 1, which is no socket; [fe80::1%7]:65535, abandoned because it is steered by its owner. Its workers besides the
 * two: one of core 1 whose process is dead, and a free slot that still holds
 * everything.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/region.h"

/* 2, or 256 of the large one. */
static unsigned ncores = 2;

struct region {
	int fd;
	unsigned char *base;
	struct fs_region_head *head;
	struct fs_worker_rec *worker;
	struct fs_group_rec *group;
};

static void die(const char *what)
{
	fprintf(stderr, "make_region: %s: %s\n", what, strerror(errno));
	exit(99);
}

static struct fs_core_rec *core_rec(const struct region *r, unsigned group, unsigned core)
{
	return (struct fs_core_rec *)(r->base + fs_region_core_at(ncores, group, core));
}

/*
 * A listener on a free port of the loopback device, with `waiting` connections that
 * nobody accepts. Returns its port.
 */
static unsigned make_listener(unsigned waiting, uint64_t *cookie)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(addr), cookie_len = sizeof(*cookie);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct tcp_info info = {0};

	if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 16) < 0 ||
	    getsockname(fd, (struct sockaddr *)&addr, &len) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_COOKIE, cookie, &cookie_len) < 0)
		die("cannot listen");
	for (unsigned i = 0; i < waiting; i++) {
		int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (client < 0 || connect(client, (struct sockaddr *)&addr, sizeof(addr)) < 0)
			die("cannot connect");
	}
	/* connect() may return a moment before the listener has the connection. */
	for (int tries = 0; tries < 1000; tries++) {
		len = sizeof(info);
		if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
			die("cannot ask the listener");
		if (info.tcpi_unacked == waiting)
			return ntohs(addr.sin_port);
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
	die("the connections do not arrive");
	return 0;
}

/* A pid that nobody has. */
static unsigned dead_pid(void)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (!pid)
		_exit(0);
	waitpid(pid, NULL, 0);
	return (unsigned)pid;
}

static pid_t make_child(void)
{
	pid_t parent = getpid(), child = fork();

	if (child < 0)
		die("fork");
	if (child)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(0);
	for (;;)
		pause();
}

static void make_worker(struct fs_worker_rec *worker, unsigned state, unsigned pid, unsigned core)
{
	worker->state = state;
	worker->pid = pid;
	worker->tid = pid;
	worker->core = core;
	worker->announced[0] = 1;
	worker->serving[0] = 1;
	worker->open = 11;
}

static void make_groups(struct region *r, unsigned *port)
{
	static const uint8_t link_local[16] = {0xfe, 0x80, [15] = 1};
	struct fs_group_rec *g = &r->group[0];
	uint64_t global, local;

	*port = make_listener(2, &global);
	make_listener(3, &local);
	g->state = FS_GROUP_ACTIVE;
	g->mode = FS_GROUP_OWN;
	g->nmembers = 3;
	g->family = AF_INET;
	memcpy(g->address, "\x7f\0\0\1", 4);
	g->port = *port;
	g->member[0].cookie = global;
	g->member[0].core = FS_NO_CORE;
	g->member[1].cookie = local;
	g->member[1].core = 0;
	/* Core 1's local listener does not listen: its record points to none. */
	g->member[2].cookie = local;
	g->member[2].core = 1;
	*core_rec(r, 0, 0) = (struct fs_core_rec){
		.accepted_local = 1000, .accepted_global = 20, .stolen = 3, .given = 4, .rescued = 5, .parked = 6, .woken = 7,
		.rx_sampled = 400, .rx_local = 399, .member = 1, .help = FS_HELP_STUCK, .out = 1};
	*(struct fs_core_load *)(r->base + fs_region_loads_at()) = (struct fs_core_load){
		.groups_out = 8, .groups_in = 9, .away = 1024, .busy_us = 12};
	*core_rec(r, 0, 1) = (struct fs_core_rec){.accepted_local = UINT64_C(9007199254740993)};

	g = &r->group[1];
	g->state = FS_GROUP_PASSIVE;
	g->mode = FS_GROUP_ADOPTED;
	g->nmembers = 1;
	g->family = AF_INET6;
	g->port = 443;
	g->member[0].core = 1;

	g = &r->group[FS_GROUPS_MAX - 1];
	g->state = FS_GROUP_ABANDONED;
	g->why = FS_ABANDON_STEERED;
	g->family = AF_INET6;
	memcpy(g->address, link_local, sizeof(link_local));
	g->scope = 7;
	g->port = 65535;
}

static void make_region(struct region *r)
{
	r->fd = memfd_create(FS_REGION_NAME, MFD_CLOEXEC);
	if (r->fd < 0 || ftruncate(r->fd, (off_t)fs_region_size(ncores)) < 0)
		die("cannot make a memfd");
	r->base = mmap(NULL, fs_region_size(ncores), PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
	if (r->base == MAP_FAILED)
		die("cannot map the memfd");
	r->head = (struct fs_region_head *)r->base;
	r->worker = (struct fs_worker_rec *)(r->base + fs_region_workers_at());
	r->group = (struct fs_group_rec *)(r->base + fs_region_groups_at());
	r->head->magic = FS_REGION_MAGIC;
	r->head->version = FS_REGION_VERSION;
	r->head->size = fs_region_size(ncores);
	r->head->ncores = ncores;
	r->head->creator = (uint32_t)getpid();
	r->head->cpu[0] = 0;
	r->head->cpu[1] = 3;
}

/* Each kind sets one thing that no library would. */
static void magic(struct region *r) { r->head->magic ^= 1; }
static void version(struct region *r) { r->head->version++; }
static void size(struct region *r) { r->head->size--; }
static void no_cores(struct region *r) { r->head->ncores = 0; }
static void many_cores(struct region *r) { r->head->ncores = UINT32_MAX; }
static void cpu(struct region *r) { r->head->cpu[1] = UINT16_MAX; }
static void state(struct region *r) { r->group[0].state = 4; }
static void mode(struct region *r) { r->group[0].mode = UINT32_MAX; }
static void why(struct region *r) { r->group[0].why = FS_ABANDONS; }
static void members(struct region *r) { r->group[0].nmembers = FS_MEMBERS_MAX + 1; }
static void family(struct region *r) { r->group[0].family = AF_UNIX; }
static void port(struct region *r) { r->group[0].port = UINT16_MAX + 1; }
static void member_core(struct region *r) { r->group[0].member[1].core = ncores; }
static void worker_core(struct region *r) { r->worker[0].core = UINT32_MAX; }

/* Nothing is damaged; it is the server that is not well: it is slow, and its queues are full. */
static void unwell(struct region *r)
{
	r->group[0].backlog = 3;
	core_rec(r, 0, 0)->stolen = 500;
	core_rec(r, 0, 0)->help = FS_HELP_BUSY;
	core_rec(r, 0, 1)->accepted_local = 400;
	/* The child serves core 1. */
	r->worker[FS_WORKERS_MAX - 1].core = 1;
}

static void truncated(struct region *r)
{
	if (ftruncate(r->fd, (off_t)fs_region_size(ncores) - 4096) < 0)
		die("ftruncate");
}

static void empty(struct region *r)
{
	if (ftruncate(r->fd, 0) < 0)
		die("ftruncate");
}

/* No index is out of bounds here, and yet everything is a lie: this one can be shown. */
static void liar(struct region *r)
{
	r->head->creator = UINT32_MAX;
	for (unsigned i = 0; i < FS_WORKERS_MAX; i++) {
		make_worker(&r->worker[i], FS_WORKER_LIVE, UINT32_MAX - i, FS_NO_CORE);
		memset(r->worker[i].announced, 0xff, sizeof(r->worker[i].announced));
		memset(r->worker[i].serving, 0xff, sizeof(r->worker[i].serving));
	}
	r->group[0].nmembers = FS_MEMBERS_MAX;
	for (unsigned core = 0; core < ncores; core++) {
		struct fs_core_rec *rec = core_rec(r, 0, core);

		memset(rec, 0xff, sizeof(*rec));
		rec->rx_sampled = 1;
	}
}

/*
 * Local listeners of other people: where cookies are counted by network namespace,
 * as before Linux 5.8, they can be equal by chance.
 */
static void foreign(struct region *r)
{
	const char *cookie = getenv("REGION_COOKIE");

	if (cookie)
		r->group[0].member[1].cookie = strtoull(cookie, NULL, 10);
}

/* Two listeners on one address, as of sockets that are bound to two devices. */
static void twice(struct region *r)
{
	r->group[2] = r->group[1];
}

static const struct damage {
	const char *name;
	void (*apply)(struct region *r);
} damages[] = {
	{"magic", magic},
	{"version", version},
	{"size", size},
	{"no_cores", no_cores},
	{"many_cores", many_cores},
	{"cpu", cpu},
	{"state", state},
	{"mode", mode},
	{"why", why},
	{"members", members},
	{"family", family},
	{"port", port},
	{"member_core", member_core},
	{"worker_core", worker_core},
	{"truncated", truncated},
	{"empty", empty},
	{"liar", liar},
	{"unwell", unwell},
	{"foreign", foreign},
	{"twice", twice},
};

/* Corrupts a few words where something is; odd seeds spare the head, which would be refused at once. */
static void corrupt(struct region *r, unsigned seed)
{
	static const uint32_t values[] = {0, 1, 2, 3, FS_NO_CORE, INT32_MAX, UINT32_MAX};
	const uint64_t start[] = {fs_region_workers_at(), fs_region_groups_at(), fs_region_core_at(ncores, 0, 0), 0};
	const unsigned span[] = {8 * sizeof(struct fs_worker_rec), 192, 2 * sizeof(struct fs_core_rec),
				 sizeof(struct fs_region_head)};

	srand(seed);
	for (int n = rand() % 8; n >= 0; n--) {
		unsigned where = (unsigned)rand() % (seed % 2 ? 3 : 4);
		uint32_t value = values[(unsigned)rand() % (sizeof(values) / sizeof(values[0]))];

		memcpy(r->base + start[where] + (unsigned)rand() % (span[where] / 4) * 4, &value, 4);
	}
}

/* 100 groups in all, as of a server that serves so many addresses. The sockets are not there. */
static void enlarge(struct region *r)
{
	for (unsigned core = 0; core < ncores; core++) {
		r->head->cpu[core] = (uint16_t)core;
		make_worker(&r->worker[core], FS_WORKER_LIVE, (unsigned)getpid(), core);
		memset(r->worker[core].announced, 0xff, sizeof(r->worker[core].announced));
		memset(r->worker[core].serving, 0xff, sizeof(r->worker[core].serving));
		memset((unsigned char *)r->base + fs_region_loads_at() + core * sizeof(struct fs_core_load), 1,
		       sizeof(struct fs_core_load));
	}
	for (unsigned group = 2; group < 99; group++) {
		struct fs_group_rec *g = &r->group[group];

		g->state = FS_GROUP_ACTIVE;
		g->mode = FS_GROUP_OWN;
		g->nmembers = ncores + 1;
		g->backlog = 511;
		g->family = AF_INET;
		memcpy(g->address, "\xc0\0\2\1", 4);
		g->port = 8000 + group;
		g->member[0].core = FS_NO_CORE;
		for (unsigned core = 0; core < ncores; core++) {
			struct fs_core_rec *rec = core_rec(r, group, core);

			g->member[core + 1].core = core;
			g->member[core + 1].cookie = UINT64_MAX - group * FS_CORES_MAX - core;
			memset(rec, 0, sizeof(*rec));
			rec->accepted_local = 123456789 + core;
			rec->accepted_global = rec->rx_sampled = 1234567;
			rec->stolen = rec->given = rec->rx_local = 12345 + group;
			rec->rescued = rec->parked = rec->woken = 123;
			rec->member = core + 1;
		}
	}
}

static void apply(struct region *r, const char *kind)
{
	for (unsigned i = 0; i < sizeof(damages) / sizeof(damages[0]); i++) {
		if (!strcmp(damages[i].name, kind)) {
			damages[i].apply(r);
			return;
		}
	}
	fprintf(stderr, "make_region: there is no kind \"%s\"\n", kind);
	exit(99);
}

static void export_number(const char *name, unsigned long long value)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", value);
	setenv(name, text, 1);
}

static int run(char **command)
{
	pid_t pid = fork();
	int status;

	if (pid < 0)
		die("fork");
	if (!pid) {
		execvp(command[0], command);
		die(command[0]);
	}
	if (waitpid(pid, &status, 0) < 0)
		die("waitpid");
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
	bool random = argc > 1 && !strcmp(argv[1], "random");
	bool large = argc > 1 && !strcmp(argv[1], "large");
	unsigned long long cookie;
	unsigned port_number = 0;
	struct region r;
	pid_t child;
	int status;

	if (argc < (random ? 4 : 3)) {
		fprintf(stderr, "usage: make_region KIND [SEED] COMMAND [ARGUMENT...]\n");
		return 99;
	}
	if (large)
		ncores = FS_CORES_MAX;
	make_region(&r);
	child = make_child();
	make_worker(&r.worker[0], FS_WORKER_LIVE, (unsigned)getpid(), 0);
	make_worker(&r.worker[1], FS_WORKER_LIVE, dead_pid(), 1);
	make_worker(&r.worker[2], FS_WORKER_FREE, (unsigned)getpid(), 1);
	make_worker(&r.worker[FS_WORKERS_MAX - 1], FS_WORKER_LIVE, (unsigned)child, 0);
	make_groups(&r, &port_number);
	cookie = r.group[0].member[1].cookie;
	if (random)
		corrupt(&r, (unsigned)atoi(argv[2]));
	else if (large)
		enlarge(&r);
	else if (strcmp(argv[1], "valid"))
		apply(&r, argv[1]);
	export_number("REGION_PID", (unsigned)getpid());
	export_number("REGION_CHILD", (unsigned)child);
	export_number("REGION_PORT", port_number);
	export_number("REGION_COOKIE", cookie);
	status = run(argv + (random ? 3 : 2));
	kill(child, SIGKILL);
	return status;
}
