/*
 * A program closes its standard error, and the number is a file's then. Promised: what the
 * library has to say does not get into that file; and once there is a standard error
 * again, it is said.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <linux/filter.h>
#include <sys/mman.h>
#include <sys/stat.h>

/* The library says that it leaves this one alone: it cannot give the filter to another socket. */
static void odd_listener(void)
{
	struct sock_filter all = BPF_STMT(BPF_RET | BPF_K, 0xffffffff);
	struct sock_fprog program = { .len = 1, .filter = &all };
	int lfd = h_bound(0);

	H_OK(setsockopt(lfd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)));
	H_OK(listen(lfd, 511));
	h_report("%zu cores", h_cores(lfd));
	H_OK(close(lfd));
}

static void by_close(void)
{
	H_OK(close(STDERR_FILENO));
}

static void by_close_range(void)
{
	H_OK(close_range(STDERR_FILENO, STDERR_FILENO, 0));
}

static void closed(const char *how, void (*close_it)(void))
{
	struct stat st;

	close_it();
	H_CHECK(memfd_create("data", 0) == STDERR_FILENO);
	odd_listener();
	H_OK(fstat(STDERR_FILENO, &st));
	h_say("%s: %lld bytes in the file", how, (long long)st.st_size);
}

static void run(void)
{
	int saved = H_OK(dup(STDERR_FILENO));

	closed("close", by_close);
	H_OK(dup2(saved, STDERR_FILENO));
	closed("close_range", by_close_range);
	H_OK(dup2(saved, STDERR_FILENO));
	odd_listener();
}

const struct h_story h_story = {
	.expect = "0 cores\n0 cores\n0 cores\n",
	.log = "^fastsock\\[[0-9]+\\]: warn: the listener on port [0-9]+ works as without libfastsock: .*socket option",
	.run = run,
};
