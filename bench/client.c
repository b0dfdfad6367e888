/* See client.h. */
#define _GNU_SOURCE
#include <math.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "bench.h"
#include "client.h"

/* How long the end of the time, which a signal may bring forward, can go unnoticed. */
#define LOOK_UP_MS 10

static void count(struct client *c, const struct request *r, enum outcome outcome)
{
	const struct load *load = c->load;
	uint64_t now = bench_now();

	if (r->due < load->count_from || r->due >= atomic_load_explicit(&load->count_until, memory_order_relaxed))
		return;
	c->outcome[outcome]++;
	if (outcome != OUTCOME_OK)
		return;
	histogram_add(r->blocked ? &c->blocked : &c->latency, now - r->due);
	if (now >= atomic_load_explicit(&load->mark_from, memory_order_relaxed) &&
	    now < atomic_load_explicit(&load->mark_until, memory_order_relaxed))
		c->marked_ok++;
}

/* False when the request came to nothing at once. */
static bool start(struct client *c, uint64_t due)
{
	struct request *r = c->unused, *last = c->under_way.previous;
	enum outcome outcome;

	r->due = due;
	r->started = bench_now();
	outcome = request_start(r, c->ep, &c->load->server, htonl(INADDR_ANY));
	if (outcome != OUTCOME_PENDING) {
		count(c, r, outcome);
		return false;
	}
	c->unused = r->next;
	r->previous = last;
	r->next = &c->under_way;
	last->next = c->under_way.previous = r;
	return true;
}

static void finish(struct client *c, struct request *r, enum outcome outcome)
{
	count(c, r, outcome);
	request_end(r);
	r->previous->next = r->next;
	r->next->previous = r->previous;
	r->next = c->unused;
	c->unused = r;
}

/* The next request of a Poisson process: exponential gaps. */
static void draw(struct client *c)
{
	double uniform;

	drand48_r(&c->random, &uniform);
	c->due += -log1p(-uniform) * 1e9 / c->load->rate;
}

/* A timer, because a wait's milliseconds are coarser than the latencies of a good server. */
static void wake_at(const struct client *c, uint64_t when)
{
	struct itimerspec at = { .it_value = { .tv_sec = (time_t)(when / 1000000000), .tv_nsec = (long)(when % 1000000000) } };

	if (timerfd_settime(c->timer, TFD_TIMER_ABSTIME, &at, NULL) != 0)
		bench_die("timerfd_settime: %s", strerror(errno));
}

static void start_due(struct client *c, uint64_t until)
{
	while (c->due < (double)until && c->due <= (double)bench_now()) {
		if (!c->unused) {
			c->held_back += !c->waiting;
			c->waiting = true;
			return;
		}
		start(c, (uint64_t)c->due);
		c->waiting = false;
		draw(c);
	}
	if (c->due < (double)until)
		wake_at(c, (uint64_t)c->due);
}

/* One that fails at once, for want of a local port perhaps, is not tried again before the next look. */
static void start_free(struct client *c)
{
	while (c->unused && start(c, bench_now()))
		;
}

static void expire(struct client *c)
{
	uint64_t now = bench_now();

	while (c->under_way.next != &c->under_way && c->under_way.next->started + c->load->timeout <= now)
		finish(c, c->under_way.next, OUTCOME_TIMED_OUT);
}

static void set_up(struct client *c)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET };

	bench_pin(c->cpu);
	c->ep = epoll_create1(EPOLL_CLOEXEC);
	c->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (c->ep < 0 || c->timer < 0 || epoll_ctl(c->ep, EPOLL_CTL_ADD, c->timer, &ev) != 0)
		bench_die("epoll and timer: %s", strerror(errno));
	c->requests = calloc(c->load->slots, sizeof(struct request));
	if (!c->requests)
		bench_die("out of memory");
	for (unsigned i = c->load->slots; i-- > 0;) {
		c->requests[i].fd = -1;
		c->requests[i].next = c->unused;
		c->unused = &c->requests[i];
	}
	c->under_way.next = c->under_way.previous = &c->under_way;
	srand48_r((long)(c->load->seed * BENCH_CPUS_MAX + c->cpu), &c->random);
	if (c->load->rate > 0) {
		c->due = (double)bench_now();
		draw(c);
	}
}

void *client_main(void *arg)
{
	struct client *c = arg;
	struct epoll_event events[256];

	set_up(c);
	for (;;) {
		uint64_t until = atomic_load(&c->load->count_until);
		bool over = bench_now() >= until;
		int n;

		/* What was due in time is started even if that is noticed late, unless it waits for a slot. */
		if (c->load->rate > 0 && !(over && c->waiting))
			start_due(c, until);
		else if (c->load->rate == 0 && !over)
			start_free(c);
		if (over && c->under_way.next == &c->under_way)
			break;
		n = epoll_wait(c->ep, events, 256, LOOK_UP_MS);
		for (int i = 0; i < n; i++) {
			struct request *r = events[i].data.ptr;
			enum outcome outcome = r ? request_advance(r) : OUTCOME_PENDING;

			if (outcome != OUTCOME_PENDING)
				finish(c, r, outcome);
		}
		expire(c);
	}
	for (; c->load->rate > 0 && c->due < (double)atomic_load(&c->load->count_until); draw(c))
		c->unstarted++;
	free(c->requests);
	close(c->timer);
	close(c->ep);
	return NULL;
}
