/*
 * O_NONBLOCK on the listener, on and off at any time, by fcntl() and by
 * ioctl(FIONBIO), by this process or another. Promised: accept() follows at once,
 * alone or as one of two workers, and F_GETFL tells the truth.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <sys/ioctl.h>

static void by_fcntl(int fd, bool on)
{
	int flags = H_OK(fcntl(fd, F_GETFL));

	H_OK(fcntl(fd, F_SETFL, on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK));
}

static void by_ioctl(int fd, bool on)
{
	int value = on;

	H_OK(ioctl(fd, FIONBIO, &value));
}

static void by_child(int fd, bool on)
{
	pid_t pid = H_OK(fork());
	int status;

	if (pid == 0) {
		by_fcntl(fd, on);
		_exit(0);
	}
	H_CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static void *connect_later(void *arg)
{
	char end;
	int fd;

	/* Long enough for the other thread to be in accept() most of the time; right in any case. */
	h_sleep_ms(20);
	fd = H_OK(h_connect(*(uint16_t *)arg));
	H_CHECK(read(fd, &end, 1) == 0);
	H_OK(close(fd));
	return NULL;
}

static void check(int lfd, const char *what)
{
	static const struct {
		const char *name;
		void (*set)(int fd, bool on);
	} ways[] = { { "fcntl", by_fcntl }, { "ioctl", by_ioctl }, { "fcntl in a child", by_child } };
	uint16_t port = h_port(lfd);

	for (unsigned i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		pthread_t t;
		int conn;

		h_say("-- %s, %s", what, ways[i].name);
		ways[i].set(lfd, true);
		h_say("F_GETFL %#x", H_OK(fcntl(lfd, F_GETFL)));
		H_TELL(accept(lfd, NULL, NULL));
		H_TELL(accept4(lfd, NULL, NULL, SOCK_CLOEXEC));
		ways[i].set(lfd, false);
		h_say("F_GETFL %#x", H_OK(fcntl(lfd, F_GETFL)));
		for (unsigned c = 0; c < 4; c++) {
			H_CHECK(pthread_create(&t, NULL, connect_later, &port) == 0);
			/*
			 * Blocks until the connection comes: with EAGAIN, the listener was still
			 * non-blocking.
			 */
			H_TELL(conn = accept(lfd, NULL, NULL));
			h_say("F_GETFL of the connection %#x", H_OK(fcntl(conn, F_GETFL)));
			H_OK(close(conn));
			H_CHECK(pthread_join(t, NULL) == 0);
		}
	}
}

static void run(void)
{
	int lfd = h_listener(0);

	check(lfd, "alone");
	h_activate(lfd);
	h_report(h_active() ? "active" : "inactive");
	check(lfd, "two workers");
	h_report(h_active() ? "active" : "inactive");
}

const struct h_story h_story = { .expect = "active\nactive\n", .run = run };
