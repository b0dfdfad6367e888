/*
 * SO_RCVTIMEO on a listener. Promised: accept() gives up with EAGAIN, not before
 * the time is over, alone or as one of two workers; and a connection ends the wait.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <sys/time.h>
#include <time.h>

#define LIMIT_MS 60

static long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void limit(int fd, long ms)
{
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };
	struct timeval back;
	socklen_t len = sizeof(back);

	H_OK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	H_OK(getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &back, &len));
	H_CHECK(back.tv_sec == tv.tv_sec && back.tv_usec / 10000 == tv.tv_usec / 10000);
}

static void *connect_later(void *arg)
{
	char end;
	int fd;

	h_sleep_ms(20);
	fd = H_OK(h_connect(*(uint16_t *)arg));
	H_CHECK(read(fd, &end, 1) == 0);
	H_OK(close(fd));
	return NULL;
}

static void check(int lfd, const char *what)
{
	uint16_t port = h_port(lfd);
	pthread_t t;
	long start;
	int conn;

	h_say("-- %s", what);
	limit(lfd, LIMIT_MS);
	start = now_ms();
	H_TELL(accept(lfd, NULL, NULL));
	/* The kernel counts in ticks of at most 10 ms. */
	h_say("waited for it: %s", now_ms() - start >= LIMIT_MS - 10 ? "yes" : "no");
	limit(lfd, H_PATIENCE * 1000);
	H_CHECK(pthread_create(&t, NULL, connect_later, &port) == 0);
	H_TELL(conn = accept(lfd, NULL, NULL));
	H_OK(close(conn));
	H_CHECK(pthread_join(t, NULL) == 0);
	limit(lfd, 0);
}

static void run(void)
{
	int lfd = h_listener(0);

	check(lfd, "alone");
	h_activate(lfd);
	check(lfd, "two workers");
	h_report(h_active() ? "active" : "inactive");
}

const struct h_story h_story = { .expect = "active\n", .run = run };
