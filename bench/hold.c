/* See hold.h. */
#define _GNU_SOURCE
#include <sys/epoll.h>
#include <unistd.h>

#include "bench.h"
#include "hold.h"

/* Handshakes under way at once: well below what a listener's backlog holds. */
#define PENDING_MAX 64
/* Well below the number of ports that connect() chooses from, of which some are in use elsewhere. */
#define PER_ADDRESS 10000
/* How long the end of the time, which a signal may bring forward, can go unnoticed. */
#define LOOK_UP_MS 10

struct hold {
	const struct load *load;
	struct request *requests;
	unsigned wanted, started, pending, held, lost;
	uint64_t outcome[OUTCOMES];
	int ep;
};

static void settle(struct hold *h, struct request *r, enum outcome outcome)
{
	h->pending--;
	h->outcome[outcome]++;
	if (outcome == OUTCOME_OK) {
		h->held++;
		r->due = 0; /* no longer waited for */
	} else if (r->fd >= 0) {
		request_end(r);
	}
}

static void start_some(struct hold *h, uint64_t began)
{
	while (h->started < h->wanted && h->pending < PENDING_MAX) {
		struct request *r = &h->requests[h->started];
		uint64_t now = bench_now();
		enum outcome outcome;

		if (h->load->rate > 0 && (double)(now - began) * h->load->rate < h->started * 1e9)
			return;
		r->keep = true;
		r->due = r->started = now;
		/* 127.0.0.1, 127.0.0.2, ...: as many clients as it takes. */
		outcome = request_start(r, h->ep, &h->load->server,
					htonl(INADDR_LOOPBACK + h->started / PER_ADDRESS));
		h->started++;
		h->pending++;
		if (outcome != OUTCOME_PENDING)
			settle(h, r, outcome);
	}
}

static void look(struct hold *h, struct request *r)
{
	char byte;

	if (r->fd < 0)
		return;
	if (r->due) {
		enum outcome outcome = request_advance(r);

		if (outcome != OUTCOME_PENDING)
			settle(h, r, outcome);
	} else if (recv(r->fd, &byte, 1, 0) >= 0 || errno != EAGAIN) {
		/* Nothing was asked for: whatever comes is the end. */
		h->lost++;
		request_end(r);
	}
}

static void expire(struct hold *h)
{
	uint64_t now = bench_now();

	for (unsigned i = 0; h->pending && i < h->started; i++) {
		struct request *r = &h->requests[i];

		if (r->fd >= 0 && r->due && r->started + h->load->timeout <= now)
			settle(h, r, OUTCOME_TIMED_OUT);
	}
}

static void tell(const struct hold *h)
{
	printf("held %u\nrefused %llu\nreset %llu\ncut %llu\ntimed_out %llu\nother %llu\n", h->held,
	       (unsigned long long)h->outcome[OUTCOME_REFUSED], (unsigned long long)h->outcome[OUTCOME_RESET],
	       (unsigned long long)h->outcome[OUTCOME_CUT], (unsigned long long)h->outcome[OUTCOME_TIMED_OUT],
	       (unsigned long long)h->outcome[OUTCOME_OTHER]);
	fflush(stdout);
}

void hold_run(const struct load *load, unsigned cpu, unsigned wanted)
{
	struct hold h = { .load = load, .wanted = wanted, .ep = epoll_create1(EPOLL_CLOEXEC) };
	uint64_t began = bench_now(), looked = began;
	struct epoll_event events[256];
	bool told = false;

	bench_pin(cpu);
	h.requests = calloc(wanted, sizeof(struct request));
	if (!h.requests || h.ep < 0)
		bench_die("cannot hold %u connections: %s", wanted, strerror(errno));
	while (bench_now() < atomic_load(&load->count_until)) {
		int n;

		start_some(&h, began);
		n = epoll_wait(h.ep, events, 256, h.started < wanted ? 1 : LOOK_UP_MS);
		for (int i = 0; i < n; i++)
			look(&h, events[i].data.ptr);
		if (bench_now() - looked > 100 * UINT64_C(1000000)) {
			looked = bench_now();
			expire(&h);
		}
		if (!told && h.started == wanted && !h.pending) {
			tell(&h);
			told = true;
		}
	}
	if (!told)
		tell(&h);
	printf("lost %u\n", h.lost);
	free(h.requests);
}
