/*
 * What sock_diag says about listeners must be what their owner knows: cookie,
 * uid, address, backlog, connections waiting. Nobody may be missed, however
 * many listen on the port, and nobody invented.
 */
#define _GNU_SOURCE
#include "lib/unit.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>

#include "core/netdiag.h"

#ifndef SO_COOKIE
#define SO_COOKIE 57
#endif

#define FOUND_MAX 1024
/* More than one reply of the kernel can hold. */
#define MANY 400

static struct fs_netdiag_listener found[FOUND_MAX];
static unsigned nfound;

static bool collect(const struct fs_netdiag_listener *l, void *arg)
{
	ck_assert_ptr_eq(arg, &nfound);
	if (nfound < FOUND_MAX)
		found[nfound] = *l;
	nfound++;
	return true;
}

static void ask(uint16_t port)
{
	nfound = 0;
	ck_assert_int_eq(fs_netdiag_listeners(port, collect, &nfound), 0);
	ck_assert_uint_le(nfound, FOUND_MAX);
}

static uint64_t cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	ck_assert_int_eq(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len), 0);
	return cookie;
}

static const struct fs_netdiag_listener *find(uint64_t cookie)
{
	const struct fs_netdiag_listener *l = NULL;

	for (unsigned i = 0; i < nfound; i++) {
		if (found[i].cookie == cookie) {
			ck_assert_ptr_null(l); /* told twice */
			l = &found[i];
		}
	}
	return l;
}

/* -1 when the port is taken. */
static int try_ip4(const char *address, uint16_t port, int reuse)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(inet_pton(AF_INET, address, &in.sin_addr), 1);
	ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &reuse, sizeof(reuse)), 0);
	if (bind(fd, (struct sockaddr *)&in, sizeof(in)) < 0) {
		ck_assert_int_eq(errno, EADDRINUSE);
		close(fd);
		return -1;
	}
	return fd;
}

static int open_ip4(const char *address, uint16_t port, int reuse)
{
	int fd = try_ip4(address, port, reuse);

	ck_assert_int_ge(fd, 0);
	return fd;
}

static int open_ip6(const char *address, uint16_t port, int only)
{
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(inet_pton(AF_INET6, address, &in6.sin6_addr), 1);
	ck_assert_int_eq(setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only)), 0);
	ck_assert_int_eq(bind(fd, (struct sockaddr *)&in6, sizeof(in6)), 0);
	return fd;
}

static uint16_t port_of(int fd)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	ck_assert_int_eq(getsockname(fd, (struct sockaddr *)&ss, &len), 0);
	return ntohs(ss.ss_family == AF_INET ? ((struct sockaddr_in *)&ss)->sin_port : ((struct sockaddr_in6 *)&ss)->sin6_port);
}

/* --- tests --- */

START_TEST(one_ip4_listener)
{
	static const uint8_t address[16] = { 127, 3, 2, 1 };
	int fd = open_ip4("127.3.2.1", 0, 0);
	const struct fs_netdiag_listener *l;

	/* Bound alone is not listening. */
	ask(port_of(fd));
	ck_assert_ptr_null(find(cookie_of(fd)));

	ck_assert_int_eq(listen(fd, 17), 0);
	ask(port_of(fd));
	l = find(cookie_of(fd));
	ck_assert_ptr_nonnull(l);
	ck_assert_uint_eq(l->uid, geteuid());
	ck_assert_uint_eq(l->queue, 0);
	ck_assert_uint_eq(l->backlog, 17);
	ck_assert_uint_eq(l->family, AF_INET);
	ck_assert_uint_eq(l->port, port_of(fd));
	ck_assert_mem_eq(l->address, address, sizeof(address));
	ck_assert(!l->v6only);

	close(fd);
}
END_TEST

START_TEST(closed_is_gone)
{
	int fd = open_ip4("127.0.0.1", 0, 0);
	uint16_t port = port_of(fd);
	uint64_t cookie = cookie_of(fd);

	ck_assert_int_eq(listen(fd, 1), 0);
	ask(port);
	ck_assert_ptr_nonnull(find(cookie));
	close(fd);
	ask(port);
	ck_assert_ptr_null(find(cookie));
}
END_TEST

