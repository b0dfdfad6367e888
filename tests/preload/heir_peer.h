/*
 * For the stories of a second process of the same server, which asks the first one for what it
 * has over an abstract Unix socket (src/core/heir.h): that socket seen from outside.
 */
#ifndef HEIR_PEER_H
#define HEIR_PEER_H

#include "harness.h"

#include <sys/un.h>

#include "core/estate.h"

#define NOBODY 65534
#define FDS_MAX 250
#define TRIES 20

/* As heir.c writes it. */
struct letter {
	uint32_t total;
	uint64_t dev, ino; /* of the region, whose descriptor comes last, with a byte of its own */
	struct fs_estate_tree tree;
	struct fs_estate_part part;
};

/* Bound, with SO_REUSEPORT, to a port of the loopback address, 0 for any; closed by execve(). */
static inline int reuseport_socket(uint16_t port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port) };
	int one = 1, fd = H_OK(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));

	H_OK(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)));
	H_OK(bind(fd, (struct sockaddr *)&sin, sizeof(sin)));
	return fd;
}

static inline unsigned long long cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	H_OK(getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len));
	return cookie;
}

/* The name on which whoever listens on the port of the loopback address is asked. */
static inline socklen_t heir_name(uint16_t port, struct sockaddr_un *name)
{
	uint32_t wide = port;
	const unsigned char *p = (const unsigned char *)&wide;

	*name = (struct sockaddr_un){ .sun_family = AF_UNIX };
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
			   (size_t)snprintf(name->sun_path + 1, sizeof(name->sun_path) - 1,
					    "fastsock-heir-7f000001-%02x%02x%02x%02x0000000000", p[0], p[1], p[2], p[3]));
}

/* -1 where nobody answers. */
static inline int heir_connect(uint16_t port)
{
	struct timeval patience = { .tv_sec = H_PATIENCE };
	struct sockaddr_un name;
	socklen_t len = heir_name(port, &name);
	int fd = H_OK(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));

	H_OK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)));
	H_OK(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)));
	if (connect(fd, (struct sockaddr *)&name, len) == 0)
		return fd;
	H_OK(close(fd));
	return -1;
}

union room {
	char buf[CMSG_SPACE(FDS_MAX * sizeof(int))];
	struct cmsghdr align;
};

static inline void send_fds(int to, const void *data, size_t size, const int *fds, size_t n)
{
	struct iovec iov = { (void *)data, size };
	union room control = { .buf = { 0 } };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = n ? control.buf : NULL,
			      .msg_controllen = n ? CMSG_SPACE(n * sizeof(int)) : 0 };

	control.align = (struct cmsghdr){ .cmsg_len = CMSG_LEN(n * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
	memcpy(CMSG_DATA(&control.align), fds, n * sizeof(int));
	/* Whoever asked may have gone. */
	H_CHECK(sendmsg(to, &msg, MSG_NOSIGNAL) == (ssize_t)size || errno == EPIPE || errno == ECONNRESET);
}

/* How many descriptors came; 0 when it was closed instead. */
static inline unsigned receive_fds(int from, void *data, size_t size, int *fds)
{
	struct iovec iov = { data, size };
	union room control;
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf, .msg_controllen = sizeof(control.buf) };
	ssize_t got = recvmsg(from, &msg, MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	unsigned n = 0;

	H_CHECK(got >= 0 || errno == ECONNRESET);
	if (got <= 0 || !c)
		return 0;
	n = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
	memcpy(fds, CMSG_DATA(c), n * sizeof(int));
	return n;
}

/* The second process of the server: executes the story anew, with this argument. */
static inline pid_t start_second(const char *arg)
{
	pid_t pid = h_fork();

	if (pid == 0) {
		execl(h_self, h_self, arg, (char *)NULL);
		_exit(99);
	}
	return pid;
}

/*
 * There, its listener, which means the first one's if all went well. It asks once, with
 * little patience, which a busy machine may exceed: then the program starts anew.
 */
static inline int join_first(uint16_t port, unsigned long long first)
{
	const char *tried = getenv("HEIR_TRIED");
	unsigned n = tried ? (unsigned)atoi(tried) : 0;
	int fd = reuseport_socket(port);
	char next[16];

	H_OK(listen(fd, 511));
	if (!h_present() || cookie_of(fd) == first || n == TRIES)
		return fd;
	snprintf(next, sizeof(next), "%u", n + 1);
	H_OK(setenv("HEIR_TRIED", next, 1));
	execl(h_self, h_self, h_arg, (char *)NULL);
	_exit(99);
}

static inline void await(pid_t pid)
{
	int status;

	H_CHECK(waitpid(pid, &status, 0) == pid);
	H_CHECK(status == 0);
}

#endif
