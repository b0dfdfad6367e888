/*
 * What the programs of tests/preload share. Each program is one story
 * (`const struct h_story h_story`), run once without and once with the library
 * by run-preload.sh: what it prints with h_say() must be the same in both
 * runs; what it tells with h_report() is about the library itself, is kept in
 * the file that FS_TEST_REPORT names, and must be exactly `expect` in the run
 * with the library. So a story cannot pass when its feature is absent.
 *
 * main() is in harness.c, the clients are in clients.c. It gives the program the first two CPUs that it may
 * run on (or skips: 77) and starts one client process pinned to each, before
 * the story opens its first descriptor. Clients are driven through shared
 * memory, so that a story may close every descriptor it can find.
 *
 * Nothing here asserts on time. All waits end after H_PATIENCE seconds with a
 * failure.
 */
#ifndef HARNESS_H
#define HARNESS_H

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#define H_CPUS 2
#define H_PATIENCE 20
#define H_WORKERS_MAX 64

/* What the library says about a shape that it serves well; see h_shape(). */
#define H_LOCAL                                                                                    \
	"active\n"                                                                                 \
	"local listener on every CPU\n"                                                            \
	"accepted where it arrived\n"                                                              \
	"answered from that CPU\n"
/* ... and about one that it leaves alone. */
#define H_ALONE "inactive\nno local accepts\n"

struct h_story {
	/* Settings for both runs, one VARIABLE=value a line; %0 and %1 stand for the numbers of the two CPUs. */
	const char *env;
	/* What h_report() must have said in the run with the library. */
	const char *expect;
	/* Extended regular expression for the one line on standard error in the run with the library; NULL: no output there. */
	const char *log;
	/* Started on the first CPU alone, by taskset. */
	bool one_cpu;
	void (*run)(void);
};
extern const struct h_story h_story;

/* The two CPUs that everything runs on. */
extern unsigned h_cpu[H_CPUS];
/* The program as it was started, for stories that execute themselves; argv[1] given then ends up in h_arg, else NULL. */
extern const char *h_self;
extern const char *h_arg;

#define H_CHECK(cond)                                                                              \
	do {                                                                                       \
		if (!(cond))                                                                       \
			h_fail(__FILE__, __LINE__, #cond);                                         \
	} while (0)
/* The call must succeed; its value. */
#define H_OK(call) h_ok((long)(call), __FILE__, __LINE__, #call)
/* Prints the call with "ok" or the name of its errno. */
#define H_TELL(call) h_tell(#call, (long)(call))

void h_fail(const char *file, int line, const char *what) __attribute__((noreturn));
static inline int h_ok(long ret, const char *file, int line, const char *what)
{
	if (ret == -1)
		h_fail(file, line, what);
	return (int)ret;
}
/* Missing on this machine: says what, and the test is skipped. */
void h_skip(const char *what) __attribute__((noreturn));
void h_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void h_tell(const char *call, long ret);
/* A fact about the library; kept only where the library is. */
void h_report(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The library's public API, looked up at run time: 0 cores, inactive and no accepts where it is absent. */
bool h_present(void);
bool h_active(void);
size_t h_cores(int fd);
/* Accepts counted for the CPU; `global` may be NULL. */
uint64_t h_local_accepts(int fd, unsigned cpu, uint64_t *global);
/* All connections that the library counted for the listener, whoever accepted them. */
uint64_t h_counted(int fd);

/* A socket bound to a free port of the loopback address; `type` may hold SOCK_NONBLOCK and the like. */
int h_bound(int type);
/* ... that listens. */
int h_listener(int type);
uint16_t h_port(int fd);
/* A connection to the port, from this thread; -1 with errno. */
int h_connect(uint16_t port);
void h_pin(unsigned cpu);
/* Back to both CPUs. */
void h_unpin(void);
bool h_wait_readable(int fd);
/* Until cond() or out of patience. */
bool h_until(bool (*cond)(void *arg), void *arg);
/*
 * How many descriptors this process has open, but for files of /proc: the stealing thread keeps
 * those of the workers that it was in doubt about.
 */
unsigned h_descriptors(void);
void h_sleep_ms(unsigned ms);

/* What a server tells its client. */
struct h_reply {
	uint32_t cpu;
	uint32_t worker;
};
/* A server's side of a connection: tells CPU and worker, closes. */
void h_answer(int conn, unsigned worker);
/* A child that dies with its parent and is ended by h_end_workers(). */
pid_t h_fork(void);
void h_end_workers(void);
/* n processes, or n threads, that each run fn(lfd, number) for ever. */
void h_prefork(unsigned n, int lfd, void (*fn)(int lfd, unsigned worker));
void h_threads(unsigned n, int lfd, void (*fn)(int lfd, unsigned worker));

/*
 * Makes the group of lfd active, with the calling thread as one of two
 * workers, and leaves it so that the caller alone is to serve: a partner
 * process waits with an epoll instance, until the caller waited too, and then takes
 * the listener out for good. Without the library the same calls are made.
 */
void h_activate(int lfd);

/* For main() alone. */
void h_clients_start(void);
void h_clients_end(void);

/* What the clients saw, per client CPU. */
struct h_result {
	unsigned asked;
	unsigned answered[H_CPUS];
	unsigned here[H_CPUS];                     /* ... by a worker on the client's CPU */
	unsigned by_worker[H_CPUS][H_WORKERS_MAX]; /* ... by this worker */
};
/* From every CPU, `n` connections, `batch` of them open at a time, to the loopback address of `family` (AF_INET or AF_INET6). */
void h_load_on(int family, uint16_t port, unsigned n, unsigned batch, struct h_result *res);
void h_load(uint16_t port, unsigned n, struct h_result *res);
/*
 * Connections until every CPU's local listener has taken some, or until it is
 * clear that none will (the same load without the library): what a group needs to get going.
 */
void h_warm_up(int lfd);
/*
 * The course of every shape: warm up, load from each CPU one after the other
 * and several at a time; says how many were answered and reports what the library made of it.
 */
void h_shape(int lfd);
void h_report_state(int lfd);

#endif
