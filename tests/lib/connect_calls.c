/*
 * Every way in which a program can call connect(), and what it sees of it, one line each:
 *
 *   connect_calls ADDRESS PORT CLOSED [SOURCE]
 *
 * ADDRESS:PORT listens, ADDRESS:CLOSED does not; SOURCE is an address of this side to bind
 * to. A link-local address has its interface behind it ("fe80::1%eth0"). The thread is bound
 * to the first CPU that it may run on, or, with "--cpu CPU" before all else, to that one. Whoever runs this twice, with the library and without,
 * gets the same lines. In front, instead of that:
 *
 *   --locality COUNT  opens so many connections of each kind, and prints how many had their
 *                     packets on this CPU ("KIND LOCAL of COUNT"); then waits for the end of its input
 *   --exhaust COUNT   leaves COUNT connections in TIME_WAIT, then opens and keeps connections until
 *                     that fails; prints how many there were, the errno, and all ports
 *   --time-wait COUNT leaves a connection in TIME_WAIT on each port of ip_local_port_range but one in
 *                     COUNT; prints how many (Linux 6.3, or exit status 77)
 *   --serve PORT      (alone) the other end: echoes, on every address, until it is ended
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "endpoint.h"

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif
#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif
#ifndef TCP_FASTOPEN_CONNECT
#define TCP_FASTOPEN_CONNECT 30
#endif

#define PATIENCE_MS 10000

static union endpoint to, closed, source;
static socklen_t len;
static int cpu;

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "connect_calls: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void parse(union endpoint *a, const char *text, int port)
{
	len = endpoint_parse(a, text, port);
	if (!len) {
		errno = EINVAL;
		die(text);
	}
}

static void tell(const char *what, int rc)
{
	int err = errno;

	printf("%s: %d%s%s\n", what, rc, rc < 0 ? " " : "", rc < 0 ? strerrorname_np(err) : "");
}

static void tell_end(const char *what, const union endpoint *e, socklen_t n)
{
	char address[INET6_ADDRSTRLEN] = "?";

	if (e->sa.sa_family == AF_INET)
		inet_ntop(AF_INET, &e->in.sin_addr, address, sizeof(address));
	else
		inet_ntop(AF_INET6, &e->in6.sin6_addr, address, sizeof(address));
	printf("  %s: %u bytes, %s", what, (unsigned)n, address);
	if (e->sa.sa_family == AF_INET6)
		printf("%%%u flow %u", e->in6.sin6_scope_id, e->in6.sin6_flowinfo);
	puts("");
}

/* What the socket says of itself, without what differs from run to run. */
static void describe(int fd)
{
	union endpoint own, peer;
	socklen_t own_len = sizeof(own), n = sizeof(peer);
	unsigned range = 0, port;
	int reuse = -1, rc;

	memset(&own, 0, sizeof(own));
	memset(&peer, 0, sizeof(peer));
	getsockname(fd, &own.sa, &own_len);
	tell_end("own", &own, own_len);
	port = endpoint_port(&own);
	if (getpeername(fd, &peer.sa, &n) == 0) {
		tell_end("peer", &peer, n);
		printf("  its port %u\n", endpoint_port(&peer));
	}
	n = sizeof(range);
	rc = getsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range, &n);
	n = sizeof(reuse);
	getsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &reuse, &n);
	printf("  port %s, range %d %x, reuse %d\n", port >= 32768 && port <= 60999 ? "ephemeral" : port ? "other" : "none", rc, range,
	       reuse);
}

static int tcp(int flags)
{
	int fd = socket(to.sa.sa_family, SOCK_STREAM | flags, 0);

	if (fd < 0)
		die("socket");
	return fd;
}

static int wait_for(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	int err = 0;
	socklen_t n = sizeof(err);

	if (poll(&p, 1, PATIENCE_MS) != 1)
		die("poll");
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &n);
	return err;
}

/* ---- the kinds of sockets ---- */

static int plain(void)
{
	return tcp(0);
}

static int bound_address(void)
{
	union endpoint own = source;
	int fd = tcp(0), one = 1;

	setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one));
	if (source.sa.sa_family && bind(fd, &own.sa, len) != 0)
		die("bind");
	return fd;
}

static int reusing(void)
{
	int fd = tcp(0), one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	return fd;
}

static int copied(void)
{
	int fd = tcp(0), copy = dup(fd);

	close(fd);
	return copy;
}

static int fast_open(void)
{
	int fd = tcp(0), one = 1;

	setsockopt(fd, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &one, sizeof(one));
	return fd;
}

