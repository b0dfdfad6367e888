/*
 * What steering alone is worth: the two-instruction program that picks the
 * SO_REUSEPORT socket by CPU, put on the sockets of a server that runs, from
 * outside. It is what libfastsock is measured against where the question is how
 * much its own machinery costs.
 *
 * usage: steer_cpu PID PORT Needs the right to trace the process (pidfd_getfd,
 * Linux 5.6). The server's n-th socket must belong to the worker on CPU n.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <err.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int listens_on(int fd, int port)
{
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin), value_len = sizeof(int);
	int listening = 0;

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &value_len) == 0 && listening &&
	       getsockname(fd, (struct sockaddr *)&sin, &len) == 0 && ntohs(sin.sin_port) == port;
}

int main(int argc, char **argv)
{
	struct sock_filter by_cpu[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)(SKF_AD_OFF + SKF_AD_CPU)),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};
	struct sock_fprog program = { .len = 2, .filter = by_cpu };
	char path[64];
	struct dirent *entry;
	int pidfd;
	DIR *dir;

	if (argc != 3)
		errx(2, "usage: steer_cpu PID PORT");
	pidfd = (int)syscall(SYS_pidfd_open, atoi(argv[1]), 0);
	if (pidfd < 0)
		err(1, "process %s", argv[1]);
	snprintf(path, sizeof(path), "/proc/%d/fd", atoi(argv[1]));
	dir = opendir(path);
	if (!dir)
		err(1, "%s", path);
	while ((entry = readdir(dir))) {
		int fd = (int)syscall(SYS_pidfd_getfd, pidfd, atoi(entry->d_name), 0);

		if (fd < 0 || !listens_on(fd, atoi(argv[2])))
			continue;
		if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program)) < 0)
			err(1, "SO_ATTACH_REUSEPORT_CBPF");
		return 0;
	}
	errx(1, "process %s does not listen on port %s", argv[1], argv[2]);
}
