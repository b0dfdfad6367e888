/*
 * connect() in a process, in its fork() child, in its vfork() children, and again in the process itself:
 *
 *   connect_children ADDRESS PORT COUNT
 *
 * A server on ADDRESS:PORT echoes. Each opens COUNT connections, one after the other, and says how many had
 * their packets on its CPU, the first one that the program may run on. The second vfork() child uses the
 * number of a listener that its parent still has for its sockets. Then the process waits for the end of its
 * input, for its counters to be read.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "endpoint.h"

#define COUNT_MAX 200
/* Exit statuses of a child beyond what it may count. */
#define FAILED 255

static union endpoint to;
static socklen_t len;
static int cpu, count, listener = -1;

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "connect_children: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* System calls alone, for a vfork() child. 1 for a local one, 0 for another, -1. */
static int one_connection(void)
{
	struct linger now = { .l_onoff = 1 };
	int fd = socket(to.sa.sa_family, SOCK_STREAM, 0), seen = -1;
	socklen_t n = sizeof(seen);
	char byte = 0;
	bool ok;

	if (fd < 0)
		return -1;
	ok = connect(fd, &to.sa, len) == 0 && send(fd, &byte, 1, MSG_NOSIGNAL) == 1 && recv(fd, &byte, 1, 0) == 1 &&
	     getsockopt(fd, SOL_SOCKET, SO_INCOMING_CPU, &seen, &n) == 0;
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
	return ok ? seen == cpu : -1;
}

/* How many were local; FAILED when one of them failed. */
static int connections(void)
{
	int local = 0;

	for (int i = 0; i < count; i++) {
		int one = one_connection();

		if (one < 0)
			return FAILED;
		local += one;
	}
	return local;
}

static void tell(const char *who, int local)
{
	if (local == FAILED) {
		fprintf(stderr, "connect_children: %s: a connection failed\n", who);
		exit(1);
	}
	printf("%s: %d of %d\n", who, local, count);
	fflush(stdout);
}

static int ended(pid_t child)
{
	int status;

	if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
		die("child");
	return WEXITSTATUS(status);
}

static int forked(void)
{
	pid_t child = fork();

	if (child == 0)
		_exit(connections());
	return ended(child);
}

/* Closes `first`, if it is a descriptor, whose number its sockets then get. */
static int vforked(int first)
{
	pid_t child = vfork();

	if (child == 0) {
		if (first >= 0)
			close(first);
		_exit(connections());
	}
	return ended(child);
}

static void make_listener(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	if (listener < 0 || bind(listener, (struct sockaddr *)&any, sizeof(any)) != 0 || listen(listener, 8) != 0)
		die("listener");
}

/* What a program sees of its listener: an option that it did not set, and a connection. */
static void tell_listener(void)
{
	struct sockaddr_in own;
	socklen_t n = sizeof(own);
	int reuse = -1, fd = socket(AF_INET, SOCK_STREAM, 0), conn;

	getsockname(listener, (struct sockaddr *)&own, &n);
	if (connect(fd, (struct sockaddr *)&own, n) != 0)
		die("connect to the listener");
	conn = accept(listener, NULL, NULL);
	n = sizeof(reuse);
	getsockopt(listener, SOL_SOCKET, SO_REUSEPORT, &reuse, &n);
	printf("listener: reuseport %d, %s\n", reuse, conn >= 0 ? "accepts" : strerrorname_np(errno));
	close(conn);
	close(fd);
}

int main(int argc, char **argv)
{
	cpu_set_t set;

	count = argc == 4 ? atoi(argv[3]) : 0;
	len = argc == 4 ? endpoint_parse(&to, argv[1], atoi(argv[2])) : 0;
	if (!len || count < 1 || count > COUNT_MAX) {
		fprintf(stderr, "usage: connect_children ADDRESS PORT COUNT\n");
		return 2;
	}
	sched_getaffinity(0, sizeof(set), &set);
	for (cpu = 0; !CPU_ISSET(cpu, &set); cpu++)
		;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) != 0)
		die("sched_setaffinity");
	make_listener();
	tell_listener();
	tell("process", connections());
	tell("fork child", forked());
	tell("process", connections());
	tell("vfork child", vforked(-1));
	tell("process", connections());
	tell("vfork child with the listener's number", vforked(listener));
	tell_listener();
	tell("process", connections());
	printf("pid %d\n", (int)getpid());
	fflush(stdout);
	while (getchar() != EOF)
		;
	return 0;
}
