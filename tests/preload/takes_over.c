/*
 * Threads that do not keep to what they waited for before: one goes on with the
 * epoll instance of another that ended; one looks once at its neighbour's; one
 * opens and closes another listener before it accepts; and two go on with a
 * listener that was closed and made anew. Promised: everybody is answered, and no
 * wait ends for what accept() does not find.
 */
#define _GNU_SOURCE
#include "harness.h"

static int instance[2];
static _Atomic int current, stop, look, disturb, idle;

/* A connection that somebody else took explains one empty accept(), not a thousand of them. */
static void take(int lfd, unsigned worker)
{
	static __thread unsigned empty;
	int conn = accept(lfd, NULL, NULL);

	if (conn >= 0) {
		empty = 0;
		h_answer(conn, worker);
		return;
	}
	H_CHECK(errno == EAGAIN);
	H_CHECK(++empty < 1000);
}

static void *with_epoll(void *arg)
{
	unsigned worker = (unsigned)(uintptr_t)arg, own = worker == 1;
	struct epoll_event ev;

	h_pin(h_cpu[worker != 0]);
	while (worker == 2 || !stop) {
		if (worker == 0 && look == 1) {
			epoll_wait(instance[1], &ev, 1, 0);
			look = 2;
		}
		if (epoll_wait(instance[own], &ev, 1, 5) != 1)
			continue;
		if (worker == 0 && disturb == 1) {
			H_OK(close(h_listener(SOCK_NONBLOCK)));
			disturb = 2;
		}
		take(current, worker);
	}
	return NULL;
}

static void with_poll(int unused, unsigned worker)
{
	(void)unused;
	h_pin(h_cpu[worker]);
	for (;;) {
		struct pollfd p = { .fd = current, .events = POLLIN };

		if (p.fd < 0) {
			idle |= 1 << worker;
			h_sleep_ms(2);
		} else if (poll(&p, 1, 5) == 1) {
			take(p.fd, worker);
		}
	}
}

/* `local`: how it must be in the end. */
static void load(const char *name, bool local)
{
	struct h_result res;
	bool seen = false;

	for (unsigned i = 0; i < 5 || (h_present() && local && !seen && i < 300); i++) {
		h_load(h_port(current), 20, &res);
		H_CHECK(res.answered[0] == 20 && res.answered[1] == 20);
		seen = res.by_worker[0][0] == 20 && res.by_worker[1][1] == 20;
	}
	h_say("%s: all answered", name);
	h_report("%s: %s", name, !local || seen ? "served" : "not where they arrive");
}

static bool looked(void *arg)
{
	(void)arg;
	return look == 2;
}

static bool all_idle(void *arg)
{
	(void)arg;
	return idle == 3;
}

static void run(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	pthread_t t[3];

	current = h_listener(SOCK_NONBLOCK);
	for (uintptr_t i = 0; i < 2; i++) {
		instance[i] = H_OK(epoll_create1(0));
		H_OK(epoll_ctl(instance[i], EPOLL_CTL_ADD, current, &ev));
		H_CHECK(pthread_create(&t[i], NULL, with_epoll, (void *)i) == 0);
	}
	h_warm_up(current);
	load("two threads", true);
	disturb = 1;
	load("another listener comes and goes", true);
	H_CHECK(disturb == 2 || !h_present());
	look = 1;
	H_CHECK(h_until(looked, NULL));
	load("a look at the neighbour's", true);
	stop = 1;
	H_CHECK(pthread_join(t[0], NULL) == 0 && pthread_join(t[1], NULL) == 0);
	H_CHECK(pthread_create(&t[2], NULL, with_epoll, (void *)2) == 0);
	load("taken over", false);
	/* The third thread stays with what is closed now. */
	H_OK(close(current));
	current = h_listener(SOCK_NONBLOCK);
	h_threads(2, current, with_poll);
	h_warm_up(current);
	for (unsigned i = 0; i < 3; i++) {
		int old = current;

		load("two threads that poll", true);
		current = -1;
		idle = 0;
		H_CHECK(h_until(all_idle, NULL));
		H_OK(close(old));
		current = h_listener(SOCK_NONBLOCK);
	}
	load("made anew", true);
	h_report(h_active() ? "active" : "inactive");
}

const struct h_story h_story = {
	.expect = "two threads: served\nanother listener comes and goes: served\n"
		  "a look at the neighbour's: served\ntaken over: served\n"
		  "two threads that poll: served\ntwo threads that poll: served\ntwo threads that poll: served\n"
		  "made anew: served\nactive\n",
	.run = run,
};
