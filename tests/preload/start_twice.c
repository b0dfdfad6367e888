/*
 * The same server is started twice. Promised: the second one fails with
 * EADDRINUSE where it does without the library, before and after the listener is fanned
 * out: siblings with SO_REUSEPORT must not open the door.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <arpa/inet.h>

static void attempt(const char *how, in_addr_t addr, uint16_t port, bool reuseaddr)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = addr, .sin_port = htons(port) };
	int fd = H_OK(socket(AF_INET, SOCK_STREAM, 0));
	int one = 1;

	h_say("-- %s", how);
	if (reuseaddr)
		H_OK(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)));
	H_TELL(bind(fd, (struct sockaddr *)&sin, sizeof(sin)));
	H_OK(close(fd));
}

static void attempts(uint16_t port)
{
	attempt("plain", htonl(INADDR_LOOPBACK), port, false);
	attempt("with SO_REUSEADDR", htonl(INADDR_LOOPBACK), port, true);
	attempt("on all addresses", htonl(INADDR_ANY), port, false);
	attempt("on all addresses, with SO_REUSEADDR", htonl(INADDR_ANY), port, true);
}

/* The second start: a process that knows nothing of the first. */
static void other_start(uint16_t port)
{
	char arg[16];
	int status;
	pid_t pid;

	snprintf(arg, sizeof(arg), "%u", port);
	fflush(stdout);
	pid = H_OK(fork());
	if (pid == 0) {
		execl(h_self, h_self, arg, (char *)NULL);
		_exit(99);
	}
	H_CHECK(waitpid(pid, &status, 0) == pid);
	H_CHECK(status == 0);
}

/* Two binders with SO_REUSEADDR may both bind; who listens second must hear of it. */
static void race(void)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int first = H_OK(socket(AF_INET, SOCK_STREAM, 0));
	int second = H_OK(socket(AF_INET, SOCK_STREAM, 0));
	int one = 1, conn, client;

	H_OK(setsockopt(first, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)));
	H_OK(setsockopt(second, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)));
	H_OK(bind(first, (struct sockaddr *)&sin, sizeof(sin)));
	sin.sin_port = htons(h_port(first));
	h_say("-- two bind, then both listen");
	H_TELL(bind(second, (struct sockaddr *)&sin, sizeof(sin)));
	H_TELL(listen(first, 8));
	H_TELL(listen(second, 8));
	client = H_OK(h_connect(h_port(first)));
	conn = H_OK(accept(first, NULL, NULL));
	H_OK(close(conn));
	H_OK(close(client));
	H_OK(close(first));
	/* Whatever that attempt left behind, now it must work. */
	H_TELL(listen(second, 8));
	H_OK(close(second));
}

static void run(void)
{
	int lfd;

	if (h_arg) {
		attempts((uint16_t)atoi(h_arg));
		return;
	}
	lfd = h_listener(SOCK_NONBLOCK);
	h_say("== one listener");
	attempts(h_port(lfd));
	other_start(h_port(lfd));
	h_activate(lfd);
	h_report_state(lfd);
	h_say("== served by two");
	attempts(h_port(lfd));
	other_start(h_port(lfd));
	race();
}

const struct h_story h_story = { .expect = "active\nno local accepts\n", .run = run };
