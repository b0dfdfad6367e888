/*
 * A server for the soak: `prefork PORT WORKERS`. The master listens and starts the
 * workers, each with an epoll instance of its own, and another one for each that
 * dies. SIGHUP replaces all of them, gracefully: the old ones end after what they have in
 * hand. Answers every request with HTTP 200 and closes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKERS_MAX 64
#define BACKLOG 511
#define EVENTS 64

static volatile sig_atomic_t hup, quit;

static void on_signal(int sig)
{
	if (sig == SIGHUP)
		hup = 1;
	else
		quit = 1;
}

static void die(const char *what)
{
	fprintf(stderr, "prefork: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void answer(int conn)
{
	static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n";
	char buf[1024];

	if (recv(conn, buf, sizeof(buf), 0) > 0)
		send(conn, text, sizeof(text) - 1, MSG_NOSIGNAL);
	close(conn);
}

static void serve(int lfd)
{
	struct epoll_event ev = { .events = EPOLLIN, .data.fd = lfd }, got[EVENTS];
	int ep = epoll_create1(EPOLL_CLOEXEC), conn, open_now = 0;

	if (ep < 0 || epoll_ctl(ep, EPOLL_CTL_ADD, lfd, &ev) != 0)
		die("epoll");
	/* Told to quit, it takes no more, and finishes what it has: what it accepted is its own to lose. */
	while (!quit || open_now) {
		int n;

		if (quit && lfd >= 0) {
			epoll_ctl(ep, EPOLL_CTL_DEL, lfd, NULL);
			close(lfd);
			lfd = -1;
		}
		n = epoll_wait(ep, got, EVENTS, 1000);

		for (int i = 0; i < n; i++) {
			if (got[i].data.fd != lfd) {
				answer(got[i].data.fd);
				open_now--;
				continue;
			}
			if (lfd < 0)
				continue;
			conn = accept4(lfd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
			if (conn < 0)
				continue;
			ev.data.fd = conn;
			if (epoll_ctl(ep, EPOLL_CTL_ADD, conn, &ev) != 0)
				die("epoll_ctl");
			open_now++;
		}
	}
	exit(0);
}

static pid_t start(int lfd)
{
	pid_t pid = fork();

	if (pid < 0)
		die("fork");
	if (pid == 0)
		serve(lfd);
	return pid;
}

int main(int argc, char **argv)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sigaction sa = { .sa_handler = on_signal };
	int lfd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), n, one = 1;
	pid_t pid[WORKERS_MAX];

	if (argc != 3 || (n = atoi(argv[2])) < 1 || n > WORKERS_MAX) {
		fprintf(stderr, "usage: prefork PORT WORKERS\n");
		return 2;
	}
	sin.sin_port = htons((uint16_t)atoi(argv[1]));
	sigaction(SIGHUP, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	setsockopt(lfd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(lfd, (struct sockaddr *)&sin, sizeof(sin)) != 0 || listen(lfd, BACKLOG) != 0)
		die("listen");
	for (int i = 0; i < n; i++)
		pid[i] = start(lfd);
	while (!quit) {
		pid_t dead = waitpid(-1, NULL, 0);

		for (int i = 0; hup && i < n; i++) {
			pid_t old = pid[i];

			pid[i] = start(lfd);
			kill(old, SIGTERM);
		}
		hup = 0;
		for (int i = 0; dead > 0 && i < n; i++)
			if (pid[i] == dead)
				pid[i] = start(lfd);
	}
	for (int i = 0; i < n; i++)
		kill(pid[i], SIGKILL);
	return 0;
}
