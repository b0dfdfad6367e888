/*
 * The threads that accepted end, others take their place, and what the first ones
 * left open is closed by these. Promised: the new ones' count of open connections is that of
 * their own, and never below none.
 */
#define _GNU_SOURCE
#include "serve.h"

#include "core/region.h"

#define THREADS 2
#define ALL (10 * H_CPUS)

static int listener;
static int conn[ALL];
static _Atomic unsigned accepted;
static _Atomic bool stop;

static void *worker(void *unused)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = H_OK(epoll_create1(0));

	H_OK(epoll_ctl(ep, EPOLL_CTL_ADD, listener, &ev));
	while (!stop) {
		int got = epoll_wait(ep, &ev, 1, 5) == 1 ? accept(listener, NULL, NULL) : -1;

		if (got >= 0)
			conn[accepted++] = got;
	}
	H_OK(close(ep));
	return unused;
}

static bool all_accepted(void *unused)
{
	(void)unused;
	return accepted == ALL;
}

static bool both_wait(void *unused)
{
	(void)unused;
	return !h_present() || h_counts().workers == THREADS;
}

static void start(pthread_t *threads)
{
	stop = false;
	for (unsigned i = 0; i < THREADS; i++)
		H_CHECK(pthread_create(&threads[i], NULL, worker, NULL) == 0);
	H_CHECK(h_until(both_wait, NULL));
}

static void end(const pthread_t *threads)
{
	stop = true;
	for (unsigned i = 0; i < THREADS; i++)
		H_CHECK(pthread_join(threads[i], NULL) == 0);
}

static void report(const char *when)
{
	const struct fs_worker_rec *rec;
	unsigned long sum = 0;

	if (!h_present())
		return;
	rec = (const void *)((const char *)h_region() + fs_region_workers_at());
	for (unsigned w = 0; w < FS_WORKERS_MAX; w++)
		sum += rec[w].state == FS_WORKER_LIVE ? rec[w].open : 0;
	h_report("%s: %lu", when, sum);
}

static void accept_all(int *client)
{
	accepted = 0;
	for (unsigned i = 0; i < ALL; i++)
		client[i] = h_connect_from(i % H_CPUS, h_port(listener));
	H_CHECK(h_until(all_accepted, NULL));
	h_say("%u accepted", accepted);
}

static void close_all(const int *fd)
{
	for (unsigned i = 0; i < ALL; i++)
		H_OK(close(fd[i]));
}

static void run(void)
{
	int client[ALL], old[ALL];
	pthread_t threads[THREADS];

	listener = h_listener(SOCK_NONBLOCK);
	start(threads);
	accept_all(client);
	report("accepted");
	memcpy(old, conn, sizeof(old));
	close_all(client);
	end(threads);
	report("no workers");
	start(threads);
	close_all(old);
	report("old ones closed by new workers");
	accept_all(client);
	report("accepted by them");
	close_all(conn);
	close_all(client);
	report("closed");
	end(threads);
}

const struct h_story h_story = {
	.expect = "accepted: 20\nno workers: 0\nold ones closed by new workers: 0\naccepted by them: 20\nclosed: 0\n",
	.run = run,
};
