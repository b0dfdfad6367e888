/* The stories' main(), their clients and their view of the library. See harness.h. */
#define _GNU_SOURCE
#include "harness.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <semaphore.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>

#include "fastsock/fastsock.h"

/* Rounds of connections that a group may take to get going; one is enough when no worker is slow. */
#define WARM_ROUNDS 400
#define WARM_ROUNDS_STOCK 4
#define WARM_CONNECTIONS 8
#define MEASURED 200
#define BATCH_MAX 32

struct reply {
	uint32_t cpu;
	uint32_t worker;
};

struct client {
	sem_t go;
	sem_t done;
	int family;
	uint16_t port;
	unsigned n;
	unsigned batch;
	unsigned answered;
	unsigned here;
	unsigned by_worker[H_WORKERS_MAX];
};

unsigned h_cpu[H_CPUS];
const char *h_self;
const char *h_arg;

static struct client *clients; /* shared */
static pid_t client_pid[H_CPUS];
static pid_t workers[H_WORKERS_MAX];
static unsigned nworkers;
static pid_t main_pid;

void h_fail(const char *file, int line, const char *what)
{
	int err = errno;
	char buf[512];
	int len = snprintf(buf, sizeof(buf), "FAILED %s:%d: %s (errno: %s)\n", file, line, what, strerrorname_np(err));

	fflush(stdout);
	if (write(STDOUT_FILENO, buf, (size_t)len) < 0)
		_exit(98);
	if (getpid() == main_pid)
		h_end_workers();
	_exit(99);
}

void h_skip(const char *what)
{
	printf("SKIP: %s\n", what);
	fflush(stdout);
	h_end_workers();
	_exit(77);
}

void h_say(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
}

void h_tell(const char *call, long ret)
{
	int err = errno;

	h_say("%s: %s", call, ret >= 0 ? "ok" : strerrorname_np(err));
}

bool h_present(void)
{
	return dlsym(RTLD_DEFAULT, "fastsock_active") != NULL;
}

void h_report(const char *format, ...)
{
	const char *path = getenv("FS_TEST_REPORT");
	va_list ap;
	FILE *f;

	if (!h_present() || !path)
		return;
	f = fopen(path, "a");
	H_CHECK(f != NULL);
	va_start(ap, format);
	vfprintf(f, format, ap);
	va_end(ap);
	fputc('\n', f);
	H_CHECK(fclose(f) == 0);
}

bool h_active(void)
{
	__typeof__(&fastsock_active) active = (__typeof__(active))dlsym(RTLD_DEFAULT, "fastsock_active");

	return active && active();
}

size_t h_cores(int fd)
{
	__typeof__(&fastsock_cores) cores = (__typeof__(cores))dlsym(RTLD_DEFAULT, "fastsock_cores");

	return cores ? cores(fd) : 0;
}

uint64_t h_local_accepts(int fd, unsigned cpu, uint64_t *global)
{
	__typeof__(&fastsock_core_counters) get =
		(__typeof__(get))dlsym(RTLD_DEFAULT, "fastsock_core_counters");
	size_t n = h_cores(fd);

	for (size_t i = 0; i < n; i++) {
		struct fastsock_core core = { .size = sizeof(core) };

		H_CHECK(get(fd, i, &core) == 0);
		if (core.cpu != cpu)
			continue;
		if (global)
			*global = core.accepted_global;
		return core.accepted_local;
	}
	if (global)
		*global = 0;
	return 0;
}

int h_bound(int type)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = H_OK(socket(AF_INET, SOCK_STREAM | type, 0));

	H_OK(bind(fd, (struct sockaddr *)&sin, sizeof(sin)));
	return fd;
}

int h_listener(int type)
{
	int fd = h_bound(type);

	H_OK(listen(fd, 511));
	return fd;
}

uint16_t h_port(int fd)
{
	struct sockaddr_in6 addr = { 0 };
	socklen_t len = sizeof(addr);

	H_OK(getsockname(fd, (struct sockaddr *)&addr, &len));
	return ntohs(addr.sin6_port); /* where sockaddr_in has its port, too */
}

