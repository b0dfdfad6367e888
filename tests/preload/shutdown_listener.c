/*
 * shutdown(SHUT_RDWR) stops a listener (it is how some servers wake up their
 * threads); listen() starts it again. Promised: the whole group stops, the waits
 * end as they would without the library, and the group can come back.
 */
#define _GNU_SOURCE
#include "harness.h"

static void serve(int lfd, unsigned worker)
{
	for (;;) {
		int conn = accept(lfd, NULL, NULL);

		if (conn >= 0)
			h_answer(conn, worker);
		else
			_exit(errno == EINVAL ? 50 : 51);
	}
}

static void refused(uint16_t port)
{
	for (unsigned i = 0; i < H_CPUS; i++) {
		h_pin(h_cpu[i]);
		H_TELL(h_connect(port));
	}
}

static void *in_accept(void *arg)
{
	int lfd = *(int *)arg;
	int conn = accept(lfd, NULL, NULL);

	return (void *)(conn >= 0 ? "a connection" : strerrorname_np(errno));
}

static void alone(void)
{
	int lfd = h_listener(0);
	uint16_t port = h_port(lfd);
	struct pollfd p = { .fd = lfd, .events = POLLIN };
	void *result;
	pthread_t t;
	int n;

	H_CHECK(pthread_create(&t, NULL, in_accept, &lfd) == 0);
	h_sleep_ms(20);
	H_TELL(shutdown(lfd, SHUT_RDWR));
	H_CHECK(pthread_join(t, &result) == 0);
	h_say("a thread in accept(): %s", (const char *)result);
	n = poll(&p, 1, 0);
	h_say("poll %d, revents %#x", n, p.revents);
	H_TELL(accept(lfd, NULL, NULL));
	refused(port);
	H_TELL(listen(lfd, 8));
	h_say("poll %d", poll(&p, 1, 0));
	H_OK(close(H_OK(h_connect(h_port(lfd)))));
	H_TELL(shutdown(lfd, SHUT_WR));
	H_TELL(accept(lfd, NULL, NULL));
	H_OK(close(lfd));
}

/* As one of two workers, without blocking. */
static void as_a_worker(void)
{
	int lfd = h_listener(SOCK_NONBLOCK), n;
	uint16_t port = h_port(lfd);
	struct pollfd p = { .fd = lfd, .events = POLLIN };

	h_activate(lfd);
	h_report(h_active() ? "active" : "inactive");
	H_TELL(shutdown(lfd, SHUT_RDWR));
	H_TELL(accept(lfd, NULL, NULL));
	n = poll(&p, 1, 0);
	h_say("poll %d, revents %#x", n, p.revents);
	refused(port);
	H_OK(close(lfd));
	h_end_workers();
}

static void two_workers(void)
{
	int lfd = h_listener(0), status;
	uint16_t port = h_port(lfd);
	struct h_result res;
	pid_t pid[2];

	for (unsigned i = 0; i < 2; i++) {
		pid[i] = H_OK(fork());
		if (pid[i] == 0)
			serve(lfd, i);
	}
	h_warm_up(lfd);
	h_report_state(lfd);
	H_TELL(shutdown(lfd, SHUT_RDWR));
	for (unsigned i = 0; i < 2; i++) {
		H_CHECK(waitpid(pid[i], &status, 0) == pid[i]);
		h_say("worker %u: %s", i, WIFEXITED(status) && WEXITSTATUS(status) == 50 ? "EINVAL" : "other");
	}
	refused(port);
	H_TELL(listen(lfd, 8));
	h_prefork(2, lfd, serve);
	/* Not h_warm_up(), which looks at counters that have a past. */
	for (unsigned i = 0; i < 20; i++)
		h_load(h_port(lfd), 8, &res);
	h_load(h_port(lfd), 50, &res);
	h_say("again: %u and %u of %u answered", res.answered[0], res.answered[1], res.asked);
}

static void run(void)
{
	alone();
	as_a_worker();
	two_workers();
}

const struct h_story h_story = { .expect = "active\nactive\n", .run = run };
