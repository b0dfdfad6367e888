/*
 * epoll_ctl() on a listener and what epoll_wait() then returns: errors, data, MOD
 * and DEL, level, edge and one-shot. Promised: call by call what the kernel does,
 * alone and as one of two workers.
 */
#define _GNU_SOURCE
#include "harness.h"

#define DATA_ADD 0x0123456789abcdefULL
#define DATA_MOD 0xfedcba9876543210ULL

static int ep;

static struct epoll_event *event(uint32_t events, uint64_t data)
{
	static struct epoll_event ev;

	ev.events = events;
	ev.data.u64 = data;
	return &ev;
}

/* What there is to be had; waits for it only if something is expected. */
static void drain(const char *what, bool some)
{
	struct epoll_event got[4];
	int n = epoll_wait(ep, got, 4, some ? H_PATIENCE * 1000 : 0);

	h_say("%s: %d", what, n);
	for (int i = 0; i < n; i++)
		h_say("  events %#x data %#llx", got[i].events, (unsigned long long)got[i].data.u64);
}

static void errors(int lfd, int other)
{
	H_TELL(epoll_ctl(ep, EPOLL_CTL_MOD, lfd, event(EPOLLIN, 0)));
	H_TELL(epoll_ctl(ep, EPOLL_CTL_DEL, lfd, NULL));
	H_TELL(epoll_ctl(ep, EPOLL_CTL_ADD, lfd, event(EPOLLIN | EPOLLEXCLUSIVE | EPOLLONESHOT, 0)));
	H_TELL(epoll_ctl(ep, EPOLL_CTL_MOD, lfd, event(EPOLLIN | EPOLLEXCLUSIVE, 0)));
	H_TELL(epoll_ctl(ep, 99, lfd, event(EPOLLIN, 0)));
	H_TELL(epoll_ctl(ep, EPOLL_CTL_ADD, lfd, NULL));
	H_TELL(epoll_ctl(ep, EPOLL_CTL_ADD, 1023, event(EPOLLIN, 0)));
	H_TELL(epoll_ctl(1023, EPOLL_CTL_ADD, lfd, event(EPOLLIN, 0)));
	H_TELL(epoll_ctl(other, EPOLL_CTL_ADD, lfd, event(EPOLLIN, 0)));
	H_TELL(epoll_ctl(lfd, EPOLL_CTL_ADD, lfd, event(EPOLLIN, 0)));
	H_TELL(epoll_ctl(ep, EPOLL_CTL_ADD, ep, event(EPOLLIN, 0)));
	H_TELL(epoll_ctl(ep, EPOLL_CTL_ADD, lfd, event(EPOLLIN | EPOLLEXCLUSIVE, 0)));
	H_TELL(epoll_ctl(ep, EPOLL_CTL_ADD, lfd, event(EPOLLIN, 0)));
	H_TELL(epoll_ctl(ep, EPOLL_CTL_MOD, lfd, event(EPOLLIN, 0)));
	H_TELL(epoll_ctl(ep, EPOLL_CTL_DEL, lfd, NULL));
	H_TELL(epoll_ctl(ep, EPOLL_CTL_DEL, lfd, NULL));
}

/* A connection that waits to be accepted, known to have arrived. */
static int arrive(int lfd)
{
	int client = H_OK(h_connect(h_port(lfd)));

	H_CHECK(h_wait_readable(lfd));
	return client;
}

static void take(int lfd, int client)
{
	H_OK(close(H_OK(accept(lfd, NULL, NULL))));
	H_OK(close(client));
	H_TELL(accept(lfd, NULL, NULL));
}