static int connect_to(int family, uint16_t port)
{
	struct timeval patience = { .tv_sec = H_PATIENCE };
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct linger abort_on_close = { .l_onoff = 1 };
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	sin.sin_port = sin6.sin6_port = htons(port);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	/* Thousands of connections in a row must not leave as many ports in TIME_WAIT. */
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort_on_close, sizeof(abort_on_close));
	if (connect(fd, family == AF_INET ? (void *)&sin : (void *)&sin6,
		    family == AF_INET ? sizeof(sin) : sizeof(sin6)) == 0)
		return fd;
	int err = errno;

	close(fd);
	errno = err;
	return -1;
}

int h_connect(uint16_t port)
{
	return connect_to(AF_INET, port);
}

void h_pin(unsigned cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	H_OK(sched_setaffinity(0, sizeof(set), &set));
}

void h_unpin(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	for (unsigned i = 0; i < H_CPUS; i++)
		CPU_SET(h_cpu[i], &set);
	H_OK(sched_setaffinity(0, sizeof(set), &set));
}

bool h_wait_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, H_PATIENCE * 1000) == 1;
}

void h_sleep_ms(unsigned ms)
{
	struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L };

	while (nanosleep(&t, &t) != 0 && errno == EINTR)
		;
}

bool h_until(bool (*cond)(void *arg), void *arg)
{
	for (unsigned i = 0; i < H_PATIENCE * 500; i++) {
		if (cond(arg))
			return true;
		h_sleep_ms(2);
	}
	return false;
}

void h_answer(int conn, unsigned worker)
{
	struct reply r = { .cpu = (uint32_t)sched_getcpu(), .worker = worker };

	H_CHECK(write(conn, &r, sizeof(r)) == sizeof(r));
	H_OK(close(conn));
}

pid_t h_fork(void)
{
	pid_t pid;

	fflush(stdout);
	H_CHECK(nworkers < H_WORKERS_MAX);
	pid = H_OK(fork());
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		nworkers = 0;
	} else {
		workers[nworkers++] = pid;
	}
	return pid;
}

void h_end_workers(void)
{
	for (unsigned i = 0; i < nworkers; i++)
		kill(workers[i], SIGKILL);
	for (unsigned i = 0; i < nworkers; i++)
		while (waitpid(workers[i], NULL, 0) < 0 && errno == EINTR)
			;
	nworkers = 0;
}

void h_prefork(unsigned n, int lfd, void (*fn)(int lfd, unsigned worker))
{
	for (unsigned i = 0; i < n; i++) {
		if (h_fork() == 0) {
			fn(lfd, i);
			_exit(97);
		}
	}
}

struct thread_arg {
	void (*fn)(int lfd, unsigned worker);
	int lfd;
	unsigned worker;
};

static void *thread_main(void *arg)
{
	struct thread_arg a = *(struct thread_arg *)arg;

	free(arg);
	a.fn(a.lfd, a.worker);
	return NULL;
}

void h_threads(unsigned n, int lfd, void (*fn)(int lfd, unsigned worker))
{
	for (unsigned i = 0; i < n; i++) {
		struct thread_arg *a = malloc(sizeof(*a));
		pthread_t t;

		H_CHECK(a != NULL);
		*a = (struct thread_arg){ fn, lfd, i };
		H_CHECK(pthread_create(&t, NULL, thread_main, a) == 0);
		H_CHECK(pthread_detach(t) == 0);
	}
}

enum partner_stage { PARTNER_STARTS, PARTNER_WAITS, PARTNER_ASKED, PARTNER_OUT };

static void partner(int lfd, _Atomic int *stage)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = H_OK(epoll_create1(EPOLL_CLOEXEC));

	H_OK(epoll_ctl(ep, EPOLL_CTL_ADD, lfd, &ev));
	do {
		epoll_wait(ep, &ev, 1, 5);
		if (*stage == PARTNER_STARTS)
			*stage = PARTNER_WAITS;
	} while (*stage != PARTNER_ASKED);
	H_OK(epoll_ctl(ep, EPOLL_CTL_DEL, lfd, &ev));
	epoll_wait(ep, &ev, 1, 5);
	*stage = PARTNER_OUT;
	for (;;)
		pause();
}

static bool partner_waits(void *stage)
{
	return *(_Atomic int *)stage == PARTNER_WAITS;
}

static bool partner_out(void *stage)
{
	return *(_Atomic int *)stage == PARTNER_OUT;
}

