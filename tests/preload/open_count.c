/*
 * Connections that stay open, until their workers end them, in every way there is.
 * Promised: what is counted as open is what is open; what a child does with its copies does
 * not count.
 */
#define _GNU_SOURCE
#include "serve.h"

#include <sys/mman.h>
#include <sys/syscall.h>

#include "core/region.h"

#define ALL (10 * H_CPUS)

static struct {
	_Atomic int keep;
	_Atomic unsigned way;   /* enum way, for both workers, */
	_Atomic unsigned order; /* when this changes */
	_Atomic unsigned done;
	_Atomic unsigned held;
} *shared;

enum way { CLOSE, COPY, SHUTDOWN, DUP2, RANGE, UNSEEN, CHILD, WAYS };
static const char *const names[WAYS] = {
	"close",       "close, with a copy",         "shutdown and close", "dup2 onto it",
	"close_range", "close unseen, number reused", "in a child",
};

static void end(enum way way, int fd)
{
	int other = way == COPY ? H_OK(dup(fd)) : -1;

	if (way == SHUTDOWN)
		H_OK(shutdown(fd, SHUT_RDWR));
	else if (way == DUP2)
		H_OK(dup2(STDIN_FILENO, fd));
	else if (way == UNSEEN)
		H_OK(syscall(SYS_close, fd));
	/* The number belongs to something else then; the library's thread may have it for a moment. */
	while (way == UNSEEN && (other = H_OK(fcntl(STDIN_FILENO, F_DUPFD, fd))) != fd)
		H_OK(close(other));
	if (way == RANGE)
		H_OK(close_range((unsigned)fd, (unsigned)fd, 0));
	else
		H_OK(close(fd));
	if (way == COPY)
		H_OK(close(other));
}

/* Its copies: the worker has them open still. */
static void in_a_child(const int *conn, unsigned n)
{
	int status;
	pid_t pid = H_OK(fork());

	for (unsigned i = 0; pid == 0 && i < n; i++)
		H_OK(close(conn[i]));
	if (pid == 0)
		_exit(0);
	H_CHECK(waitpid(pid, &status, 0) == pid && status == 0);
}

static void serve(int lfd, unsigned worker)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = H_OK(epoll_create1(0)), conn[ALL];
	unsigned n = 0, order = 0;

	H_OK(epoll_ctl(ep, EPOLL_CTL_ADD, lfd, &ev));
	for (;;) {
		int got = epoll_wait(ep, &ev, 1, 5) == 1 ? accept(lfd, NULL, NULL) : -1;

		if (got >= 0 && !shared->keep) {
			h_answer(got, worker);
		} else if (got >= 0) {
			H_CHECK(n < ALL);
			conn[n++] = got;
			shared->held++;
		}
		if (shared->order == order)
			continue;
		order = shared->order;
		if (shared->way == CHILD)
			in_a_child(conn, n);
		while (shared->way != CHILD && n > 0)
			end(shared->way, conn[--n]);
		shared->done++;
	}
}

static unsigned open_now(void)
{
	const struct fs_worker_rec *rec = (const void *)((const char *)h_region() + fs_region_workers_at());
	unsigned sum = 0;

	for (unsigned w = 0; h_present() && w < FS_WORKERS_MAX; w++)
		sum += rec[w].state == FS_WORKER_LIVE ? rec[w].open : 0;
	return sum;
}

static bool reached(void *count)
{
	return *(_Atomic unsigned *)count == (count == &shared->done ? 2 : ALL);
}

static void tell(enum way way)
{
	shared->done = 0;
	shared->way = way;
	shared->order++;
	H_CHECK(h_until(reached, &shared->done));
}

static void run(void)
{
	int lfd = h_listener(SOCK_NONBLOCK), fd[ALL];

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	H_CHECK(shared != MAP_FAILED);
	h_prefork(2, lfd, serve);
	h_warm_up(lfd);
	h_report_state(lfd);
	shared->keep = 1;
	for (enum way way = CLOSE; way < WAYS; way++) {
		unsigned ended = 0, before;
		char c;

		shared->held = 0;
		for (unsigned i = 0; i < ALL; i++)
			fd[i] = h_connect_from(i % H_CPUS, h_port(lfd));
		H_CHECK(h_until(reached, &shared->held));
		before = open_now();
		tell(way);
		h_report("%s: %u, %u", names[way], before, open_now());
		tell(CLOSE);
		for (unsigned i = 0; i < ALL; i++) {
			ended += recv(fd[i], &c, 1, 0) == 0;
			H_OK(close(fd[i]));
		}
		h_say("%s: %u of %u ended", names[way], ended, ALL);
	}
	h_report("at last: %u", open_now());
}

const struct h_story h_story = {
	.expect = "active\nclose: 20, 0\nclose, with a copy: 20, 0\nshutdown and close: 20, 0\ndup2 onto it: 20, 0\n"
		  "close_range: 20, 0\nclose unseen, number reused: 20, 0\nin a child: 20, 20\nat last: 0\n",
	.run = run,
};
