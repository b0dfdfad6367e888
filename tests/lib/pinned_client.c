/*
 * A TCP client that stays on one CPU, for the tests with real servers.
 *
 *	pinned_client [--to ADDRESS] CPU PORT N [BATCH [SEND WANT]]
 *
 * makes N connections to ADDRESS:PORT (default: 127.0.0.1), BATCH of them open at a time, sends
 * SEND on each (default: an HTTP/1.0 request) and counts those whose answer
 * starts with WANT (default: an HTTP 200; \r and \n may be written so). Prints the count
 * and exits 0 if it is N. Each connection is waited for at most 20 seconds.
 *
 *	pinned_client --free-port     prints a TCP port that nobody uses
 *	pinned_client --cpus N        prints the first N CPUs that it may run on, or exits 77
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE 20
#define BATCH_MAX 256

static int free_port(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(sin);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&sin, sizeof(sin)) != 0 ||
	    getsockname(fd, (struct sockaddr *)&sin, &len) != 0) {
		perror("pinned_client: no port");
		return 1;
	}
	printf("%u\n", ntohs(sin.sin_port));
	return 0;
}

static int print_cpus(unsigned want)
{
	cpu_set_t may;
	unsigned n = 0;

	if (sched_getaffinity(0, sizeof(may), &may) != 0) {
		perror("pinned_client: sched_getaffinity");
		return 1;
	}
	if ((unsigned)CPU_COUNT(&may) < want)
		return 77;
	for (unsigned cpu = 0; cpu < CPU_SETSIZE && n < want; cpu++)
		if (CPU_ISSET(cpu, &may))
			printf(n++ ? " %u" : "%u", cpu);
	putchar('\n');
	return 0;
}

/* "\r\n" as written on a command line. */
static void unescape(char *s)
{
	char *out = s;

	for (; *s; s++) {
		if (s[0] == '\\' && (s[1] == 'r' || s[1] == 'n'))
			*out++ = *++s == 'r' ? '\r' : '\n';
		else
			*out++ = *s;
	}
	*out = '\0';
}

static struct in_addr to;

static int open_one(unsigned port)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr = to,
	};
	struct timeval patience = { .tv_sec = PATIENCE };
	struct linger no_time_wait = { .l_onoff = 1 };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &no_time_wait, sizeof(no_time_wait));
	if (connect(fd, (struct sockaddr *)&sin, sizeof(sin)) == 0)
		return fd;
	close(fd);
	return -1;
}

static int answered(int fd, const char *text, size_t len, const char *want)
{
	char buf[64];
	size_t need = strlen(want), got = 0;

	if (len && send(fd, text, len, MSG_NOSIGNAL) != (ssize_t)len)
		return 0;
	while (got < need) {
		ssize_t n = recv(fd, buf + got, need - got, 0);

		if (n <= 0)
			return 0;
		got += (size_t)n;
	}
	return memcmp(buf, want, need) == 0;
}

int main(int argc, char **argv)
{
	static char text[256] = "GET / HTTP/1.0\\r\\n\\r\\n", want[64] = "HTTP/1.1 200";
	unsigned port, n, batch, ok = 0;
	cpu_set_t set;

	if (argc == 2 && strcmp(argv[1], "--free-port") == 0)
		return free_port();
	if (argc == 3 && strcmp(argv[1], "--cpus") == 0)
		return print_cpus((unsigned)atoi(argv[2]));
	to.s_addr = htonl(INADDR_LOOPBACK);
	if (argc > 2 && strcmp(argv[1], "--to") == 0 && inet_pton(AF_INET, argv[2], &to) == 1) {
		argc -= 2;
		argv += 2;
	}
	if (argc != 4 && argc != 5 && argc != 7) {
		fprintf(stderr, "usage: pinned_client [--to ADDRESS] CPU PORT N [BATCH [SEND WANT]]\n");
		return 2;
	}
	CPU_ZERO(&set);
	CPU_SET((unsigned)atoi(argv[1]), &set);
	if (sched_setaffinity(0, sizeof(set), &set) != 0) {
		perror("pinned_client: sched_setaffinity");
		return 2;
	}
	port = (unsigned)atoi(argv[2]);
	n = (unsigned)atoi(argv[3]);
	batch = argc > 4 ? (unsigned)atoi(argv[4]) : 1;
	if (batch < 1 || batch > BATCH_MAX)
		batch = 1;
	if (argc > 6) {
		snprintf(text, sizeof(text), "%s", argv[5]);
		snprintf(want, sizeof(want), "%s", argv[6]);
	}
	unescape(text);
	unescape(want);
	for (unsigned left = n; left > 0;) {
		unsigned now = left < batch ? left : batch, before = ok;
		int fd[BATCH_MAX];

		for (unsigned i = 0; i < now; i++)
			fd[i] = open_one(port);
		for (unsigned i = 0; i < now; i++) {
			if (fd[i] < 0)
				continue;
			ok += (unsigned)answered(fd[i], text, strlen(text), want);
			close(fd[i]);
		}
		/* Nobody serves: one wait is enough to know. */
		if (ok == before)
			break;
		left -= now;
	}
	printf("%u\n", ok);
	return ok == n ? 0 : 1;
}