void h_activate(int lfd)
{
	/* More than the one wait that it takes: the library may prefer to look twice. */
	const unsigned waits = 100;
	_Atomic int *stage = mmap(NULL, sizeof(*stage), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	H_CHECK(stage != MAP_FAILED);
	if (h_fork() == 0)
		partner(lfd, stage);
	H_CHECK(h_until(partner_waits, stage));
	for (unsigned i = 0; i < waits; i++) {
		struct pollfd p = { .fd = lfd, .events = POLLIN };

		H_CHECK(poll(&p, 1, 5) == 0);
		if (h_active() || !h_present())
			break;
	}
	*stage = PARTNER_ASKED;
	H_CHECK(h_until(partner_out, stage));
	munmap(stage, sizeof(*stage));
}

/*
 * One batch: all are opened before the first answer is read. A connection counts
 * when it was answered and ended properly.
 */
static void client_batch(struct client *c, unsigned n)
{
	int fd[BATCH_MAX];

	for (unsigned i = 0; i < n; i++)
		fd[i] = connect_to(c->family, c->port);
	for (unsigned i = 0; i < n; i++) {
		struct reply r;
		char end;

		if (fd[i] < 0)
			continue;
		if (recv(fd[i], &r, sizeof(r), MSG_WAITALL) == sizeof(r) && recv(fd[i], &end, 1, 0) == 0) {
			c->answered++;
			c->here += r.cpu == (uint32_t)sched_getcpu();
			c->by_worker[r.worker % H_WORKERS_MAX]++;
		}
		close(fd[i]);
	}
}

static void client_main(struct client *c, unsigned cpu)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	h_pin(cpu);
	for (;;) {
		while (sem_wait(&c->go) != 0)
			;
		c->answered = c->here = 0;
		memset(c->by_worker, 0, sizeof(c->by_worker));
		for (unsigned left = c->n; left > 0;) {
			unsigned n = left < c->batch ? left : c->batch;
			unsigned before = c->answered;

			client_batch(c, n);
			left -= n;
			/* Nobody serves: one wait is enough to know. */
			if (c->answered == before)
				break;
		}
		sem_post(&c->done);
	}
}

