/*
 * What select() does besides waiting, with a listener that is fanned out among
 * its descriptors. Promised: what the kernel's own does.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>

static int lfd;

/* A connection that comes while the caller waits. */
static void connect_later(void)
{
	if (h_fork() == 0) {
		h_sleep_ms(30);
		H_OK(h_connect(h_port(lfd)));
		for (;;)
			pause();
	}
}

static void time_is_counted(void)
{
	struct timeval left = { .tv_sec = H_PATIENCE };
	fd_set r;

	connect_later();
	FD_ZERO(&r);
	FD_SET(lfd, &r);
	H_CHECK(select(lfd + 1, &r, NULL, NULL, &left) == 1 && FD_ISSET(lfd, &r));
	h_say("time is left, and less than before: %s",
	      left.tv_sec >= 0 && left.tv_sec < H_PATIENCE && left.tv_usec >= 0 && left.tv_usec < 1000000 ? "yes" : "no");
	H_OK(close(H_OK(accept(lfd, NULL, NULL))));
	left = (struct timeval){ .tv_usec = 20000 };
	H_CHECK(select(lfd + 1, &r, NULL, NULL, &left) == 0 && !FD_ISSET(lfd, &r));
	h_say("in the end: %ld s %ld us", (long)left.tv_sec, (long)left.tv_usec);
}

static void closed_descriptor(void)
{
	struct timeval left = { .tv_sec = H_PATIENCE };
	int gone = H_OK(dup(STDOUT_FILENO));
	fd_set r, w;

	H_OK(close(gone));
	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_SET(lfd, &r);
	FD_SET(gone, &w);
	H_TELL(select((gone > lfd ? gone : lfd) + 1, &r, &w, NULL, &left));
	h_say("sets are as they were: %s", FD_ISSET(lfd, &r) && FD_ISSET(gone, &w) ? "yes" : "no");
}

/* A pipe without a writer is no exceptional condition: it does not end the wait. */
static void hung_up(void)
{
	struct timeval left = { .tv_usec = 50000 };
	int p[2];
	fd_set r, e;

	H_OK(pipe(p));
	H_OK(close(p[1]));
	for (unsigned i = 0; i < 2; i++) {
		FD_ZERO(&r);
		FD_ZERO(&e);
		FD_SET(lfd, &r);
		FD_SET(p[0], &e);
		if (i == 1)
			connect_later();
		h_say("hung up: %d", select((p[0] > lfd ? p[0] : lfd) + 1, &r, NULL, &e, i ? NULL : &left));
		h_say("listener %d, pipe %d", FD_ISSET(lfd, &r) != 0, FD_ISSET(p[0], &e) != 0);
	}
	H_OK(close(H_OK(accept(lfd, NULL, NULL))));
	H_OK(close(p[0]));
}

/*
 * Servers pass getdtablesize() with an ordinary fd_set, which the kernel overruns
 * only when its table is that large.
 */
static void whole_table(bool listener)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *pages = mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct timeval left = { .tv_usec = 1000 };
	fd_set *r;

	H_CHECK(pages != MAP_FAILED);
	H_OK(mprotect(pages + page, page, PROT_NONE));
	r = (fd_set *)(pages + page - sizeof(*r));
	if (listener)
		FD_SET(lfd, r);
	H_TELL(select(getdtablesize(), r, NULL, NULL, &left));
	H_OK(munmap(pages, 2 * page));
}

static void run(void)
{
	struct rlimit limit;

	H_OK(getrlimit(RLIMIT_NOFILE, &limit));
	limit.rlim_cur = limit.rlim_max < 20000 ? limit.rlim_max : 20000;
	H_OK(setrlimit(RLIMIT_NOFILE, &limit));
	lfd = h_listener(SOCK_NONBLOCK);
	h_activate(lfd);
	h_report(h_active() ? "active" : "inactive");
	time_is_counted();
	closed_descriptor();
	hung_up();
	whole_table(true);
	whole_table(false);
}

const struct h_story h_story = { .expect = "active\n", .run = run };
