/*
 * A program that links with libfastsock: two threads with an epoll instance
 * each accept from one listener, and the program looks at what became of that.
 *
 *	cc counters.c $(pkg-config --cflags --libs fastsock) -pthread -o counters
 */
#define _GNU_SOURCE
#include <fastsock/fastsock.h>

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS 400

static void *worker(void *arg)
{
	int listener = *(int *)arg;
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = epoll_create1(EPOLL_CLOEXEC);

	if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, listener, &ev) < 0)
		err(1, "epoll");
	for (;;) {
		int conn;

		if (epoll_wait(ep, &ev, 1, -1) < 0 && errno != EINTR)
			err(1, "epoll_wait");
		while ((conn = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
			close(conn);
	}
}

/* One connection, from the first or the second CPU that this process may run on; waits until it is closed. */
static void visit(const struct sockaddr_in *to, const cpu_set_t *may, int turn)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cpu_set_t one;
	char byte;

	CPU_ZERO(&one);
	for (int cpu = 0, seen = 0; cpu < CPU_SETSIZE && !CPU_COUNT(&one); cpu++)
		if (CPU_ISSET(cpu, may) && (seen++ == turn || CPU_COUNT(may) == 1))
			CPU_SET(cpu, &one);
	sched_setaffinity(0, sizeof(one), &one);
	if (fd < 0 || connect(fd, (const struct sockaddr *)to, sizeof(*to)) < 0)
		err(1, "connect");
	if (read(fd, &byte, 1) < 0)
		err(1, "read");
	close(fd);
}

int main(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(addr);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	pthread_t thread;
	cpu_set_t may;

	if (listener < 0 || bind(listener, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(listener, 128) < 0 ||
	    getsockname(listener, (struct sockaddr *)&addr, &len) < 0)
		err(1, "listener");
	sched_getaffinity(0, sizeof(may), &may);
	for (int i = 0; i < 2; i++)
		if (pthread_create(&thread, NULL, worker, &listener))
			errx(1, "pthread_create");
	for (int i = 0; i < CONNECTIONS; i++)
		visit(&addr, &may, i % 2);

	printf("fastsock %s, %s\n", fastsock_version(), fastsock_active() ? "active" : "not active");
	for (size_t i = 0; i < fastsock_cores(listener); i++) {
		struct fastsock_core core = { .size = sizeof(core) };

		if (fastsock_core_counters(listener, i, &core) < 0)
			err(1, "fastsock_core_counters");
		printf("CPU %u: %u workers, %llu local, %llu global, %llu stolen, %llu of %llu arrived here\n", core.cpu, core.workers,
		       (unsigned long long)core.accepted_local, (unsigned long long)core.accepted_global,
		       (unsigned long long)core.stolen, (unsigned long long)core.rx_local, (unsigned long long)core.rx_sampled);
	}
	return 0;
}
