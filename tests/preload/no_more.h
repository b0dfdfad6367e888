/* For the stories of programs that may start no more threads. */
#ifndef NO_MORE_H
#define NO_MORE_H

#include "serve.h"

#include <sys/resource.h>

#define NOBODY 65534

/* The limit does not hold for root. */
static inline void need_limit(void)
{
	if (geteuid() != 0)
		h_skip("needs root, to become somebody who is nobody else");
}

static inline void forbid_more(void)
{
	struct rlimit none = { 0, 0 };
	pthread_t t;

	H_OK(setrlimit(RLIMIT_NPROC, &none));
	H_OK(setresgid(NOBODY, NOBODY, NOBODY));
	H_OK(setresuid(NOBODY, NOBODY, NOBODY));
	/* The kernel may see it otherwise, in a container. */
	if (pthread_create(&t, NULL, (void *(*)(void *))(uintptr_t)pause, NULL) == 0) {
		h_say("SKIP: the limit does not hold");
		_exit(77);
	}
}

#endif
