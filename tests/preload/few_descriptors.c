/*
 * RLIMIT_NOFILE leaves no room for local listeners. Promised: the listener works as
 * without the library, one line says why, and the application gets every descriptor
 * that the limit allows.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <sys/resource.h>

static void serve(int lfd, unsigned worker)
{
	for (;;)
		h_answer(H_OK(accept(lfd, NULL, NULL)), worker);
}

static void run(void)
{
	int last = H_OK(dup(0)), lfd;
	/* Room for the listener, a connection and no more. */
	struct rlimit limit = { (rlim_t)last + 2, (rlim_t)last + 2 };
	struct h_result res;

	H_OK(close(last));
	H_OK(setrlimit(RLIMIT_NOFILE, &limit));
	lfd = h_listener(0);
	H_TELL(dup(0));
	H_TELL(dup(0));
	H_OK(close(last + 1));
	h_prefork(2, lfd, serve);
	for (unsigned i = 0; i < 10; i++)
		h_load(h_port(lfd), 20, &res);
	h_say("%u and %u of %u answered", res.answered[0], res.answered[1], res.asked);
	/* The report is a file: it needs a descriptor, too. */
	h_end_workers();
	h_report_state(lfd);
}

const struct h_story h_story = {
	.expect = H_ALONE,
	.log = "^fastsock\\[[0-9]+\\]: (error|warn): .*(EMFILE|descriptor)",
	.run = run,
};
