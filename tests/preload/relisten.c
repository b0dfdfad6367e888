/*
 * listen() again with another backlog, before and after the listener is fanned
 * out; listen() without bind(); listen() on what cannot listen. Promised: as the
 * kernel has it, and the address does not change.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <netinet/tcp.h>

static void serve(int lfd, unsigned worker)
{
	for (;;)
		h_answer(H_OK(accept(lfd, NULL, NULL)), worker);
}

/* The kernel tells a listener's backlog in tcpi_sacked. */
static unsigned backlog(int fd)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	H_OK(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len));
	return info.tcpi_sacked;
}

static void run(void)
{
	struct h_result res;
	int lfd = h_bound(0), unbound, conn;
	uint16_t port = h_port(lfd);

	H_TELL(listen(lfd, 7));
	h_say("backlog %u", backlog(lfd));
	H_TELL(listen(lfd, 11));
	h_say("backlog %u", backlog(lfd));
	H_TELL(listen(lfd, 0));
	h_say("backlog %u", backlog(lfd));
	H_TELL(listen(lfd, -1));
	h_say("backlog %s", backlog(lfd) > 11 ? "of the system" : "too small");
	H_CHECK(h_port(lfd) == port);
	h_prefork(2, lfd, serve);
	h_warm_up(lfd);
	H_TELL(listen(lfd, 13));
	h_say("backlog %u", backlog(lfd));
	H_CHECK(h_port(lfd) == port);
	h_load(port, 50, &res);
	h_say("%u and %u of %u answered", res.answered[0], res.answered[1], res.asked);
	h_report_state(lfd);

	unbound = H_OK(socket(AF_INET, SOCK_STREAM, 0));
	H_TELL(listen(unbound, 16));
	port = h_port(unbound);
	h_say("listen() found a port: %s", port ? "yes" : "no");
	H_CHECK(h_port(unbound) == port);
	h_prefork(2, unbound, serve);
	h_warm_up(unbound);
	h_load(port, 50, &res);
	h_say("%u and %u of %u answered", res.answered[0], res.answered[1], res.asked);
	h_report_state(unbound);

	conn = H_OK(h_connect(port));
	H_TELL(listen(conn, 8));
	H_TELL(listen(STDOUT_FILENO, 8));
	H_TELL(listen(-1, 8));
	H_TELL(listen(H_OK(socket(AF_INET, SOCK_DGRAM, 0)), 8));
}

const struct h_story h_story = { .expect = "active\nactive\n", .run = run };
