/* The stories' main(), their workers and their view of the library. See harness.h. */
#define _GNU_SOURCE
#include "harness.h"

#include <dirent.h>
#include <dlfcn.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>

#include "fastsock/fastsock.h"

unsigned h_cpu[H_CPUS];
const char *h_self;
const char *h_arg;

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

uint64_t h_counted(int fd)
{
	__typeof__(&fastsock_core_counters) get =
		(__typeof__(get))dlsym(RTLD_DEFAULT, "fastsock_core_counters");
	uint64_t sum = 0;

	for (size_t i = 0; i < h_cores(fd); i++) {
		struct fastsock_core core = { .size = sizeof(core) };

		H_CHECK(get(fd, i, &core) == 0);
		sum += core.accepted_local + core.accepted_global + core.stolen;
	}
	return sum;
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

unsigned h_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *e;
	unsigned n = 0;

	H_CHECK(dir != NULL);
	while ((e = readdir(dir)) != NULL) {
		char link[64] = "";

		n += readlinkat(dirfd(dir), e->d_name, link, sizeof(link) - 1) <= 0 || strncmp(link, "/proc/", 6) != 0 ||
		     !strstr(link, "stat");
	}
	closedir(dir);
	return n;
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
	h_clients_start();
	h_story.run();
	h_end_workers();
	h_clients_end();
	fflush(stdout);
	/* Threads of the story may still be serving: no destructors under their feet. */
	_exit(0);
}
