/*
 * refuse WHAT COMMAND [ARGUMENT...]: runs COMMAND in a sandbox (seccomp) where one thing that the library needs fails with
 * EPERM: "memfd" (memfd_create), "netlink" (sockets of that family), "steering" (SO_ATTACH_REUSEPORT_CBPF), "io_uring".
 * Exits 77 where there is no seccomp.
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static const struct {
	const char *name;
	unsigned nr;
	int argument;   /* that has to be `value`; -1: whatever its arguments */
	unsigned value;
} things[] = {
	{"memfd", SYS_memfd_create, -1, 0},
	{"netlink", SYS_socket, 0, AF_NETLINK},
	{"steering", SYS_setsockopt, 2, SO_ATTACH_REUSEPORT_CBPF},
	{"io_uring", SYS_io_uring_setup, -1, 0},
};

static int sandbox(size_t i)
{
	size_t argument = offsetof(struct seccomp_data, args) + 8 * (things[i].argument < 0 ? 0 : (size_t)things[i].argument);
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, things[i].nr, 0, 3),
		/* The low half of it, on little-endian machines. */
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (unsigned)argument),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, things[i].value, 0, things[i].argument < 0 ? 0 : 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return -1;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

int main(int argc, char **argv)
{
	size_t i = 0;

	while (argc > 2 && i < sizeof(things) / sizeof(things[0]) && strcmp(argv[1], things[i].name) != 0)
		i++;
	if (argc < 3 || i == sizeof(things) / sizeof(things[0])) {
		fprintf(stderr, "usage: refuse memfd|netlink|steering|io_uring COMMAND [ARGUMENT...]\n");
		return 2;
	}
	if (sandbox(i) != 0) {
		perror("refuse: no seccomp");
		return 77;
	}
	execvp(argv[2], argv + 2);
	perror(argv[2]);
	return 127;
}
