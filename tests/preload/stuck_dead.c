/*
 * A worker is killed, and nobody takes its place: under load, with connections in
 * its queue, while both are busy, and while both sleep. Promised: what it had not
 * accepted is answered by the other one, and so is what comes later; nobody is refused.
 */
#define _GNU_SOURCE
#include "serve.h"

#include <sys/mman.h>

#define QUEUED 5

static int lfd;
static pid_t pid[2];

static void start(void)
{
	h_serve_as(H_LOOP_EPOLL);
	lfd = h_serve_listener();
	for (unsigned i = 0; i < 2; i++) {
		pid[i] = h_fork();
		if (pid[i] == 0)
			h_serve(lfd, i);
	}
	h_warm_up(lfd);
	H_CHECK(h_all_local(lfd));
	h_report_state(lfd);
}

/* Whoever steals from it finds that it is dead, sooner or later. */
static bool noticed(void *unused)
{
	struct h_result res;

	(void)unused;
	if (h_counts().workers == 1)
		return true;
	h_load(h_port(lfd), 5, &res);
	return false;
}

static void end(void)
{
	if (h_present())
		h_report(h_until(noticed, NULL) ? "its death was noticed" : "its death was not noticed");
	h_end_workers();
	H_OK(close(lfd));
}

static void kill_one(unsigned worker)
{
	H_OK(kill(pid[worker], SIGKILL));
	H_CHECK(waitpid(pid[worker], NULL, WNOWAIT | WEXITED) == pid[worker] || errno == EINVAL);
}

static void load(const char *when, unsigned by)
{
	h_say("%s: %s", when, h_all_by(h_port(lfd), by) ? "all answered by the other one" : "not all answered by the other one");
}

static void while_both_sleep(void)
{
	start();
	kill_one(0);
	load("killed in its sleep", 1);
	load("later", 1);
	end();
}

static void while_both_are_busy(enum h_stick how)
{
	struct h_stuck s[2];
	int fd[H_CPUS][QUEUED];
	unsigned answered = 0;

	start();
	for (unsigned i = 0; i < 2; i++)
		s[i] = h_stick(h_port(lfd), i, how);
	H_CHECK(s[0].worker != s[1].worker);
	for (unsigned c = 0; c < H_CPUS; c++)
		for (unsigned i = 0; i < QUEUED; i++)
			fd[c][i] = h_connect_from(c, h_port(lfd));
	kill_one(s[0].worker);
	H_CHECK(h_answered_by(s[0].fd) == H_WORKERS_MAX);
	h_unstick(s[1]);
	for (unsigned c = 0; c < H_CPUS; c++)
		for (unsigned i = 0; i < QUEUED; i++)
			answered += h_answered_by(fd[c][i]) == s[1].worker;
	h_say("killed with a queue: %u of %u answered by the other one", answered, H_CPUS * QUEUED);
	load("later", s[1].worker);
	end();
}

/* It has one at a time in hand, which is lost with it. */
static void under_load(void)
{
	struct h_result res;
	unsigned lost = 0;

	start();
	if (h_fork() == 0) {
		h_sleep_ms(20);
		kill(pid[1], SIGKILL);
		for (;;)
			pause();
	}
	h_load_on(AF_INET, h_port(lfd), 2000, 4, &res);
	for (unsigned i = 0; i < H_CPUS; i++)
		lost += res.asked - res.answered[i];
	h_say("killed under load: %s", lost <= 1 ? "all answered that it had not accepted" : "more are lost than it had accepted");
	if (lost > 1)
		h_say("%u are lost", lost);
	load("later", 0);
	end();
}

static void run(void)
{
	while_both_sleep();
	while_both_are_busy(H_STICK_BLOCK);
	while_both_are_busy(H_STICK_COMPUTE);
	under_load();
}

#define NOTICED "active\nits death was noticed\n"

const struct h_story h_story = { .env = "FASTSOCK_STEAL=on\n", .expect = NOTICED NOTICED NOTICED NOTICED, .run = run };
