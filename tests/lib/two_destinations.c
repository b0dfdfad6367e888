/*
 * Opens connections to one destination, then as many as it can to another, which may have the same
 * source ports. Whoever runs this twice, with the library and without, gets the same line.
 *
 *   two_destinations [--old] [--open | --waiting] COUNT ADDRESS PORT ADDRESS PORT
 *
 *   --old      as on a kernel before 6.3, which has no IP_LOCAL_PORT_RANGE
 *   --open     (that is so anyway) the COUNT connections to the first one stay open
 *   --waiting  the COUNT connections to the first one are closed from this side, and stay as TIME_WAITs
 *
 * The thread is bound to the first CPU that it may run on. Prints "COUNT, then N, then ERRNO", and how many
 * sockets say that they have SO_REUSEADDR, which none was given.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "old_kernel.h"

static int reuse;

static void die(const char *what)
{
	perror(what);
	exit(99);
}

static void bind_thread(void)
{
	cpu_set_t set;
	int cpu;

	sched_getaffinity(0, sizeof(set), &set);
	for (cpu = 0; !CPU_ISSET(cpu, &set); cpu++)
		;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) != 0)
		die("sched_setaffinity");
}

struct end {
	struct sockaddr_storage sa;
	socklen_t len;
};

static struct end parse(const char *address, const char *port)
{
	struct end e = { .len = sizeof(struct sockaddr_in) };
	struct sockaddr_in *in = (struct sockaddr_in *)&e.sa;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&e.sa;

	if (inet_pton(AF_INET, address, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)atoi(port));
		return e;
	}
	e.len = sizeof(*in6);
	if (inet_pton(AF_INET6, address, &in6->sin6_addr) != 1)
		die(address);
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons((uint16_t)atoi(port));
	return e;
}

/* How many connections were opened, of at most `most`. `waiting`: and closed again. */
static int open_some(const struct end *to, int most, int waiting)
{
	/* Gone without a trace when the program ends. */
	struct linger now = { .l_onoff = 1 };
	int n;

	for (n = 0; n < most; n++) {
		int fd = socket(to->sa.ss_family, SOCK_STREAM, 0), value = 0;
		socklen_t len = sizeof(value);

		if (fd < 0)
			die("socket");
		if (!waiting)
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		if (connect(fd, (const struct sockaddr *)&to->sa, to->len) != 0)
			break;
		if (getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &value, &len) != 0 || value)
			reuse++;
		if (waiting)
			close(fd);
	}
	return n;
}

int main(int argc, char **argv)
{
	struct rlimit limit;
	struct end first, second;
	int waiting = 0, count, opened;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	for (; argc > 1 && argv[1][0] == '-'; argc--, argv++) {
		if (strcmp(argv[1], "--old") != 0)
			waiting = strcmp(argv[1], "--waiting") == 0;
		else if (!old_kernel())
			die("seccomp");
	}
	if (argc != 6) {
		fprintf(stderr, "usage: two_destinations [--old] [--open | --waiting] COUNT ADDRESS PORT ADDRESS PORT\n");
		return 2;
	}
	bind_thread();
	count = atoi(argv[1]);
	first = parse(argv[2], argv[3]);
	second = parse(argv[4], argv[5]);
	if (open_some(&first, count, waiting) != count)
		die("the first destination");
	opened = open_some(&second, 65536, 0);
	printf("%d, then %d, then %s, SO_REUSEADDR on %d\n", count, opened, strerrorname_np(errno), reuse);
	return 0;
}