static const struct {
	const char *name;
	int (*make)(void);
} kind[] = {
	{ "plain", plain }, { "bound", bound_address }, { "reuse", reusing }, { "copy", copied }, { "fastopen", fast_open },
};

#define KINDS (sizeof(kind) / sizeof(kind[0]))

static void locality(int count)
{
	for (size_t k = 0; k < KINDS; k++) {
		int local = 0;

		for (int i = 0; i < count; i++) {
			struct linger now = { .l_onoff = 1 };
			int fd = kind[k].make(), seen = -1;
			socklen_t n = sizeof(seen);
			char byte = 0;

			if (connect(fd, &to.sa, len) != 0)
				die("connect");
			/* With fast open, the SYN leaves with the first byte. */
			if (send(fd, &byte, 1, MSG_NOSIGNAL) != 1 || recv(fd, &byte, 1, 0) != 1)
				die("exchange");
			getsockopt(fd, SOL_SOCKET, SO_INCOMING_CPU, &seen, &n);
			local += seen == cpu;
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
			close(fd);
		}
		printf("%s %d of %d\n", kind[k].name, local, count);
	}
	fflush(stdout);
	while (getchar() != EOF)
		;
}

static void exhaust(int waiting)
{
	/* Gone without a trace when the program ends. */
	struct linger now = { .l_onoff = 1 };
	int opened = 0, fd;
	union endpoint own;

	for (int i = 0; i < waiting; i++) {
		fd = tcp(0);
		if (connect(fd, &to.sa, len) != 0)
			die("connect");
		close(fd);
	}
	for (; opened < 65536; opened++) {
		socklen_t own_len = sizeof(own);

		fd = tcp(0);
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
		if (connect(fd, &to.sa, len) != 0)
			break;
		getsockname(fd, &own.sa, &own_len);
		printf("%u\n", endpoint_port(&own));
	}
	printf("opened %d, then %s\n", opened, strerrorname_np(errno));
}

/* Each port by name: the kernel's own search takes milliseconds where most are taken. */
static void time_wait(int free_every)
{
	FILE *f = fopen("/proc/sys/net/ipv4/ip_local_port_range", "r");
	unsigned low, high, left = 0;

	if (!f || fscanf(f, "%u %u", &low, &high) != 2)
		die("ip_local_port_range");
	fclose(f);
	for (unsigned port = low; port <= high; port++) {
		unsigned range = port << 16 | port;
		int fd = tcp(0);

		if ((port - low) % (unsigned)free_every) {
			if (setsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range, sizeof(range)) != 0)
				exit(errno == ENOPROTOOPT ? 77 : 1);
			if (connect(fd, &to.sa, len) != 0)
				die("connect");
			left++;
		}
		close(fd);
	}
	printf("left %u\n", left);
}

static void serve(int port)
{
	struct sockaddr_in6 any = { .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port) };
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = -1 };
	int l = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0), ep = epoll_create1(0), one = 1;

	setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (l < 0 || ep < 0 || bind(l, (struct sockaddr *)&any, sizeof(any)) != 0 || listen(l, 4096) != 0 ||
	    epoll_ctl(ep, EPOLL_CTL_ADD, l, &ev) != 0)
		die("listener");
	puts("ready");
	fflush(stdout);
	for (;;) {
		char buf[64];
		ssize_t n;
		int fd;

		if (epoll_wait(ep, &ev, 1, -1) != 1)
			continue;
		fd = ev.data.fd;
		if (fd < 0) {
			fd = accept4(l, NULL, NULL, SOCK_NONBLOCK);
			ev.data.fd = fd;
			if (fd >= 0 && epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) != 0)
				die("epoll_ctl");
			ev.data.fd = -1;
			continue;
		}
		n = recv(fd, buf, sizeof(buf), 0);
		if (n <= 0 || send(fd, buf, (size_t)n, MSG_NOSIGNAL) != n)
			close(fd);
	}
}

/* ---- what is seen ---- */

static void kinds(void)
{
	for (size_t k = 0; k < KINDS; k++) {
		int fd = kind[k].make();

		tell(kind[k].name, connect(fd, &to.sa, len));
		if (kind[k].make != fast_open) {
			describe(fd);
			tell("again", connect(fd, &to.sa, len));
		}
		close(fd);
	}
}

static void nonblocking(void)
{
	int fd = tcp(SOCK_NONBLOCK), rc = connect(fd, &to.sa, len);

	/* Between two namespaces of one machine the handshake may be over before connect() returns; it says EINPROGRESS anyway. */
	tell("nonblocking", rc);
	printf("error: %d\n", wait_for(fd));
	describe(fd);
	tell("again", connect(fd, &to.sa, len));
	tell("and again", connect(fd, &to.sa, len));
	close(fd);
}

