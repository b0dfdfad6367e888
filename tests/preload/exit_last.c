/*
 * Workers end by exit(), with connections in their queues, as at the end of a graceful
 * stop: first one of two, whose partner goes on; then both. Promised: the partner
 * answers what the first one leaves. When the last one leaves, what arrives later waits at
 * the application's own listener, and no worker that comes then leaves anything unanswered.
 */
#define _GNU_SOURCE
#include "serve.h"

#include <netinet/tcp.h>
#include <sys/mman.h>

#include "core/region.h"

#define QUEUED 5

static _Atomic int *leaves; /* of each worker: shall end */
static pid_t pid[4];
static int lfd;

static void leave(int fd, unsigned worker)
{
	(void)fd;
	if (leaves[worker])
		exit(0);
}

static void start(unsigned worker)
{
	leaves[worker] = 0;
	pid[worker] = h_fork();
	if (pid[worker] == 0)
		h_serve(lfd, worker);
}

static bool serves(void *worker)
{
	struct h_result res;

	h_load(h_port(lfd), 5, &res);
	H_CHECK(res.answered[0] == 5 && res.answered[1] == 5);
	return h_worker[*(unsigned *)worker].served > 0;
}

/* Its queue is held by it until it is gone: it ends before it accepts again. */
static void unstick_and_leave(struct h_stuck s)
{
	siginfo_t how;

	leaves[s.worker] = 1;
	h_unstick(s);
	H_OK(waitid(P_PID, (id_t)pid[s.worker], &how, WEXITED | WNOWAIT));
	H_CHECK(how.si_code == CLD_EXITED && how.si_status == 0);
}

static void queue(int *fd)
{
	for (unsigned i = 0; i < H_CPUS * QUEUED; i++)
		fd[i] = h_connect_from(i % H_CPUS, h_port(lfd));
}

static void answered(const char *when, int *fd)
{
	unsigned n = 0;

	for (unsigned i = 0; i < H_CPUS * QUEUED; i++)
		n += h_answered_by(fd[i]) < H_WORKERS_MAX;
	h_say("%s: %u of %u answered", when, n, H_CPUS * QUEUED);
}

/* Connections that wait at the application's own listener. */
static unsigned at_global(void)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	H_OK(getsockopt(lfd, IPPROTO_TCP, TCP_INFO, &info, &len));
	return info.tcpi_unacked;
}

/* Whether others may take from a queue because nobody serves its core any more. */
static bool marked(void)
{
	struct fs_region_head *head = h_region();
	bool any = false;

	for (uint32_t g = 0; head && g < FS_GROUPS_MAX; g++)
		for (uint32_t c = 0; c < head->ncores; c++)
			any |= ((struct fs_core_rec *)((char *)head + fs_region_core_at(head->ncores, g, c)))->help == FS_HELP_DESERTED;
	return any;
}

static void run(void)
{
	int before[H_CPUS * QUEUED], after[H_CPUS * QUEUED];
	struct h_stuck s[2];
	unsigned held;

	leaves = mmap(NULL, H_WORKERS_MAX * sizeof(*leaves), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	H_CHECK(leaves != MAP_FAILED);
	h_serve_as(H_LOOP_EPOLL);
	h_serve_each = leave;
	lfd = h_serve_listener();
	for (unsigned i = 0; i < 2; i++)
		start(i);
	h_warm_up(lfd);
	H_CHECK(h_all_local(lfd));
	h_report_state(lfd);

	for (unsigned i = 0; i < 2; i++)
		s[i] = h_stick(h_port(lfd), i, H_STICK_BLOCK);
	queue(before);
	unstick_and_leave(s[0]);
	h_unstick(s[1]);
	answered("one of two leaves", before);
	h_say("later: %s", h_all_by(h_port(lfd), s[1].worker) ? "answered by the other one" : "not answered by the other one");

	/* Its place is taken, and then both leave. */
	start(2);
	H_CHECK(h_until(serves, &(unsigned){ 2 }));
	H_CHECK(h_all_local(lfd));
	for (unsigned i = 0; i < 2; i++)
		s[i] = h_stick(h_port(lfd), i, H_STICK_BLOCK);
	queue(before);
	for (unsigned i = 0; i < 2; i++)
		unstick_and_leave(s[i]);
	held = at_global();
	queue(after);
	h_say("both left: %u wait at the listener", at_global() - held);
	h_report("%u of those before", held);
	h_report("what they leave is %s", marked() ? "for others" : "for nobody");
	start(3);
	answered("before they left", before);
	answered("after they left", after);
}

const struct h_story h_story = {
	.env = "FASTSOCK_STEAL=on\nFASTSOCK_BALANCE=off\n",
	.expect = "active\n0 of those before\nwhat they leave is for others\n",
	.run = run,
};
