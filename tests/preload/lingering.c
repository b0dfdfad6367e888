/*
 * Old workers that have closed the listener and go on with what they have, or that know
 * nothing of a listener that came later, as after a reload. They sleep where the others
 * do, and may be the ones that are woken. Promised: a connection of a stuck worker is
 * answered by one that is not, whoever is woken first.
 */
#define _GNU_SOURCE
#include "asleep.h"

#include <dirent.h>
#include <sys/mman.h>

#define OLD 3

static struct {
	_Atomic int close;
	_Atomic unsigned closed;
} *shared;

struct threads {
	int pid;
	char state; /* of all of them */
	unsigned n; /* at least so many */
};

static bool all_are(void *arg)
{
	const struct threads *want = arg;
	char path[64], state;
	struct dirent *e;
	unsigned n = 0;
	bool all = true;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", want->pid);
	dir = opendir(path);
	H_CHECK(dir != NULL);
	while ((e = readdir(dir))) {
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%d/task/%d/stat", want->pid, atoi(e->d_name));
		f = e->d_name[0] == '.' ? NULL : fopen(path, "re");
		if (!f)
			continue;
		all &= fscanf(f, "%*d (%*[^)]) %c", &state) == 1 && state == want->state;
		n++;
		H_OK(fclose(f));
	}
	closedir(dir);
	return all && n >= want->n;
}

/* With so many threads, of which one may be its stealing thread. */
static void until_asleep(unsigned worker, unsigned threads)
{
	while (!h_worker[worker].pid)
		h_sleep_ms(1);
	H_CHECK(h_until(all_are, &(struct threads){ h_worker[worker].pid, 'S', h_present() ? threads : 1 }));
}

/* Who waits anew is the first one to be woken: after a stop, every wait ends. */
static void wait_anew(int pid)
{
	H_OK(kill(pid, SIGSTOP));
	H_CHECK(h_until(all_are, &(struct threads){ pid, 'T', 1 }));
	H_OK(kill(pid, SIGCONT));
	H_CHECK(h_until(all_are, &(struct threads){ pid, 'S', 1 }));
}

/* New workers, and each in turn stuck; what waits for it is told to the old ones. */
static void stick_new(const char *what, int lfd, unsigned threads)
{
	for (unsigned i = 0; i < 2; i++)
		if (h_fork() == 0)
			h_serve(lfd, OLD + i);
	for (unsigned i = 0; i < 2; i++)
		until_asleep(OLD + i, threads);
	h_warm_up(lfd);
	for (unsigned round = 0; round < OLD; round++) {
		struct h_stuck s = stick_unnoticed(lfd, round % H_CPUS);
		unsigned by;

		wait_anew(h_worker[round].pid);
		by = h_answered_by(h_connect_from(round % H_CPUS, h_port(lfd)));
		h_say("%s: %s", what, by != s.worker && by >= OLD && by < OLD + 2 ? "the other new one answers" : "not answered");
		h_unstick(s);
	}
	h_report(h_active() ? "active" : "inactive");
	h_end_workers();
}

static void close_it(int lfd, unsigned worker)
{
	(void)worker;
	if (!shared->close)
		return;
	H_OK(close(lfd));
	shared->closed++;
	for (;;)
		pause();
}

static bool all_closed(void *unused)
{
	(void)unused;
	return shared->closed == OLD;
}

static void run(void)
{
	int lfd, later;

	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	H_CHECK(shared != MAP_FAILED);
	h_serve_as(H_LOOP_EPOLL);
	lfd = h_serve_listener();
	h_serve_each = close_it;
	h_prefork(OLD, lfd, h_serve);
	h_warm_up(lfd);
	for (unsigned i = 0; i < OLD; i++)
		until_asleep(i, 2);
	shared->close = 1;
	H_CHECK(h_until(all_closed, NULL));
	h_serve_each = NULL;
	stick_new("without a listener", lfd, 2);

	h_serve_as(H_LOOP_EPOLL);
	h_prefork(OLD, lfd, h_serve);
	h_warm_up(lfd);
	/* The last one may come late, and then it has to be told that the group is active. */
	for (unsigned i = 0; i < OLD; i++)
		until_asleep(i, 1);
	h_nudge(OLD);
	for (unsigned i = 0; i < OLD; i++)
		until_asleep(i, 2);
	later = h_serve_listener();
	/* The first worker of a new group has none until there is a second one. */
	stick_new("with another listener", later, 1);
}

const struct h_story h_story = { .env = "FASTSOCK_STEAL=on\n", .expect = "active\nactive\n", .run = run };
