/*
 * accept() and accept4() by their arguments: flags, address buffers of every size,
 * sockets that do not listen, no descriptor left. Promised: what the kernel does,
 * alone and as one of two workers, and no connection is lost.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <sys/resource.h>

static int arrive(int lfd)
{
	int client = H_OK(h_connect(h_port(lfd)));

	H_CHECK(h_wait_readable(lfd));
	return client;
}

static void flags(int lfd)
{
	static const int all[] = { 0, SOCK_CLOEXEC, SOCK_NONBLOCK, SOCK_CLOEXEC | SOCK_NONBLOCK };

	for (unsigned i = 0; i < 4; i++) {
		int client = arrive(lfd), conn = accept4(lfd, NULL, NULL, all[i]);

		H_CHECK(conn >= 0);
		h_say("flags %#x: %d, %#x", all[i], fcntl(conn, F_GETFD), fcntl(conn, F_GETFL));
		H_OK(close(conn));
		H_OK(close(client));
	}
	H_TELL(accept4(lfd, NULL, NULL, 1));
	H_TELL(accept4(lfd, NULL, NULL, ~0));
}

static void addresses(int lfd)
{
	static const socklen_t lens[] = { 0, 1, 2, 8, 16, 28, 128 };

	for (unsigned i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		struct sockaddr_storage got, expected = { 0 };
		socklen_t len = lens[i], expected_len = sizeof(expected);
		int client = arrive(lfd), conn;

		memset(&got, 0xa5, sizeof(got));
		conn = accept(lfd, (struct sockaddr *)&got, &len);
		H_CHECK(conn >= 0);
		H_OK(getsockname(client, (struct sockaddr *)&expected, &expected_len));
		h_say("room for %u: told %u, right: %s, beyond untouched: %s", lens[i], len,
		      memcmp(&got, &expected, lens[i] < len ? lens[i] : len) == 0 ? "yes" : "no",
		      ((unsigned char *)&got)[lens[i] < len ? lens[i] : len] == 0xa5 ? "yes" : "no");
		H_OK(close(conn));
		H_OK(close(client));
	}
	{
		int client = arrive(lfd), conn;
		socklen_t len = (socklen_t)-1;
		struct sockaddr_in sin;

		/* The connection is taken and dropped, or still there: as the kernel does it. */
		H_TELL(accept(lfd, (struct sockaddr *)&sin, &len));
		conn = accept(lfd, NULL, NULL);
		h_say("afterwards: %s", conn >= 0 ? "still there" : strerrorname_np(errno));
		if (conn >= 0)
			H_OK(close(conn));
		H_OK(close(client));
	}
}

static void no_descriptor(int lfd)
{
	int client = arrive(lfd), conn;
	struct rlimit before, now;
	int next = H_OK(dup(0));

	H_OK(close(next));
	H_OK(getrlimit(RLIMIT_NOFILE, &before));
	now = before;
	now.rlim_cur = (rlim_t)next;
	H_OK(setrlimit(RLIMIT_NOFILE, &now));
	H_TELL(accept(lfd, NULL, NULL));
	H_TELL(accept4(lfd, NULL, NULL, SOCK_NONBLOCK));
	H_OK(setrlimit(RLIMIT_NOFILE, &before));
	H_TELL(conn = accept(lfd, NULL, NULL));
	h_say("number as expected: %s", conn == next ? "yes" : "no");
	H_OK(close(conn));
	H_OK(close(client));
}

static void run(void)
{
	int lfd = h_listener(SOCK_NONBLOCK), bound = h_bound(0);

	for (unsigned active = 0; active < 2; active++) {
		h_say(active ? "== two workers" : "== alone");
		if (active)
			h_activate(lfd);
		for (unsigned c = 0; c < H_CPUS; c++) {
			h_say("- client %u", c);
			if (!active)
				h_pin(h_cpu[c]);
			flags(lfd);
			addresses(lfd);
			no_descriptor(lfd);
		}
		H_TELL(accept(bound, NULL, NULL));
		H_TELL(accept(-1, NULL, NULL));
		H_TELL(accept(STDOUT_FILENO, NULL, NULL));
		errno = 0;
		H_OK(close(arrive(lfd)));
		H_OK(close(H_OK(accept(lfd, NULL, NULL))));
		/* Success leaves errno as it was. */
		h_say("errno %d", errno);
	}
	h_report(h_active() ? "active" : "inactive");
}

const struct h_story h_story = { .expect = "active\n", .run = run };
