/* What the program of the stories that use exec_forged.h sees after the second execve(). */
#ifndef EXEC_SEEN_H
#define EXEC_SEEN_H

#include "harness.h"

#include "core/handover.h"

/* None has a higher number. */
#define NUMBERS 65536

/* How many lines it got on standard error, which is a file. */
static inline unsigned complaints(void)
{
	FILE *f = fopen("complaints", "re");
	unsigned lines = 0;
	int c;

	H_CHECK(f != NULL);
	while ((c = getc(f)) != EOF)
		lines += c == '\n';
	H_OK(fclose(f));
	return lines;
}

/* Open descriptors that this process sees, but for the standard ones and the listener. */
static inline unsigned others_open(int lfd)
{
	unsigned n = 0;

	for (int fd = 3; fd < NUMBERS; fd++)
		n += fd != lfd && fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* From every CPU that this process may run on. */
static inline void seen_to_serve(const char *what, int lfd)
{
	cpu_set_t all;
	unsigned asked = 0, answered = 0;

	H_OK(sched_getaffinity(0, sizeof(all), &all));
	for (unsigned cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		struct h_reply r;
		int client, conn;

		if (!CPU_ISSET(cpu, &all))
			continue;
		h_pin(cpu);
		client = H_OK(h_connect(h_port(lfd)));
		H_OK(sched_setaffinity(0, sizeof(all), &all));
		asked++;
		if (h_wait_readable(lfd) && (conn = accept(lfd, NULL, NULL)) >= 0) {
			h_answer(conn, 0);
			answered += recv(client, &r, sizeof(r), MSG_WAITALL) == sizeof(r);
		}
		H_OK(close(client));
	}
	h_say("%s: %u of %u answered", what, answered, asked);
}

static inline void seen_after(const char *name, int lfd)
{
	unsigned left = others_open(lfd) - (unsigned)atoi(getenv("FORGED_OPEN"));
	int own;

	h_report("%s: %s, %u complaints, %u descriptors left", name, h_cores(lfd) ? "taken" : "refused",
		 complaints(), left);
	h_say("%s: the variable is %s", name, getenv(FS_HANDOVER_VARIABLE) ? "there" : "gone");
	seen_to_serve(name, lfd);
	own = h_listener(SOCK_NONBLOCK);
	h_report("  a new listener: %zu cores", h_cores(own));
	seen_to_serve("  a new listener", own);
}

#endif
