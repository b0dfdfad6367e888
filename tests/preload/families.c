/*
 * Listeners of every family: IPv4 and IPv6, one address and all of them, dual
 * stack, and an IPv6-only one beside an IPv4 one on the same port. Promised: each
 * is fanned out, and each family's clients are answered by the listener that is
 * theirs.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <arpa/inet.h>

static int open_listener(const char *addr, int family, uint16_t port, int v6only)
{
	struct sockaddr_in6 sin6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons(port) };
	bool v6 = family == AF_INET6;
	int fd = H_OK(socket(family, SOCK_STREAM | SOCK_NONBLOCK, 0));

	H_CHECK(inet_pton(family, addr, v6 ? (void *)&sin6.sin6_addr : (void *)&sin.sin_addr) == 1);
	if (v6)
		H_OK(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6only, sizeof(v6only)));
	H_OK(bind(fd, v6 ? (void *)&sin6 : (void *)&sin, v6 ? sizeof(sin6) : sizeof(sin)));
	H_OK(listen(fd, 128));
	if (v6) {
		int value;
		socklen_t len = sizeof(value);

		H_OK(getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &value, &len));
		/* One IPv6 address is IPv6-only whatever was set: the kernel decides when it is bound. */
		h_say("%s: IPV6_V6ONLY set to %d is %d", addr, v6only, value);
	}
	return fd;
}

static int second = -1;

static void serve(int lfd, unsigned worker)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = lfd };
	int ep = H_OK(epoll_create1(0));

	H_OK(epoll_ctl(ep, EPOLL_CTL_ADD, lfd, &ev));
	ev.data.fd = second;
	if (second >= 0)
		H_OK(epoll_ctl(ep, EPOLL_CTL_ADD, second, &ev));
	for (;;) {
		struct sockaddr_in6 peer;
		socklen_t len = sizeof(peer);
		int conn;

		if (epoll_wait(ep, &ev, 1, -1) != 1)
			continue;
		/* Workers of the first listener are 0 and 1, of the second 2 and 3. */
		conn = accept(ev.data.fd, (struct sockaddr *)&peer, &len);
		if (conn >= 0)
			h_answer(conn, worker + (ev.data.fd == second ? 2 : 0));
	}
}

/* The clients of a family are answered, and from their own CPUs once the listener is warm. */
static void load(const char *what, int lfd, int family, unsigned first)
{
	const unsigned n = 100;
	unsigned rounds = h_present() ? 100 : 2, theirs = 0, local = 0;
	struct h_result res;

	for (unsigned i = 0; i < rounds; i++) {
		h_load_on(family, h_port(lfd), 8, 1, &res);
		if (h_local_accepts(lfd, h_cpu[0], NULL) && h_local_accepts(lfd, h_cpu[1], NULL))
			break;
	}
	h_load_on(family, h_port(lfd), n, 1, &res);
	for (unsigned c = 0; c < H_CPUS; c++) {
		theirs += res.by_worker[c][first] + res.by_worker[c][first + 1];
		local += res.here[c] >= n * 99 / 100;
	}
	h_say("%s, IPv%d: %u and %u of %u answered, %u by the right listener", what, family == AF_INET ? 4 : 6,
	      res.answered[0], res.answered[1], res.asked, theirs);
	h_report("%s, IPv%d: %s", what, family == AF_INET ? 4 : 6, local == H_CPUS ? "local" : "not local");
}

static void one(const char *what, const char *addr, int family, int v6only, bool v4, bool v6)
{
	int lfd = open_listener(addr, family, 0, v6only);

	h_prefork(2, lfd, serve);
	if (v4)
		load(what, lfd, AF_INET, 0);
	if (v6)
		load(what, lfd, AF_INET6, 0);
	h_end_workers();
	H_OK(close(lfd));
}

static void run(void)
{
	int probe = socket(AF_INET6, SOCK_STREAM, 0), v4;
	struct sockaddr_in6 loopback = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };

	if (probe < 0 || bind(probe, (struct sockaddr *)&loopback, sizeof(loopback)) != 0)
		h_skip("needs IPv6 on the loopback device");
	H_OK(close(probe));
	one("one IPv4 address", "127.0.0.1", AF_INET, 0, true, false);
	one("all IPv4 addresses", "0.0.0.0", AF_INET, 0, true, false);
	one("one IPv6 address", "::1", AF_INET6, 0, false, true);
	one("IPv6 only", "::", AF_INET6, 1, false, true);
	one("dual stack", "::", AF_INET6, 0, true, true);

	v4 = open_listener("0.0.0.0", AF_INET, 0, 0);
	second = open_listener("::", AF_INET6, h_port(v4), 1);
	h_prefork(2, v4, serve);
	load("a pair on one port", v4, AF_INET, 0);
	load("a pair on one port", second, AF_INET6, 2);
}

const struct h_story h_story = {
	.expect = "one IPv4 address, IPv4: local\n"
		  "all IPv4 addresses, IPv4: local\n"
		  "one IPv6 address, IPv6: local\n"
		  "IPv6 only, IPv6: local\n"
		  "dual stack, IPv4: local\n"
		  "dual stack, IPv6: local\n"
		  "a pair on one port, IPv4: local\n"
		  "a pair on one port, IPv6: local\n",
	.run = run,
};
