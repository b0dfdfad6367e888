/*
 * EPOLL_CTL_MOD on a registration with EPOLLEXCLUSIVE, or to one, before and after
 * the worker has moved over to its local listener. Promised: refused, as the kernel does
 * it, and the registration stays what it was.
 */
#define _GNU_SOURCE
#include "harness.h"

static int ep;

static struct epoll_event *event(uint32_t events, uint64_t data)
{
	static struct epoll_event ev;

	ev.events = events;
	ev.data.u64 = data;
	return &ev;
}

/* A connection is told of and accepted. */
static void arrive(int lfd, unsigned from)
{
	struct epoll_event got = { 0 };
	int client, n;

	h_pin(h_cpu[from]);
	client = H_OK(h_connect(h_port(lfd)));
	h_unpin();
	n = epoll_wait(ep, &got, 1, H_PATIENCE * 1000);
	h_say("  %d: events %#x, data %llu", n, got.events, (unsigned long long)got.data.u64);
	H_OK(close(H_OK(accept(lfd, NULL, NULL))));
	H_OK(close(client));
}

static void mods(int lfd)
{
	const uint32_t in = EPOLLIN, exclusive = EPOLLIN | EPOLLEXCLUSIVE;

	H_TELL(epoll_ctl(ep, EPOLL_CTL_ADD, lfd, event(exclusive, 1)));
	for (unsigned i = 0; i < 2; i++) {
		h_say("- exclusive, waited on %u times", i);
		H_TELL(epoll_ctl(ep, EPOLL_CTL_MOD, lfd, event(in, 2)));
		H_TELL(epoll_ctl(ep, EPOLL_CTL_MOD, lfd, event(exclusive, 3)));
		H_TELL(epoll_ctl(ep, EPOLL_CTL_MOD, lfd, event(0, 4)));
		for (unsigned c = 0; c < H_CPUS; c++)
			arrive(lfd, c);
	}
	H_TELL(epoll_ctl(ep, EPOLL_CTL_DEL, lfd, NULL));
	H_TELL(epoll_ctl(ep, EPOLL_CTL_ADD, lfd, event(in, 5)));
	for (unsigned i = 0; i < 2; i++) {
		h_say("- not exclusive, waited on %u times", i);
		H_TELL(epoll_ctl(ep, EPOLL_CTL_MOD, lfd, event(exclusive, 6)));
		for (unsigned c = 0; c < H_CPUS; c++)
			arrive(lfd, c);
		H_TELL(epoll_ctl(ep, EPOLL_CTL_MOD, lfd, event(in, 7)));
		for (unsigned c = 0; c < H_CPUS; c++)
			arrive(lfd, c);
	}
	H_TELL(epoll_ctl(ep, EPOLL_CTL_DEL, lfd, NULL));
}

static void run(void)
{
	int lfd;

	ep = H_OK(epoll_create1(0));
	lfd = h_listener(SOCK_NONBLOCK);
	h_say("== alone");
	mods(lfd);
	h_activate(lfd);
	h_say("== two workers");
	mods(lfd);
	h_report(h_active() ? "active" : "inactive");
}

const struct h_story h_story = { .expect = "active\n", .run = run };
