/*
 * Socket options that a server sets on its listener, before bind(), between bind()
 * and listen(), after listen() and while workers serve. Promised: getsockopt()
 * tells what the application set, and accepted sockets have inherited it on all
 * CPUs.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <sys/mman.h>

static const struct option {
	const char *text;
	int level, name, value;
	unsigned when; /* 0 before bind, 1 before listen, 2 after listen, 3 while it is served */
	bool inherited;
} options[] = {
#define OPTION(level, name, value, when, inherited) { #name, level, name, value, when, inherited }
	OPTION(SOL_SOCKET, SO_REUSEADDR, 1, 0, false),
	OPTION(SOL_SOCKET, SO_RCVBUF, 70000, 0, true),
	OPTION(SOL_SOCKET, SO_SNDBUF, 90000, 1, true),
	OPTION(SOL_SOCKET, SO_KEEPALIVE, 1, 0, true),
	OPTION(SOL_SOCKET, SO_PRIORITY, 3, 1, false),
	OPTION(SOL_SOCKET, SO_RCVLOWAT, 2, 1, false),
	OPTION(IPPROTO_IP, IP_TOS, 0x10, 0, true),
	OPTION(IPPROTO_IP, IP_TTL, 77, 1, true),
	OPTION(IPPROTO_TCP, TCP_NODELAY, 1, 1, true),
	OPTION(IPPROTO_TCP, TCP_KEEPIDLE, 41, 2, true),
	OPTION(IPPROTO_TCP, TCP_KEEPINTVL, 42, 2, true),
	OPTION(IPPROTO_TCP, TCP_KEEPCNT, 5, 3, true),
	OPTION(IPPROTO_TCP, TCP_USER_TIMEOUT, 4321, 3, true),
	OPTION(IPPROTO_TCP, TCP_SYNCNT, 4, 2, true),
	OPTION(IPPROTO_TCP, TCP_LINGER2, 12, 3, true),
	OPTION(IPPROTO_TCP, TCP_NOTSENT_LOWAT, 16384, 3, true),
	OPTION(IPPROTO_TCP, TCP_QUICKACK, 0, 3, false),
	OPTION(IPPROTO_TCP, TCP_FASTOPEN, 16, 2, false),
#undef OPTION
};
#define NOPTIONS (sizeof(options) / sizeof(options[0]))

struct seen {
	_Atomic unsigned connections;
	_Atomic unsigned wrong[NOPTIONS];
};
static struct seen *seen;
static int expected[NOPTIONS];

static int get(int fd, const struct option *o)
{
	int value = 0;
	socklen_t len = sizeof(value);

	H_OK(getsockopt(fd, o->level, o->name, &value, &len));
	return value;
}

static void set(int fd, unsigned when)
{
	for (unsigned i = 0; i < NOPTIONS; i++)
		if (options[i].when == when)
			H_OK(setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof(int)));
}

static void show(int lfd, const char *when)
{
	const struct option others[] = {
		{ "SO_REUSEPORT", SOL_SOCKET, SO_REUSEPORT, 0, 0, false },
		{ "SO_ACCEPTCONN", SOL_SOCKET, SO_ACCEPTCONN, 0, 0, false },
		{ "SO_TYPE", SOL_SOCKET, SO_TYPE, 0, 0, false },
		{ "SO_PROTOCOL", SOL_SOCKET, SO_PROTOCOL, 0, 0, false },
		{ "SO_DOMAIN", SOL_SOCKET, SO_DOMAIN, 0, 0, false },
		{ "SO_ERROR", SOL_SOCKET, SO_ERROR, 0, 0, false },
	};

	h_say("-- %s", when);
	for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		h_say("%s = %d", others[i].text, get(lfd, &others[i]));
	for (unsigned i = 0; i < NOPTIONS; i++)
		h_say("%s = %d", options[i].text, get(lfd, &options[i]));
	H_TELL(getsockopt(lfd, SOL_SOCKET, SO_REUSEPORT, NULL, NULL));
	H_TELL(getsockopt(lfd, SOL_SOCKET, 9999, &(int){ 0 }, &(socklen_t){ sizeof(int) }));
	H_TELL(setsockopt(lfd, SOL_SOCKET, 9999, &(int){ 0 }, sizeof(int)));
	H_TELL(setsockopt(lfd, SOL_SOCKET, SO_REUSEADDR, &(int){ 0 }, 1));
}

static void serve(int lfd, unsigned worker)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = H_OK(epoll_create1(0));

	H_OK(epoll_ctl(ep, EPOLL_CTL_ADD, lfd, &ev));
	for (;;) {
		int conn;

		if (epoll_wait(ep, &ev, 1, -1) != 1)
			continue;
		while ((conn = accept(lfd, NULL, NULL)) >= 0) {
			for (unsigned i = 0; i < NOPTIONS; i++)
				if (options[i].inherited && get(conn, &options[i]) != expected[i])
					seen->wrong[i]++;
			seen->connections++;
			h_answer(conn, worker);
		}
	}
}

static void run(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int lfd = H_OK(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
	struct h_result res;

	seen = mmap(NULL, sizeof(*seen), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	H_CHECK(seen != MAP_FAILED);
	show(lfd, "new");
	set(lfd, 0);
	H_OK(bind(lfd, (struct sockaddr *)&sin, sizeof(sin)));
	show(lfd, "bound");
	set(lfd, 1);
	H_OK(listen(lfd, 100));
	set(lfd, 2);
	show(lfd, "listening");
	/* What the listener will say once all are set is what connections are to have. */
	for (unsigned i = 0; i < NOPTIONS; i++)
		expected[i] = options[i].when == 3 ? options[i].value : get(lfd, &options[i]);
	h_prefork(2, lfd, serve);
	h_warm_up(lfd);
	set(lfd, 3);
	show(lfd, "served");
	for (unsigned i = 0; i < NOPTIONS; i++)
		seen->wrong[i] = 0;
	seen->connections = 0;
	h_load(h_port(lfd), 100, &res);
	h_say("%u and %u of %u answered", res.answered[0], res.answered[1], res.asked);
	h_say("%u connections looked at", seen->connections);
	for (unsigned i = 0; i < NOPTIONS; i++)
		if (seen->wrong[i])
			h_say("%s: not inherited by %u connections", options[i].text, seen->wrong[i]);
	h_report_state(lfd);
}

const struct h_story h_story = { .expect = "active\n", .run = run };