static void refused(void)
{
	int fd = tcp(0);

	tell("closed port", connect(fd, &closed.sa, len));
	tell("then an open one", connect(fd, &to.sa, len));
	describe(fd);
	close(fd);
	fd = tcp(SOCK_NONBLOCK);
	tell("closed port, nonblocking", connect(fd, &closed.sa, len));
	printf("error: %s\n", strerrorname_np(wait_for(fd)));
	close(fd);
}

/* Disconnected by AF_UNSPEC, a socket can be used again. */
static void disconnected(void)
{
	struct sockaddr none = { .sa_family = AF_UNSPEC };
	int fd = tcp(0);

	tell("connect", connect(fd, &to.sa, len));
	tell("disconnect", connect(fd, &none, sizeof(none)));
	describe(fd);
	tell("connect again", connect(fd, &to.sa, len));
	describe(fd);
	close(fd);
}

static void own_wishes(void)
{
	unsigned range = 40000u << 16 | 39000u, n = 0;
	socklen_t n_len = sizeof(n);
	union endpoint own;
	int fd = tcp(0);
	bool has_range = setsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range, sizeof(range)) == 0;

	if (has_range) {
		tell("own range", connect(fd, &to.sa, len));
		getsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &n, &n_len);
		printf("range %x\n", n);
		n_len = sizeof(own);
		getsockname(fd, &own.sa, &n_len);
		n = endpoint_port(&own);
		printf("inside: %d\n", n >= 39000 && n <= 40000);
	}
	close(fd);
	fd = tcp(0);
	memset(&own, 0, sizeof(own));
	own.sa.sa_family = to.sa.sa_family;
	tell("bind to any port", bind(fd, &own.sa, len));
	tell("connect", connect(fd, &to.sa, len));
	describe(fd);
	close(fd);
}

static void wrong(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX, .sun_path = "/nowhere/at/all" };
	struct sockaddr odd = { .sa_family = 77 };
	int fd;

	tell("no descriptor", connect(-1, &to.sa, len));
	fd = open("/dev/null", O_RDWR);
	tell("no socket", connect(fd, &to.sa, len));
	close(fd);
	fd = tcp(0);
	tell("short address", connect(fd, &to.sa, 4));
	tell("no such family", connect(fd, &odd, sizeof(odd)));
	tell("other family", connect(fd, (struct sockaddr *)&un, sizeof(un)));
	close(fd);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	tell("unix", connect(fd, (struct sockaddr *)&un, sizeof(un)));
	tell("unix to an ip address", connect(fd, &to.sa, len));
	close(fd);
	fd = socket(to.sa.sa_family, SOCK_DGRAM, 0);
	tell("udp", connect(fd, &to.sa, len));
	describe(fd);
	tell("udp again", connect(fd, &closed.sa, len));
	close(fd);
}

int main(int argc, char **argv)
{
	struct rlimit limit;
	int count = -1;
	void (*what)(int) = NULL;
	cpu_set_t set;

	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (argc == 3 && strcmp(argv[1], "--serve") == 0)
		serve(atoi(argv[2]));
	if (argc > 2 && strcmp(argv[1], "--cpu") == 0) {
		cpu = atoi(argv[2]);
		argc -= 2;
		argv += 2;
	}
	if (argc > 2 && argv[1][0] == '-') {
		what = strcmp(argv[1], "--exhaust") == 0 ? exhaust : strcmp(argv[1], "--time-wait") == 0 ? time_wait : locality;
		count = atoi(argv[2]);
		argc -= 2;
		argv += 2;
	}
	if (argc < 4 || argc > 5) {
		fprintf(stderr, "usage: connect_calls [--cpu CPU] [--locality | --exhaust | --time-wait COUNT] ADDRESS PORT CLOSED [SOURCE]\n");
		return 2;
	}
	parse(&to, argv[1], atoi(argv[2]));
	parse(&closed, argv[1], atoi(argv[3]));
	if (argc == 5)
		parse(&source, argv[4], 0);
	sched_getaffinity(0, sizeof(set), &set);
	while (cpu < CPU_SETSIZE && !CPU_ISSET(cpu, &set))
		cpu++;
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set) != 0)
		die("sched_setaffinity");
	if (what) {
		what(count);
		return 0;
	}
	kinds();
	nonblocking();
	refused();
	disconnected();
	own_wishes();
	wrong();
	return 0;
}
