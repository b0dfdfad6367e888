/*
 * A server with a fault, for the tests of `fastsock doctor`.
 *
 *	doctor_server PORT WORKERS [steer] [md5] [deaf]
 *
 * Listens on 127.0.0.1:PORT and answers HTTP requests in WORKERS processes. "steer" attaches a steering
 * program of its own to the listener; "md5" gives it an option that no other socket can be given (a TCP MD5
 * key, before listen()); "deaf" has a backlog of 1 and accepts nothing. A worker waits for the request of one
 * connection at a time, so a client may not have several open. Ends when it is told to.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define WORKERS_MAX 64

static void check(int rc, const char *what)
{
	if (rc >= 0)
		return;
	perror(what);
	exit(1);
}

static void end_with(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		exit(0);
}

static void attach_own(int fd)
{
	struct sock_filter first = BPF_STMT(BPF_RET | BPF_K, 0);
	const struct sock_fprog program = {1, &first};
	int one = 1;

	check(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)), "SO_REUSEPORT");
	check(setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program)), "SO_ATTACH_REUSEPORT_CBPF");
}

static void give_key(int fd)
{
	struct tcp_md5sig key = {.tcpm_keylen = 3, .tcpm_key = "key"};
	struct sockaddr_in peer = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc0000201)}; /* 192.0.2.1, which nobody is */

	memcpy(&key.tcpm_addr, &peer, sizeof(peer));
	check(setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG, &key, sizeof(key)), "TCP_MD5SIG");
}

static void serve(int fd)
{
	static const char answer[] = "HTTP/1.1 200 OK\r\n\r\n";
	struct epoll_event ev = {.events = EPOLLIN};
	int ep = epoll_create1(EPOLL_CLOEXEC);
	char request[4096];

	check(ep, "epoll_create1");
	check(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev), "epoll_ctl");
	for (;;) {
		int conn;

		if (epoll_wait(ep, &ev, 1, -1) != 1)
			continue;
		conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		if (conn < 0)
			continue;
		if (read(conn, request, sizeof(request)) > 0 && write(conn, answer, sizeof(answer) - 1) < 0)
			perror("write");
		close(conn);
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd, workers = argc > 2 ? atoi(argv[2]) : 0;
	bool deaf = false, steer = false;
	pid_t self = getpid();

	if (workers < 0 || workers > WORKERS_MAX || argc < 3) {
		fprintf(stderr, "usage: doctor_server PORT WORKERS [steer] [md5] [deaf]\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	check(fd, "socket");
	addr.sin_port = htons((uint16_t)atoi(argv[1]));
	for (int i = 3; i < argc; i++) {
		deaf |= !strcmp(argv[i], "deaf");
		steer |= !strcmp(argv[i], "steer");
		if (!strcmp(argv[i], "md5"))
			give_key(fd);
	}
	check(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), "bind");
	check(listen(fd, deaf ? 1 : 511), "listen");
	if (steer)
		attach_own(fd);
	for (int i = 0; i < workers && !deaf; i++) {
		pid_t pid = fork();

		check(pid, "fork");
		if (pid)
			continue;
		end_with(self);
		serve(fd);
	}
	for (;;)
		pause();
}
