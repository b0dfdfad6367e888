/*
 * A server compiled with -D_FORTIFY_SOURCE=2: poll() and ppoll() with an array of
 * known size and a number that is not known are __poll_chk() and __ppoll_chk().
 * They are called by name, so that the story does not hang on the compiler's flags.
 * Promised: these waits are served locally, and an overrun is still found.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <sys/resource.h>

extern int __poll_chk(struct pollfd *fds, nfds_t n, int timeout, size_t size);
extern int __ppoll_chk(struct pollfd *fds, nfds_t n, const struct timespec *timeout, const sigset_t *mask, size_t size);

static void serve(int lfd, unsigned worker)
{
	for (;;) {
		struct pollfd fds[2] = { { .fd = lfd, .events = POLLIN }, { .fd = -1 } };
		int n = worker == 0 ? __poll_chk(fds, 2, -1, sizeof(fds)) : __ppoll_chk(fds, 2, NULL, NULL, sizeof(fds));
		int conn;

		H_CHECK(n == 1 && fds[0].fd == lfd && fds[0].revents == POLLIN && fds[1].revents == 0);
		conn = accept(lfd, NULL, NULL);
		if (conn >= 0)
			h_answer(conn, worker);
		else
			H_CHECK(errno == EAGAIN);
	}
}

static void overrun(int lfd, bool signals)
{
	pid_t pid = H_OK(fork());
	int status;

	if (pid == 0) {
		struct pollfd fds[2] = { { .fd = lfd, .events = POLLIN }, { .fd = -1 } };
		const struct rlimit none = { 0, 0 };
		const struct timespec now = { 0, 0 };

		/* No core file and no word about it. */
		setrlimit(RLIMIT_CORE, &none);
		H_OK(dup2(H_OK(open("/dev/null", O_WRONLY)), STDERR_FILENO));
		if (signals)
			__ppoll_chk(fds, 2, &now, NULL, sizeof(fds) - 1);
		else
			__poll_chk(fds, 2, 0, sizeof(fds) - 1);
		_exit(1);
	}
	H_CHECK(waitpid(pid, &status, 0) == pid);
	h_say("overrun: %s", WIFSIGNALED(status) ? strsignal(WTERMSIG(status)) : "not found");
}

static void run(void)
{
	int lfd = h_listener(SOCK_NONBLOCK);

	h_prefork(2, lfd, serve);
	h_shape(lfd);
	overrun(lfd, false);
	overrun(lfd, true);
}

const struct h_story h_story = { .expect = H_LOCAL, .run = run };
