/*
 * A server that had load and has none any more. Promised: the stealing threads
 * sleep, with stealing on and off: no context switch in three seconds.
 */
#define _GNU_SOURCE
#include "serve.h"

#include <dirent.h>

#define SECONDS 3

/* Of all stealing threads of the workers: context switches, and how many there are. */
static unsigned long switches(unsigned *threads)
{
	unsigned long sum = 0;

	*threads = 0;
	for (unsigned w = 0; w < 2; w++) {
		char path[300], line[256];
		struct dirent *e;
		DIR *dir;

		snprintf(path, sizeof(path), "/proc/%d/task", h_worker[w].pid);
		dir = opendir(path);
		H_CHECK(dir != NULL);
		while ((e = readdir(dir))) {
			bool ours = false;
			FILE *f;

			snprintf(path, sizeof(path), "/proc/%d/task/%s/status", h_worker[w].pid, e->d_name);
			f = e->d_name[0] == '.' ? NULL : fopen(path, "re");
			while (f && fgets(line, sizeof(line), f)) {
				unsigned long n;

				ours |= strcmp(line, "Name:\tfastsock-steal\n") == 0;
				if (ours && sscanf(line, "%*[a-z]_ctxt_switches: %lu", &n) == 1)
					sum += n;
			}
			*threads += ours;
			if (f)
				H_OK(fclose(f));
		}
		closedir(dir);
	}
	return sum;
}

/* What the load set off is over: no switch for a while. */
static bool asleep(void *unused)
{
	unsigned n;
	unsigned long before = switches(&n);

	(void)unused;
	h_sleep_ms(100);
	return switches(&n) == before;
}

static void run(void)
{
	unsigned threads;
	unsigned long before;
	struct h_result res;
	int lfd;

	h_serve_as(H_LOOP_EPOLL);
	lfd = h_serve_listener();
	h_prefork(2, lfd, h_serve);
	h_warm_up(lfd);
	h_load_on(AF_INET, h_port(lfd), 1000, 16, &res);
	h_say("%u and %u of %u answered", res.answered[0], res.answered[1], res.asked);
	H_CHECK(h_until(asleep, NULL));
	before = switches(&threads);
	H_CHECK(threads == (h_present() ? 2 : 0));
	if (h_present())
		h_sleep_ms(SECONDS * 1000);
	h_say("%lu context switches", switches(&threads) - before);
	h_report("%u threads", threads);
}

const struct h_story h_story = { .expect = "2 threads\n", .run = run };
