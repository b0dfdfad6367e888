/*
 * Both workers are stuck, and in both queues connections wait; then one of them is free
 * again. Promised: while there is something in its own queue, it takes one of the other
 * one's connections for every five of its own: not none, and not those first.
 */
#define _GNU_SOURCE
#include "serve.h"

#include <sys/mman.h>

#include "core/region.h"

#define QUEUED 40
/* Accepts that are looked at: three turns. All of them find something in the worker's own queue. */
#define TURNS 3
#define LOOKED_AT (TURNS * 6)

static struct {
	_Atomic unsigned from; /* connections that the free one had served before */
	_Atomic uint64_t stolen[LOOKED_AT + 1];
} *shared;

/* After each connection that it served. */
static void each(int lfd, unsigned worker)
{
	unsigned n = h_worker[worker].served - shared->from;

	(void)lfd;
	if (n <= LOOKED_AT)
		shared->stolen[n] = h_counts().stolen;
}

static bool both_passed_by(void *unused)
{
	const struct fs_region_head *head = h_region();
	const struct fs_core_rec *rec;
	unsigned out = 0;

	(void)unused;
	for (uint32_t c = 0; head && c < head->ncores; c++) {
		rec = (const void *)((const char *)head + fs_region_core_at(head->ncores, 0, c));
		out += rec->out && rec->help == FS_HELP_STUCK;
	}
	return !head || out == H_CPUS;
}

static void one_is_free(int lfd, unsigned which)
{
	int fd[H_CPUS][1 + QUEUED];
	unsigned answered = 0, stolen;
	struct h_stuck s[H_CPUS];

	for (unsigned c = 0; c < H_CPUS; c++)
		s[c] = h_stick(h_port(lfd), c, H_STICK_BLOCK);
	for (unsigned c = 0; c < H_CPUS; c++)
		fd[c][0] = h_connect_from(c, h_port(lfd));
	/* When all are, nobody is: from now on, each CPU's connections get into its own queue. */
	H_CHECK(h_until(both_passed_by, NULL));
	for (unsigned i = 1; i <= QUEUED; i++)
		for (unsigned c = 0; c < H_CPUS; c++)
			fd[c][i] = h_connect_from(c, h_port(lfd));
	/* The one that it is stuck with does not count. */
	shared->from = h_worker[s[which].worker].served + 1;
	h_unstick(s[which]);
	for (unsigned c = 0; c < H_CPUS; c++)
		for (unsigned i = 0; i <= QUEUED; i++)
			answered += h_answered_by(fd[c][i]) == s[which].worker;
	h_say("%u of %u answered by the one that is free", answered, H_CPUS * (1 + QUEUED));
	/* Before the other one serves again. */
	stolen = (unsigned)(shared->stolen[LOOKED_AT] - shared->stolen[0]);
	h_unstick(s[!which]);
	if (stolen >= TURNS - 1 && stolen <= TURNS + 1)
		h_report("in turn");
	else
		h_report("%u of its first %u were the other one's", stolen, LOOKED_AT);
	H_CHECK(h_all_local(lfd));
}

static void run(void)
{
	int lfd;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	H_CHECK(shared != MAP_FAILED);
	h_serve_as(H_LOOP_EPOLL);
	h_serve_each = each;
	lfd = h_serve_listener();
	h_prefork(2, lfd, h_serve);
	h_warm_up(lfd);
	H_CHECK(h_all_local(lfd));
	for (unsigned which = 0; which < 2; which++)
		one_is_free(lfd, which);
	h_report(h_active() ? "active" : "inactive");
}

const struct h_story h_story = { .env = "FASTSOCK_STEAL=on\n", .expect = "in turn\nin turn\nactive\n", .run = run };