START_TEST(connections_waiting)
{
	int fd = open_ip4("127.0.0.1", 0, 0), client[3];
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = htons(port_of(fd)), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const struct timespec pause = { 0, 1000000 };
	const struct fs_netdiag_listener *l;
	unsigned tries = 0;

	ck_assert_int_eq(listen(fd, 8), 0);
	for (unsigned i = 0; i < FS_COUNT(client); i++) {
		client[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		ck_assert_int_eq(connect(client[i], (struct sockaddr *)&in, sizeof(in)), 0);
	}
	/* The last handshake may end a moment after its connect() did. */
	do {
		nanosleep(&pause, NULL);
		ask(port_of(fd));
		l = find(cookie_of(fd));
		ck_assert_ptr_nonnull(l);
	} while (l->queue != FS_COUNT(client) && ++tries < 20000);
	ck_assert_uint_eq(l->queue, FS_COUNT(client));
	/* Connections themselves, and their ends, are not listeners. */
	for (unsigned i = 0; i < FS_COUNT(client); i++)
		ck_assert_ptr_null(find(cookie_of(client[i])));
	close(accept(fd, NULL, NULL));
	ask(port_of(fd));
	ck_assert_uint_eq(find(cookie_of(fd))->queue, FS_COUNT(client) - 1);
	for (unsigned i = 0; i < FS_COUNT(client); i++)
		close(client[i]);
	close(fd);
}
END_TEST

/* Both families on one port: an IPv6-only listener beside an IPv4 one. */
START_TEST(both_families)
{
	int six = open_ip6("::1", 0, 1), four = -1;
	const struct fs_netdiag_listener *l;

	/* The port that is free for one family may be a stranger's in the other. */
	for (unsigned tries = 0; tries < 100 && four < 0; tries++) {
		four = try_ip4("127.0.0.1", port_of(six), 1);
		if (four < 0) {
			close(six);
			six = open_ip6("::1", 0, 1);
		}
	}
	ck_assert_int_ge(four, 0);
	ck_assert_int_eq(listen(six, 5), 0);
	ck_assert_int_eq(listen(four, 6), 0);
	ask(port_of(six));
	l = find(cookie_of(six));
	ck_assert_ptr_nonnull(l);
	ck_assert_uint_eq(l->family, AF_INET6);
	ck_assert_mem_eq(l->address, &in6addr_loopback, 16);
	ck_assert_uint_eq(l->backlog, 5);
	ck_assert(l->v6only);
	l = find(cookie_of(four));
	ck_assert_ptr_nonnull(l);
	ck_assert_uint_eq(l->family, AF_INET);
	ck_assert_uint_eq(l->backlog, 6);
	close(four);
	close(six);
}
END_TEST

START_TEST(dual_stack)
{
	int fd = open_ip6("::", 0, 0);
	const struct fs_netdiag_listener *l;

	ck_assert_int_eq(listen(fd, 5), 0);
	ask(port_of(fd));
	l = find(cookie_of(fd));
	ck_assert_ptr_nonnull(l);
	ck_assert_uint_eq(l->family, AF_INET6);
	ck_assert_mem_eq(l->address, &in6addr_any, 16);
	ck_assert(!l->v6only);
	close(fd);
}
END_TEST

/* A group that fills many replies: everybody is told, once. */
START_TEST(many_on_one_port)
{
	static int fd[MANY];
	unsigned ip4 = 0;
	uint16_t port = 0;

	for (unsigned i = 0; i < MANY; i++) {
		fd[i] = open_ip4("0.0.0.0", port, 1);
		ck_assert_int_eq(listen(fd[i], 1), 0);
		port = port_of(fd[i]);
	}
	ask(port);
	for (unsigned i = 0; i < nfound; i++)
		ip4 += found[i].family == AF_INET;
	ck_assert_uint_eq(ip4, MANY);
	for (unsigned i = 0; i < MANY; i++)
		ck_assert_ptr_nonnull(find(cookie_of(fd[i])));
	for (unsigned i = 0; i < MANY; i++)
		close(fd[i]);
}
END_TEST

/* Port 0 asks for all ports, a port for itself alone. */
START_TEST(any_port)
{
	int a = open_ip4("127.0.0.1", 0, 0), b = open_ip4("127.0.0.1", 0, 0);

	ck_assert_int_eq(listen(a, 1), 0);
	ck_assert_int_eq(listen(b, 1), 0);
	ask(0);
	ck_assert_ptr_nonnull(find(cookie_of(a)));
	ck_assert_ptr_nonnull(find(cookie_of(b)));
	ask(port_of(a));
	ck_assert_ptr_nonnull(find(cookie_of(a)));
	ck_assert_ptr_null(find(cookie_of(b)));
	close(a);
	close(b);
}
END_TEST

static bool stop_at_second(const struct fs_netdiag_listener *l, void *arg)
{
	(void)l;
	return ++*(unsigned *)arg < 2;
}

START_TEST(stops_when_told)
{
	int fd[5];
	uint16_t port = 0;
	unsigned calls = 0;

	for (unsigned i = 0; i < FS_COUNT(fd); i++) {
		fd[i] = open_ip4("127.0.0.1", port, 1);
		ck_assert_int_eq(listen(fd[i], 1), 0);
		port = port_of(fd[i]);
	}
	ck_assert_int_eq(fs_netdiag_listeners(port, stop_at_second, &calls), 0);
	ck_assert_uint_eq(calls, 2);
	for (unsigned i = 0; i < FS_COUNT(fd); i++)
		close(fd[i]);
}
END_TEST

/* No descriptor left: an error, not an empty answer. And none is leaked by the calls that work. */
START_TEST(no_descriptor)
{
	struct rlimit old, none;
	int next = dup(STDOUT_FILENO), again;

	close(next);
	ask(0);
	again = dup(STDOUT_FILENO);
	ck_assert_int_eq(again, next);
	close(again);

	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = old;
	none.rlim_cur = 0;
	nfound = 0;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	again = fs_netdiag_listeners(0, collect, &nfound);
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &old), 0);
	ck_assert_int_eq(again, -EMFILE);
	ck_assert_uint_eq(nfound, 0);
}
END_TEST

int main(void)
{
	Suite *s = suite_create("netdiag");
	TCase *tc = tcase_create("listeners");
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
	int rc = fs_netdiag_listeners(0, stop_at_second, &nfound), six;

	if (rc == -ENOENT || rc == -EPROTONOSUPPORT)
		return unit_skip("sock_diag in the kernel (CONFIG_INET_DIAG)");
	six = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (six < 0 || bind(six, (struct sockaddr *)&in6, sizeof(in6)) < 0)
		return unit_skip("IPv6 on the loopback device");
	close(six);
	tcase_set_timeout(tc, 120);
	tcase_add_test(tc, one_ip4_listener);
	tcase_add_test(tc, closed_is_gone);
	tcase_add_test(tc, connections_waiting);
	tcase_add_test(tc, both_families);
	tcase_add_test(tc, dual_stack);
	tcase_add_test(tc, many_on_one_port);
	tcase_add_test(tc, any_port);
	tcase_add_test(tc, stops_when_told);
	tcase_add_test(tc, no_descriptor);
	suite_add_tcase(s, tc);
	return unit_main(s);
}