static void clients_start(void)
{
	clients = mmap(NULL, H_CPUS * sizeof(*clients), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	H_CHECK(clients != MAP_FAILED);
	for (unsigned i = 0; i < H_CPUS; i++) {
		H_OK(sem_init(&clients[i].go, 1, 0));
		H_OK(sem_init(&clients[i].done, 1, 0));
		client_pid[i] = H_OK(fork());
		if (client_pid[i] == 0)
			client_main(&clients[i], h_cpu[i]);
	}
}

static void clients_end(void)
{
	for (unsigned i = 0; i < H_CPUS; i++) {
		kill(client_pid[i], SIGKILL);
		waitpid(client_pid[i], NULL, 0);
	}
}

void h_load_on(int family, uint16_t port, unsigned n, unsigned batch, struct h_result *res)
{
	memset(res, 0, sizeof(*res));
	res->asked = n;
	for (unsigned i = 0; i < H_CPUS; i++) {
		clients[i].family = family;
		clients[i].port = port;
		clients[i].n = n;
		clients[i].batch = batch;
		H_OK(sem_post(&clients[i].go));
	}
	for (unsigned i = 0; i < H_CPUS; i++) {
		while (sem_wait(&clients[i].done) != 0)
			H_CHECK(errno == EINTR);
		res->answered[i] = clients[i].answered;
		res->here[i] = clients[i].here;
		memcpy(res->by_worker[i], clients[i].by_worker, sizeof(res->by_worker[i]));
	}
}

void h_load(uint16_t port, unsigned n, struct h_result *res)
{
	h_load_on(AF_INET, port, n, 1, res);
}

static bool local_everywhere(int lfd)
{
	for (unsigned i = 0; i < H_CPUS; i++)
		if (h_local_accepts(lfd, h_cpu[i], NULL) == 0)
			return false;
	return true;
}

void h_warm_up(int lfd)
{
	unsigned rounds = h_present() ? WARM_ROUNDS : WARM_ROUNDS_STOCK;
	struct h_result res;

	for (unsigned i = 0; i < rounds; i++) {
		h_load(h_port(lfd), WARM_CONNECTIONS, &res);
		for (unsigned c = 0; c < H_CPUS; c++)
			H_CHECK(res.answered[c] == res.asked);
		/* A story that is left alone never gets there: a few rounds show it. */
		if (local_everywhere(lfd) || (i >= WARM_ROUNDS_STOCK && strcmp(h_story.expect, H_ALONE) == 0))
			return;
	}
}

void h_report_state(int lfd)
{
	bool any = false;

	for (unsigned i = 0; i < H_CPUS; i++)
		any |= h_local_accepts(lfd, h_cpu[i], NULL) != 0;
	h_report(h_active() ? "active" : "inactive");
	if (!any)
		h_report("no local accepts");
}

/* 99 of 100: what the project promises for pinned clients. */
static bool nearly_all(uint64_t part, unsigned whole)
{
	return part * 100 >= (uint64_t)whole * 99;
}

void h_shape(int lfd)
{
	uint64_t before[H_CPUS];
	struct h_result one, many;
	bool local = true, here = true;

	h_warm_up(lfd);
	for (unsigned i = 0; i < H_CPUS; i++)
		before[i] = h_local_accepts(lfd, h_cpu[i], NULL);
	h_load(h_port(lfd), MEASURED, &one);
	for (unsigned i = 0; i < H_CPUS; i++) {
		h_say("client %u, one at a time: %u of %u answered", i, one.answered[i], one.asked);
		local &= nearly_all(h_local_accepts(lfd, h_cpu[i], NULL) - before[i], MEASURED);
		here &= nearly_all(one.here[i], MEASURED);
	}
	h_load_on(AF_INET, h_port(lfd), MEASURED, 16, &many);
	for (unsigned i = 0; i < H_CPUS; i++)
		h_say("client %u, 16 at a time: %u of %u answered", i, many.answered[i], many.asked);
	h_report_state(lfd);
	if (!h_active())
		return;
	if (local_everywhere(lfd))
		h_report("local listener on every CPU");
	if (local)
		h_report("accepted where it arrived");
	if (here)
		h_report("answered from that CPU");
	if (!local || !here)
		for (unsigned i = 0; i < H_CPUS; i++)
			h_report("client %u: %u answered, %u from its CPU; CPU accepted %llu of them locally", i,
				 one.answered[i], one.here[i],
				 (unsigned long long)(h_local_accepts(lfd, h_cpu[i], NULL) - before[i]));
}

/* The runner passes on what it learned from --cpus, because it may start a story on one of them only. */
static void choose_cpus(void)
{
	const char *given = getenv("FS_TEST_CPUS");
	cpu_set_t may;
	unsigned n = 0;

	if (given) {
		H_CHECK(sscanf(given, "%u,%u", &h_cpu[0], &h_cpu[1]) == H_CPUS);
		return;
	}
	H_OK(sched_getaffinity(0, sizeof(may), &may));
	for (unsigned cpu = 0; cpu < CPU_SETSIZE && n < H_CPUS; cpu++)
		if (CPU_ISSET(cpu, &may))
			h_cpu[n++] = cpu;
	if (n < H_CPUS) {
		printf("SKIP: needs two CPUs\n");
		exit(77);
	}
}

static void print_env(const char *s)
{
	for (; s && *s; s++) {
		if (s[0] == '%' && (s[1] == '0' || s[1] == '1'))
			printf("%u", h_cpu[*++s - '0']);
		else
			putchar(*s);
	}
}

int main(int argc, char **argv)
{
	main_pid = getpid();
	h_self = argv[0];
	h_arg = argc > 1 ? argv[1] : NULL;
	if (h_arg && strcmp(h_arg, "--expect") == 0) {
		fputs(h_story.expect, stdout);
		return 0;
	}
	if (h_arg && strcmp(h_arg, "--log") == 0) {
		fputs(h_story.log ? h_story.log : "", stdout);
		return 0;
	}
	if (h_arg && strcmp(h_arg, "--env") == 0) {
		choose_cpus();
		print_env(h_story.env);
		return 0;
	}
	if (h_arg && strcmp(h_arg, "--cpus") == 0) {
		/* For the clients, then for the story. */
		choose_cpus();
		printf(h_story.one_cpu ? "%u,%u %u\n" : "%u,%u %u,%u\n", h_cpu[0], h_cpu[1], h_cpu[0], h_cpu[1]);
		return 0;
	}
	signal(SIGPIPE, SIG_IGN);
	if (h_arg) {
		/* Executed by a story: the CPUs are chosen and the clients belong to the first one. */
		h_story.run();
		return 0;
	}
	choose_cpus();
	clients_start();
	h_story.run();
	h_end_workers();
	clients_end();
	fflush(stdout);
	/* Threads of the story may still be serving: no destructors under their feet. */
	_exit(0);
}
