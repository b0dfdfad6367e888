/*
 * Strangers ask a server for what a second process of the same server gets: somebody with
 * another uid, who asks once, or often without ever going away, or says something and
 * passes descriptors of his own. Promised: he gets nothing, the server keeps nothing of
 * his and goes on, and a second process joins all the same.
 */
#define _GNU_SOURCE
#include "heir_peer.h"

#define STRANGERS 64

static const char *ask(uint16_t port)
{
	static char letter[65536];
	int fds[FDS_MAX], fd = heir_connect(port);
	unsigned n = fd < 0 ? 0 : receive_fds(fd, letter, sizeof(letter), fds);

	return fd < 0 ? "nobody answers" : n > 4 ? "gets the group" : "gets nothing";
}

/* Asks once, tells how it went, and stays with many connections, a word and a pipe for each. */
static void strange(uint16_t port, int told, int passed)
{
	static const char word[] = "give me what you have";
	const char *got;

	H_OK(setresgid(NOBODY, NOBODY, NOBODY));
	H_OK(setresuid(NOBODY, NOBODY, NOBODY));
	got = ask(port);
	for (unsigned i = 0; h_present() && i < STRANGERS; i++) {
		int fd = heir_connect(port);

		if (fd >= 0)
			send_fds(fd, word, i % 2 ? sizeof(word) : 1, &passed, 1);
	}
	H_OK(close(passed));
	H_CHECK(write(told, got, strlen(got) + 1) == (ssize_t)strlen(got) + 1);
	for (;;)
		pause();
}

static void second(void)
{
	unsigned long long first;
	unsigned port;
	int fd;

	H_CHECK(sscanf(h_arg, "%u %llu", &port, &first) == 2);
	fd = join_first((uint16_t)port, first);
	h_report("a second process %s", cookie_of(fd) == first ? "joins" : "is on its own");
}

static void serves(int lfd)
{
	for (unsigned i = 0; i < H_CPUS; i++) {
		int client, conn;

		h_pin(h_cpu[i]);
		client = H_OK(h_connect(h_port(lfd)));
		h_unpin();
		H_CHECK(h_wait_readable(lfd));
		conn = H_OK(accept(lfd, NULL, NULL));
		H_OK(close(conn));
		H_OK(close(client));
	}
	h_say("serves");
}

static void run(void)
{
	char arg[64], got[64], byte;
	int lfd, told[2], passed[2];
	pid_t pid;

	if (h_arg) {
		second();
		return;
	}
	if (geteuid() != 0)
		h_skip("needs root, to become somebody else");
	lfd = reuseport_socket(0);
	H_OK(listen(lfd, 511));
	h_activate(lfd);
	h_report(h_active() ? "active" : "inactive");
	/* With the same uid, it is given. */
	h_report("the same user %s", ask(h_port(lfd)));
	H_OK(pipe2(told, O_CLOEXEC));
	H_OK(pipe2(passed, O_CLOEXEC));
	if (h_fork() == 0)
		strange(h_port(lfd), told[1], passed[1]);
	H_OK(close(passed[1]));
	H_CHECK(read(told[0], got, sizeof(got)) > 0);
	h_report("a stranger %s", got);
	/* All descriptors of the pipe's other end are closed. */
	h_say("of his, something is kept: %s", h_wait_readable(passed[0]) && read(passed[0], &byte, 1) == 0 ? "no" : "yes");
	serves(lfd);
	snprintf(arg, sizeof(arg), "%u %llu", h_port(lfd), cookie_of(lfd));
	pid = start_second(arg);
	await(pid);
	serves(lfd);
}

const struct h_story h_story = {
	.expect = "active\nthe same user gets the group\na stranger gets nothing\na second process joins\n",
	.run = run,
};
