/*
 * TCP_DEFER_ACCEPT: a connection is only delivered once its client has sent
 * something. Promised: that goes for the local listeners of all CPUs.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <netinet/tcp.h>
#include <sys/mman.h>

static _Atomic unsigned *taken;

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
			char word[2];

			++*taken;
			/* What was sent is there already. */
			if (recv(conn, word, 2, MSG_DONTWAIT) == 2)
				h_answer(conn, worker);
			else
				close(conn);
		}
	}
}

static bool answered(int conn)
{
	char buf[8];

	return recv(conn, buf, sizeof(buf), MSG_WAITALL) == sizeof(buf);
}

static void run(void)
{
	/* Longer than the story takes: the kernel delivers silent connections when it runs out. */
	int seconds = 120, back = 0;
	socklen_t len = sizeof(back);
	struct h_result res;
	int lfd = h_listener(SOCK_NONBLOCK);

	taken = mmap(NULL, sizeof(*taken), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	H_CHECK(taken != MAP_FAILED);
	h_prefork(2, lfd, serve);
	/*
	 * These are delivered at once, and closed: the clients send nothing. What is wanted
	 * of them is the CPUs' local listeners.
	 */
	for (unsigned i = 0; i < (h_present() ? 100 : 4); i++) {
		h_load(h_port(lfd), 4, &res);
		if (h_local_accepts(lfd, h_cpu[0], NULL) && h_local_accepts(lfd, h_cpu[1], NULL))
			break;
	}
	H_OK(setsockopt(lfd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &seconds, sizeof(seconds)));
	H_OK(getsockopt(lfd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &back, &len));
	h_say("TCP_DEFER_ACCEPT = %d", back);
	*taken = 0;
	for (unsigned i = 0; i < H_CPUS; i++) {
		int silent, talks;

		h_pin(h_cpu[i]);
		silent = H_OK(h_connect(h_port(lfd)));
		talks = H_OK(h_connect(h_port(lfd)));
		H_CHECK(send(talks, "hi", 2, 0) == 2);
		h_say("client %u: who talks is %s", i, answered(talks) ? "answered" : "dropped");
		h_say("client %u: %u taken so far", i, *taken);
		H_CHECK(send(silent, "hi", 2, 0) == 2);
		h_say("client %u: who was silent is %s", i, answered(silent) ? "answered" : "dropped");
		h_say("client %u: %u taken so far", i, *taken);
		close(silent);
		close(talks);
	}
	h_report_state(lfd);
}

const struct h_story h_story = { .expect = "active\n", .run = run };
