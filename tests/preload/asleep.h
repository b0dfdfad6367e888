/* For stories about what wakes a stealing thread: the state in which all of them sleep, and a worker is stuck. */
#ifndef ASLEEP_H
#define ASLEEP_H

#include "serve.h"

static inline bool all_asleep(void)
{
	/* A few hundred ticks. */
	for (unsigned i = 0; i < 100; i++) {
		if (h_counts().lease == 0)
			return true;
		h_sleep_ms(5);
	}
	return false;
}

/*
 * Whoever takes a connection from this client gets stuck, and nobody has noticed it. When somebody
 * was there in time, one thread stays active as long as it lasts: then it has to be tried again.
 */
static inline struct h_stuck stick_unnoticed(int lfd, unsigned client)
{
	for (unsigned i = 0; i < H_PATIENCE; i++) {
		struct h_stuck s;

		H_CHECK(h_all_local(lfd));
		s = h_stick(h_port(lfd), client, H_STICK_BLOCK);
		if (all_asleep())
			return s;
		h_unstick(s);
	}
	h_fail(__FILE__, __LINE__, "always noticed");
}

#endif
