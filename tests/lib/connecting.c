#define _GNU_SOURCE
#include "connecting.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

union endpoint to;
socklen_t len;
const char *argument;

_Noreturn void die(const char *what)
{
	fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what, strerror(errno));
	exit(1);
}

int tcp(int flags)
{
	int fd = socket(to.sa.sa_family, SOCK_STREAM | flags, 0);

	if (fd < 0)
		die("socket");
	return fd;
}

unsigned port_of(int fd)
{
	union endpoint own;
	socklen_t n = sizeof(own);

	memset(&own, 0, sizeof(own));
	getsockname(fd, &own.sa, &n);
	return endpoint_port(&own);
}

int set(int fd, int level, int name, int value)
{
	return setsockopt(fd, level, name, &value, sizeof(value));
}

int option(int fd, int level, int name)
{
	int value = -1;
	socklen_t n = sizeof(value);

	getsockopt(fd, level, name, &value, &n);
	return value;
}

void drop(int fd)
{
	struct linger now = { .l_onoff = 1 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
}

unsigned port_taken(int fd)
{
	unsigned port;

	if (connect(fd, &to.sa, len) != 0)
		die("connect");
	port = port_of(fd);
	drop(fd);
	return port;
}

int steered(int count)
{
	int odd = 0;

	for (int i = 0; i < count; i++)
		odd += port_taken(tcp(0)) % 2;
	return odd;
}

void tell_steered(const char *what, int count)
{
	printf("%s: %d of %d steered\n", what, steered(count), count);
}

time_t seconds(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec;
}

int connecting_main(int argc, char **argv, const struct situation *all, size_t n)
{
	cpu_set_t cpus;

	len = argc > 5 && strcmp(argv[1], "--cpu") == 0 ? endpoint_parse(&to, argv[4], atoi(argv[5])) : 0;
	if (!len || argc > 7) {
		fprintf(stderr, "usage: %s --cpu CPU WHAT ADDRESS PORT [ARGUMENT]\n", program_invocation_short_name);
		return 2;
	}
	argument = argv[6];
	CPU_ZERO(&cpus);
	CPU_SET(atoi(argv[2]), &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus) != 0)
		die("sched_setaffinity");
	for (size_t i = 0; i < n; i++)
		if (strcmp(argv[3], all[i].name) == 0) {
			all[i].run();
			return 0;
		}
	fprintf(stderr, "%s: what is \"%s\"?\n", program_invocation_short_name, argv[3]);
	return 2;
}
