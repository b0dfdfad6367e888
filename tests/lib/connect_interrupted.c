/*
 * connect() in little room, and interrupted (connecting.h):
 *
 *   connect_interrupted --cpu CPU WHAT ADDRESS PORT [NOWHERE]
 *
 * A server on ADDRESS:PORT accepts; nobody answers at NOWHERE. WHAT is one of
 *
 *   stack    in a thread with the smallest stack that a thread may have
 *   handler  in a signal handler on a stack of 16 KiB
 *   jump     left by siglongjmp(), blocked at NOWHERE and anywhere else
 *   fork     interrupted by a handler that forks
 *   reused   blocked at NOWHERE, while its descriptor becomes a listener
 *
 * Each prints what came of it; who runs this judges, and bounds its time.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "connecting.h"

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif

#define SMALL_ALTSTACK (16 * 1024)
/* How long connect() is interrupted over and over. */
#define INTERRUPT_SECONDS 2
/* After which a signal finds it, at most. One takes some tens. */
#define INTERRUPT_US 45
/* Seconds after which whatever an interrupted one left has to be forgotten. */
#define FORGOTTEN 3
#define PATIENCE_SECONDS 20

static union endpoint nowhere;

static unsigned range_of(int fd)
{
	unsigned range = 0;
	socklen_t n = sizeof(range);

	getsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range, &n);
	return range;
}

/* SIGALRM so many microseconds from now; 0: not any more. */
static void alarm_in(long us)
{
	struct itimerval in = { .it_value.tv_sec = us / 1000000, .it_value.tv_usec = us % 1000000 };

	setitimer(ITIMER_REAL, &in, NULL);
}

static void on(int sig, void (*handler)(int), int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags };

	sigaction(sig, &action, NULL);
}

/* ---- little room ---- */

static void *connect_once(void *arg)
{
	int fd = tcp(0), *rc = arg;

	*rc = connect(fd, &to.sa, len);
	drop(fd);
	return NULL;
}

static void small_stack(void)
{
	pthread_attr_t attr;
	pthread_t thread;
	int rc = -1;

	pthread_attr_init(&attr);
	if (pthread_attr_setstacksize(&attr, (size_t)PTHREAD_STACK_MIN) != 0 || pthread_create(&thread, &attr, connect_once, &rc) != 0)
		die("thread");
	pthread_join(thread, NULL);
	printf("stack: %d\n", rc);
}

static volatile sig_atomic_t handler_rc = -1;

static void connect_in_handler(int sig)
{
	int rc;

	(void)sig;
	connect_once(&rc);
	handler_rc = rc;
}

