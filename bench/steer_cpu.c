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
#include <err.h>
#include <linux/filter.h>
#include <string.h>

#include "listeners.h"

/* More than any machine that this runs on has CPUs. */
#define LISTENERS_MAX 1024

int main(int argc, char **argv)
{
	struct sock_filter by_cpu[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)(SKF_AD_OFF + SKF_AD_CPU)),
		BPF_STMT(BPF_RET | BPF_A, 0),
	};
	struct sock_fprog program = { .len = 2, .filter = by_cpu };
	int fds[LISTENERS_MAX], n;

	if (argc != 3)
		errx(2, "usage: steer_cpu PID PORT");
	n = listeners_of(atoi(argv[1]), atoi(argv[2]), fds, LISTENERS_MAX);
	if (n < 0)
		errx(1, "process %s: %s", argv[1], strerror(-n));
	if (n == 0)
		errx(1, "process %s does not listen on port %s", argv[1], argv[2]);
	/* One of the group stands for all. */
	if (setsockopt(fds[0], SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program)) < 0)
		err(1, "SO_ATTACH_REUSEPORT_CBPF");
	return 0;
}
