/*
 * Programs that close every descriptor there could be, as daemons do: in a loop,
 * with closefrom(), with close_range(), before listen(), after it and as one of two
 * workers. Promised: the calls do to the application's descriptors what they always
 * did, find no others, and a listener that was spared still serves.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <sys/resource.h>

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC 4
#endif
#define HIGHEST 4096

/* Each spares `keep`, or nothing if that is negative. */
static void in_loop(int keep)
{
	unsigned closed = 0;

	for (int fd = 3; fd < HIGHEST; fd++)
		if (fd != keep)
			closed += close(fd) == 0;
	h_say("closed %u", closed);
}

static void in_reverse(int keep)
{
	unsigned closed = 0;

	for (int fd = HIGHEST - 1; fd >= 3; fd--)
		if (fd != keep)
			closed += close(fd) == 0;
	h_say("closed %u", closed);
}

static void by_closefrom(int keep)
{
	if (keep >= 0) {
		for (int fd = 3; fd < keep; fd++)
			close(fd);
		closefrom(keep + 1);
	} else {
		closefrom(3);
	}
}

static void by_close_range(int keep)
{
	if (keep > 3)
		H_TELL(close_range(3, (unsigned)keep - 1, 0));
	H_TELL(close_range(keep >= 0 ? (unsigned)keep + 1 : 3, ~0u, 0));
	H_TELL(close_range(5, 4, 0));
	H_TELL(close_range(3, 3, 0x100));
}

static void by_cloexec(int keep)
{
	(void)keep;
	H_TELL(close_range(3, ~0u, CLOSE_RANGE_CLOEXEC));
	for (int fd = 3; fd < 16; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			h_say("%d has flags %d", fd, fcntl(fd, F_GETFD));
}

static const struct {
	const char *name;
	void (*close)(int keep);
	bool closes;
} ways[] = {
	{ "loop", in_loop, true },
	{ "loop downwards", in_reverse, true },
	{ "closefrom", by_closefrom, true },
	{ "close_range", by_close_range, true },
	{ "close_range, close-on-exec", by_cloexec, false },
};

static void next_numbers(void)
{
	for (unsigned i = 0; i < 3; i++)
		h_say("next: %d", dup(0));
}

static void serves(int lfd)
{
	for (unsigned i = 0; i < 10; i++) {
		int client, conn;

		h_pin(h_cpu[i % H_CPUS]);
		client = H_OK(h_connect(h_port(lfd)));
		H_CHECK(h_wait_readable(lfd));
		H_CHECK((conn = accept(lfd, NULL, NULL)) >= 0);
		H_OK(close(conn));
		H_OK(close(client));
	}
	h_unpin();
	h_say("serves");
}

static void daemon_before(unsigned way)
{
	int lfd;

	H_OK(dup(0));
	ways[way].close(-1);
	next_numbers();
	lfd = h_listener(0);
	h_say("listener: %d", lfd);
	serves(lfd);
	next_numbers();
	h_activate(lfd);
	h_report(h_active() ? "active" : "inactive");
	serves(lfd);
	next_numbers();
	h_end_workers();
}

static void daemon_after(unsigned way, bool keep, bool active)
{
	int hole = H_OK(dup(0)), lfd = h_listener(0);
	uint16_t port = h_port(lfd);

	H_OK(close(hole));
	if (active) {
		h_activate(lfd);
		h_report(h_active() ? "active" : "inactive");
		/* Otherwise the port would not be free. */
		if (!keep)
			h_end_workers();
	}
	ways[way].close(keep ? lfd : -1);
	next_numbers();
	if (keep || !ways[way].closes) {
		serves(lfd);
	} else {
		H_TELL(accept(lfd, NULL, NULL));
		H_TELL(h_connect(port));
	}
	/* And it can listen anew. */
	serves(h_listener(0));
	next_numbers();
	h_end_workers();
}

static void in_child(unsigned way, int stage)
{
	int status;
	pid_t pid = H_OK(fork());

	if (pid == 0) {
		if (stage == 0)
			daemon_before(way);
		else
			daemon_after(way, stage & 1, stage & 2);
		_exit(0);
	}
	H_CHECK(waitpid(pid, &status, 0) == pid);
	H_CHECK(status == 0);
}

static void run(void)
{
	struct rlimit limit = { HIGHEST, HIGHEST };

	/* So that a loop to the limit meets all that there is. */
	H_OK(setrlimit(RLIMIT_NOFILE, &limit));
	for (unsigned i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		h_say("== %s, before listen()", ways[i].name);
		in_child(i, 0);
		h_say("== %s, after listen(), the listener spared", ways[i].name);
		in_child(i, 1);
		h_say("== %s, after listen(), nothing spared", ways[i].name);
		in_child(i, 4);
		h_say("== %s, as one of two workers, the listener spared", ways[i].name);
		in_child(i, 3);
		h_say("== %s, as one of two workers, nothing spared", ways[i].name);
		in_child(i, 2);
	}
}

#define TIMES3 "active\nactive\nactive\n"
const struct h_story h_story = { .expect = TIMES3 TIMES3 TIMES3 TIMES3 TIMES3, .run = run };
