/*
 * Signals while a thread waits for connections. Promised: without SA_RESTART every
 * wait ends with EINTR; with it accept() goes on, and the others end all the same;
 * alone and as one of two workers.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <sys/select.h>

static int lfd;
static _Atomic int tid, finished;
static volatile sig_atomic_t handled;

static void on_usr1(int sig)
{
	(void)sig;
	handled++;
}

static int in_accept(void)
{
	return accept(lfd, NULL, NULL);
}

static int in_poll(void)
{
	struct pollfd p = { .fd = lfd, .events = POLLIN };

	return poll(&p, 1, -1);
}

static int in_ppoll(void)
{
	struct pollfd p = { .fd = lfd, .events = POLLIN };

	return ppoll(&p, 1, NULL, NULL);
}

static int in_select(void)
{
	fd_set in;

	FD_ZERO(&in);
	FD_SET(lfd, &in);
	return select(lfd + 1, &in, NULL, NULL, NULL);
}

static int in_pselect(void)
{
	fd_set in;

	FD_ZERO(&in);
	FD_SET(lfd, &in);
	return pselect(lfd + 1, &in, NULL, NULL, NULL, NULL);
}

static int in_epoll_wait(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	int ep = H_OK(epoll_create1(0)), ret, err;

	H_OK(epoll_ctl(ep, EPOLL_CTL_ADD, lfd, &ev));
	ret = epoll_wait(ep, &ev, 1, -1);
	err = errno;
	H_OK(close(ep));
	errno = err;
	return ret;
}

static int in_epoll_pwait(void)
{
	struct epoll_event ev = { .events = EPOLLIN };
	sigset_t none;
	int ep = H_OK(epoll_create1(0)), ret, err;

	sigemptyset(&none);
	H_OK(epoll_ctl(ep, EPOLL_CTL_ADD, lfd, &ev));
	ret = epoll_pwait(ep, &ev, 1, -1, &none);
	err = errno;
	H_OK(close(ep));
	errno = err;
	return ret;
}

static const struct {
	const char *name;
	int (*wait)(void);
} ways[] = {
	{ "accept", in_accept },	 { "poll", in_poll },
	{ "ppoll", in_ppoll },		 { "select", in_select },
	{ "pselect", in_pselect },	 { "epoll_wait", in_epoll_wait },
	{ "epoll_pwait", in_epoll_pwait },
};

/* Whether the other thread sleeps in a system call. */
static bool sleeps(void *arg)
{
	char path[64], text[512], *state;
	ssize_t n;
	int fd;

	(void)arg;
	if (!tid)
		return false;
	snprintf(path, sizeof(path), "/proc/self/task/%d/stat", tid);
	fd = H_OK(open(path, O_RDONLY));
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	H_CHECK(n > 0);
	text[n] = '\0';
	state = strrchr(text, ')');
	return state && state[2] == 'S';
}

static void *disturb(void *arg)
{
	pthread_t waiter = *(pthread_t *)arg;

	/* It may sleep elsewhere for a moment: until it has come back, or has handled some and sleeps on. */
	for (unsigned i = 0; i < 20 && !finished; i++) {
		h_until(sleeps, NULL);
		if (!finished)
			pthread_kill(waiter, SIGUSR1);
		h_sleep_ms(5);
	}
	if (!finished) {
		/* It was restarted. Only a connection brings it back. */
		int fd = H_OK(h_connect(h_port(lfd)));

		for (unsigned i = 0; i < H_PATIENCE * 200 && !finished; i++)
			h_sleep_ms(5);
		close(fd);
	}
	return NULL;
}

static void check(const char *what, int flags)
{
	struct sigaction sa = { .sa_handler = on_usr1, .sa_flags = flags };

	H_OK(sigaction(SIGUSR1, &sa, NULL));
	for (unsigned i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		pthread_t self = pthread_self(), t;
		sigset_t usr1, before;
		int ret, err, conn;

		/* For this thread alone. */
		sigemptyset(&usr1);
		sigaddset(&usr1, SIGUSR1);
		pthread_sigmask(SIG_BLOCK, &usr1, &before);
		handled = 0;
		finished = 0;
		tid = gettid();
		H_CHECK(pthread_create(&t, NULL, disturb, &self) == 0);
		pthread_sigmask(SIG_UNBLOCK, &usr1, NULL);
		ret = ways[i].wait();
		err = errno;
		finished = 1;
		H_CHECK(pthread_join(t, NULL) == 0);
		h_say("%s, %s: %s, handled: %s", what, ways[i].name, ret >= 0 ? "came back with something" : strerrorname_np(err),
		      handled ? "yes" : "no");
		if (ret < 0)
			continue;
		conn = ways[i].wait == in_accept ? ret : accept(lfd, NULL, NULL);
		if (conn >= 0)
			close(conn);
	}
}

static void run(void)
{
	lfd = h_listener(0);
	check("alone", 0);
	check("alone, SA_RESTART", SA_RESTART);
	h_activate(lfd);
	check("two workers", 0);
	check("two workers, SA_RESTART", SA_RESTART);
	h_report(h_active() ? "active" : "inactive");
}

const struct h_story h_story = { .expect = "active\n", .run = run };