/* Below the stack, nothing may be touched. */
static void small_altstack(void)
{
	size_t guard = 256 * 1024;
	char *at = mmap(NULL, guard + SMALL_ALTSTACK, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	stack_t stack = { .ss_sp = at + guard, .ss_size = SMALL_ALTSTACK };

	if (at == MAP_FAILED || mprotect(at + guard, SMALL_ALTSTACK, PROT_READ | PROT_WRITE) != 0 || sigaltstack(&stack, NULL) != 0)
		die("sigaltstack");
	on(SIGUSR1, connect_in_handler, SA_ONSTACK);
	raise(SIGUSR1);
	printf("handler: %d\n", (int)handler_rc);
}

/* ---- interrupted ---- */

static sigjmp_buf before_connect;
static volatile sig_atomic_t armed;

static void jump(int sig)
{
	(void)sig;
	if (armed) {
		armed = 0;
		siglongjmp(before_connect, 1);
	}
}

/* A connect() that a signal finds within `us`. Whether it was left by the jump. */
static bool left_by_jump(int fd, const union endpoint *target, long us)
{
	volatile bool left = true;

	if (sigsetjmp(before_connect, 1) == 0) {
		armed = 1;
		alarm_in(us);
		connect(fd, &target->sa, len);
		armed = 0;
		left = false;
	}
	alarm_in(0);
	return left;
}

/* A socket that was left in connect(): the program's own range counts from now on; without one, there is none. */
static bool is_as_before(int fd, bool own)
{
	unsigned range = own ? 40000u << 16 | 39000u : 0;

	if (own && set(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, (int)range) != 0)
		die("IP_LOCAL_PORT_RANGE");
	fcntl(fd, F_SETFL, O_NONBLOCK);
	connect(fd, &to.sa, len);
	return range_of(fd) == range;
}

/* A blocked connect() is always left in its middle, one that is at work somewhere. */
static void jumps(void)
{
	unsigned blocked = 0, anywhere = 0, kept = 0;
	time_t end;

	on(SIGALRM, jump, SA_NODEFER);
	for (int i = 0; i < 4; i++) {
		int fd = tcp(0);

		blocked += left_by_jump(fd, &nowhere, 50000);
		kept += !is_as_before(fd, i % 2);
		drop(fd);
	}
	for (end = seconds() + INTERRUPT_SECONDS; seconds() < end;) {
		int fd = tcp(SOCK_NONBLOCK);

		if (left_by_jump(fd, &to, 1 + rand() % INTERRUPT_US)) {
			anywhere++;
			kept += !is_as_before(fd, anywhere % 2);
		}
		drop(fd);
	}
	printf("jumps: %u of 4 out of a blocked connect(), %s elsewhere, %u sockets kept a range\n", blocked, anywhere ? "some" : "none",
	       kept);
	sleep(FORGOTTEN);
	tell_steered("after jumps", 50);
}

static volatile sig_atomic_t forks, killed, is_child;

static void fork_now(int sig)
{
	pid_t child = fork();
	int status;

	(void)sig;
	if (child == 0) {
		alarm_in(0);
		is_child = 1;
		return;
	}
	while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	forks += child > 0;
	killed += child > 0 && !(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void forked(void)
{
	time_t end;

	on(SIGALRM, fork_now, 0);
	for (end = seconds() + INTERRUPT_SECONDS; seconds() < end;) {
		int fd = tcp(SOCK_NONBLOCK);

		alarm_in(1 + rand() % INTERRUPT_US);
		connect(fd, &to.sa, len);
		if (is_child)
			_exit(0);
		alarm_in(0);
		drop(fd);
	}
	printf("forks: %s, %d children killed\n", forks ? "some" : "none", (int)killed);
	tell_steered("after forks", 50);
}

static void nothing(int sig)
{
	(void)sig;
}

static void *connect_blocking(void *arg)
{
	connect(*(int *)arg, &nowhere.sa, len);
	return NULL;
}

static void reused(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET };
	struct timespec moment = { .tv_nsec = 50000000 };
	int fd = tcp(0), victim = fd, l;
	pthread_t thread;

	on(SIGUSR1, nothing, 0);
	if (pthread_create(&thread, NULL, connect_blocking, &victim) != 0)
		die("thread");
	/* It has a port while it waits for the answer. */
	for (time_t end = seconds() + PATIENCE_SECONDS; !port_of(fd) && seconds() < end;)
		sched_yield();
	nanosleep(&moment, NULL);
	close(fd);
	l = tcp(0);
	if (l != fd || bind(l, (struct sockaddr *)&any, sizeof(any)) != 0 || listen(l, 8) != 0)
		die("listener");
	printf("listener: reuseport %d, ", option(l, SOL_SOCKET, SO_REUSEPORT));
	pthread_kill(thread, SIGUSR1);
	pthread_join(thread, NULL);
	printf("then %d\n", option(l, SOL_SOCKET, SO_REUSEPORT));
}

int main(int argc, char **argv)
{
	static const struct situation all[] = {
		{ "stack", small_stack }, { "handler", small_altstack }, { "jump", jumps }, { "fork", forked }, { "reused", reused },
	};

	if (argc == 7 && !endpoint_parse(&nowhere, argv[6], 80))
		return 2;
	return connecting_main(argc, argv, all, sizeof(all) / sizeof(all[0]));
}