static void events(int lfd)
{
	int client;

	h_say("- level");
	H_TELL(epoll_ctl(ep, EPOLL_CTL_ADD, lfd, event(EPOLLIN, DATA_ADD)));
	drain("nothing", false);
	client = arrive(lfd);
	drain("connection", true);
	drain("still there", true);
	H_TELL(epoll_ctl(ep, EPOLL_CTL_MOD, lfd, event(EPOLLIN | EPOLLRDHUP, DATA_MOD)));
	drain("other data", true);
	H_TELL(epoll_ctl(ep, EPOLL_CTL_MOD, lfd, event(0, DATA_MOD)));
	drain("no events wanted", false);
	H_TELL(epoll_ctl(ep, EPOLL_CTL_MOD, lfd, event(EPOLLOUT, DATA_MOD)));
	drain("a listener is never writable", false);
	H_TELL(epoll_ctl(ep, EPOLL_CTL_MOD, lfd, event(EPOLLIN | EPOLLRDNORM, DATA_MOD)));
	drain("again", true);
	H_TELL(epoll_ctl(ep, EPOLL_CTL_DEL, lfd, event(0, 0)));
	drain("taken out", false);
	take(lfd, client);

	h_say("- edge");
	H_TELL(epoll_ctl(ep, EPOLL_CTL_ADD, lfd, event(EPOLLIN | EPOLLET, DATA_ADD)));
	client = arrive(lfd);
	drain("connection", true);
	drain("no news", false);
	H_TELL(epoll_ctl(ep, EPOLL_CTL_MOD, lfd, event(EPOLLIN | EPOLLET, DATA_MOD)));
	drain("MOD tells again", true);
	drain("no news", false);
	take(lfd, client);
	drain("accepted", false);
	client = arrive(lfd);
	drain("next connection", true);
	take(lfd, client);
	H_TELL(epoll_ctl(ep, EPOLL_CTL_DEL, lfd, NULL));

	h_say("- one-shot");
	client = arrive(lfd);
	H_TELL(epoll_ctl(ep, EPOLL_CTL_ADD, lfd, event(EPOLLIN | EPOLLONESHOT, DATA_ADD)));
	drain("was there before", true);
	drain("disarmed", false);
	H_TELL(epoll_ctl(ep, EPOLL_CTL_MOD, lfd, event(EPOLLIN | EPOLLONESHOT, DATA_MOD)));
	drain("armed", true);
	drain("disarmed", false);
	take(lfd, client);
	H_TELL(epoll_ctl(ep, EPOLL_CTL_DEL, lfd, NULL));

	h_say("- exclusive");
	H_TELL(epoll_ctl(ep, EPOLL_CTL_ADD, lfd, event(EPOLLIN | EPOLLEXCLUSIVE, DATA_ADD)));
	client = arrive(lfd);
	drain("connection", true);
	drain("still there", true);
	take(lfd, client);
	H_TELL(epoll_ctl(ep, EPOLL_CTL_DEL, lfd, NULL));
	H_TELL(epoll_ctl(ep, EPOLL_CTL_ADD, lfd, event(EPOLLIN | EPOLLEXCLUSIVE | EPOLLET, DATA_MOD)));
	client = arrive(lfd);
	drain("connection, edge", true);
	drain("no news", false);
	take(lfd, client);
	H_TELL(epoll_ctl(ep, EPOLL_CTL_DEL, lfd, NULL));
}

static void run(void)
{
	int other[2], lfd;

	/* Not to be found at whatever number comes next. */
	H_OK(pipe(other));
	ep = H_OK(epoll_create1(0));
	lfd = h_listener(SOCK_NONBLOCK);
	h_say("== alone");
	errors(lfd, other[0]);
	events(lfd);
	h_activate(lfd);
	h_say("== two workers");
	errors(lfd, other[0]);
	events(lfd);
	H_TELL(epoll_ctl(ep, EPOLL_CTL_ADD, lfd, event(EPOLLIN, DATA_ADD)));
	/* Every CPU's connections, with the other worker out. */
	for (unsigned i = 0; i < 20; i++) {
		int client;

		h_pin(h_cpu[i % H_CPUS]);
		client = H_OK(h_connect(h_port(lfd)));
		drain("connection", true);
		take(lfd, client);
	}
	h_report(h_active() ? "active" : "inactive");
	H_OK(close(lfd));
	drain("closed", false);
}

const struct h_story h_story = { .expect = "active\n", .run = run };
