/* See stop.h. */
#define _GNU_SOURCE
#include "stop.h"

#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <time.h>

static volatile sig_atomic_t caught;
static sigset_t outside; /* the mask while the command waits */

static void note(int signo)
{
	caught = signo;
}

void fs_stop_catch(void)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction action = {.sa_handler = note}, old;
	sigset_t block;

	sigemptyset(&block);
	sigemptyset(&action.sa_mask);
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		/* Whoever ignores a signal for us (nohup) means it. */
		if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler == SIG_IGN)
			continue;
		sigaddset(&block, signals[i]);
		sigaction(signals[i], &action, NULL);
	}
	sigaddset(&block, SIGWINCH);
	sigprocmask(SIG_BLOCK, &block, &outside);
}

int fs_stop_signal(void)
{
	return caught;
}

int fs_stop_wait(uint64_t until_us, int fd, short events)
{
	struct pollfd poll = {.fd = fd, .events = events};
	struct timespec now, rest = {0};
	uint64_t now_us;

	clock_gettime(CLOCK_MONOTONIC, &now);
	now_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
	if (until_us > now_us) {
		rest.tv_sec = (time_t)((until_us - now_us) / 1000000);
		rest.tv_nsec = (long)((until_us - now_us) % 1000000 * 1000);
	}
	return ppoll(&poll, 1, &rest, &outside) > 0 ? poll.revents : 0;
}
