/*
 * fastsock stat --watch: looks again in equal steps. The trees are looked for each
 * time, because reloads and restarts change who belongs to them.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/tree/find.h"
#include "stat.h"
#include "cli/stop.h"

static uint64_t clock_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

struct watch {
	struct fs_samples samples; /* of the last look */
	struct fs_scans scans;
	bool ended; /* there is nothing more to look at */
};

/* The first look is an error if there is nothing; later, that is a time when there is nothing. */
static int look(const struct fs_stat_request *request, struct watch *watch, bool first)
{
	struct fs_trees trees = {0};
	int err = first ? fs_find("stat", &trees, request->pid, &watch->scans) :
			  fs_find_again(&trees, request->pid, &watch->scans);
	int status = FS_EXIT_OK;

	if (first && err) {
		status = err;
		watch->ended = true;
	} else if (request->pid && err) {
		fs_cli_error("stat: process %d is gone, or has no listener any more", request->pid);
		watch->ended = true;
	} else {
		status = fs_stat_report(request, &trees, &watch->samples);
	}
	fs_trees_free(&trees);
	return status;
}

/* Whether all of it could be written. A reader that went is no error: it has seen enough. */
static bool written(int *status)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return true;
	if (errno != EPIPE)
		*status = fs_cli_finish(*status);
	return false;
}

/* Until the next look; false when there is to be none. */
static bool wait_for(uint64_t next)
{
	while (!fs_stop_signal() && clock_us() < next) {
		/* A pipe whose reader is gone has an error, also while there is nothing to write. */
		if (fs_stop_wait(next, STDOUT_FILENO, 0) & (POLLERR | POLLNVAL))
			return false;
	}
	return !fs_stop_signal();
}

int fs_stat_watch(const struct fs_stat_request *request)
{
	struct watch watch = {0};
	uint64_t next = clock_us();
	int status = FS_EXIT_OK;

	fs_stop_catch();
	signal(SIGPIPE, SIG_IGN);
	for (bool first = true; !watch.ended; first = false) {
		int looked = look(request, &watch, first);

		if (looked != FS_EXIT_OK)
			status = looked;
		if (!written(&status) || watch.ended)
			break;
		next += request->watch_us;
		/* Steps that were missed are not made up for. */
		if (next < clock_us())
			next = clock_us() + request->watch_us;
		if (!wait_for(next))
			break;
	}
	fs_samples_free(&watch.samples);
	fs_scans_free(&watch.scans);
	return status;
}
