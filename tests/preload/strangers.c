/*
 * A program that knows nothing of the library has a SO_REUSEPORT socket on the same
 * address, before the first wait. Promised: the library leaves the group alone,
 * with one line, and the kernel goes on to give connections to both.
 */
#define _GNU_SOURCE
#include "harness.h"

#define STRANGER 50 /* its number as a worker */

static int make(uint16_t port)
{
	struct sockaddr_in sin = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
		.sin_port = htons(port),
	};
	int fd = H_OK(socket(AF_INET, SOCK_STREAM, 0)), one = 1;

	H_OK(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)));
	H_OK(bind(fd, (struct sockaddr *)&sin, sizeof(sin)));
	H_OK(listen(fd, 511));
	return fd;
}

/* Executed, without the library. Tells on standard output, which is a pipe, that it listens. */
static void stranger(uint16_t port)
{
	int fd = make(port);

	H_CHECK(!h_present());
	H_CHECK(write(STDOUT_FILENO, "", 1) == 1);
	for (;;)
		h_answer(H_OK(accept(fd, NULL, NULL)), STRANGER);
}

static void start_stranger(int lfd, uint16_t port)
{
	char number[8], byte;
	int p[2];

	snprintf(number, sizeof(number), "%u", port);
	H_OK(pipe(p));
	if (h_fork() == 0) {
		H_OK(dup2(p[1], STDOUT_FILENO));
		H_OK(close(p[1]));
		H_OK(close(p[0]));
		/* Executed with the listener open, it would be the same program anew, and be given the group. */
		H_OK(close(lfd));
		unsetenv("LD_PRELOAD");
		execl(h_self, h_self, number, NULL);
		_exit(96);
	}
	H_OK(close(p[1]));
	H_CHECK(h_wait_readable(p[0]) && read(p[0], &byte, 1) == 1 && byte == '\0');
	H_OK(close(p[0]));
}

static void serve(int lfd, unsigned worker)
{
	for (;;) {
		struct pollfd p = { .fd = lfd, .events = POLLIN };
		int conn;

		if (poll(&p, 1, -1) == 1 && (conn = accept4(lfd, NULL, NULL, SOCK_NONBLOCK)) >= 0)
			h_answer(conn, worker);
	}
}

static void run(void)
{
	struct h_result res;
	unsigned ours = 0, theirs = 0;
	int lfd;

	if (h_arg)
		stranger((uint16_t)atoi(h_arg));
	lfd = make(0);
	H_OK(fcntl(lfd, F_SETFL, O_NONBLOCK));
	start_stranger(lfd, h_port(lfd));
	h_prefork(2, lfd, serve);
	for (unsigned i = 0; i < 10; i++) {
		h_load(h_port(lfd), 50, &res);
		h_say("%u and %u of %u answered", res.answered[0], res.answered[1], res.asked);
		for (unsigned c = 0; c < H_CPUS; c++) {
			theirs += res.by_worker[c][STRANGER];
			ours += res.answered[c] - res.by_worker[c][STRANGER];
		}
	}
	/* Half of a thousand each, by hash. */
	h_say("both got their share: %s", ours > 200 && theirs > 200 ? "yes" : "no");
	h_report_state(lfd);
}

const struct h_story h_story = {
	.expect = H_ALONE,
	.log = "^fastsock\\[[0-9]+\\]: warn: the listener on port [0-9]+ works as without libfastsock: a socket of another",
	.run = run,
};
