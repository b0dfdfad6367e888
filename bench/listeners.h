/*
 * The listening sockets of another process, as descriptors of ours: what the
 * benchmark does to a server, or wants to know of it, without its help.
 *
 * Needs the right to trace the process (pidfd_getfd, Linux 5.6).
 */
#ifndef LISTENERS_H
#define LISTENERS_H

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

/* A listener, or a socket that is bound and may become one. */
static inline bool listeners_is_one(int fd, int port)
{
	struct sockaddr_in6 addr; /* the port is at the same place for IPv4 */
	socklen_t len = sizeof(addr), info_len = sizeof(struct tcp_info);
	struct tcp_info info;

	return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &info_len) == 0 &&
	       (info.tcpi_state == TCP_LISTEN || info.tcpi_state == TCP_CLOSE) &&
	       getsockname(fd, (struct sockaddr *)&addr, &len) == 0 && ntohs(addr.sin6_port) == port;
}

static inline uint64_t listeners_cookie(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) == 0 ? cookie : 0;
}

static inline bool listeners_has(const int *fds, unsigned n, uint64_t cookie)
{
	for (unsigned i = 0; i < n; i++)
		if (listeners_cookie(fds[i]) == cookie)
			return true;
	return false;
}

/* Each socket once, whatever number of descriptors it has. Gives back how many, or -errno. */
static inline int listeners_of(int pid, int port, int *fds, unsigned max)
{
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct dirent *entry;
	char path[64];
	bool refused = false;
	unsigned n = 0;
	DIR *dir;

	if (pidfd < 0)
		return -errno;
	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir) {
		int error = errno;

		close(pidfd);
		return -error;
	}
	while (n < max && (entry = readdir(dir))) {
		int fd;

		if (entry->d_name[0] == '.')
			continue;
		fd = (int)syscall(SYS_pidfd_getfd, pidfd, atoi(entry->d_name), 0);
		if (fd < 0 && errno == EPERM)
			refused = true;
		if (fd < 0)
			continue;
		if (listeners_is_one(fd, port) && !listeners_has(fds, n, listeners_cookie(fd)))
			fds[n++] = fd;
		else
			close(fd);
	}
	closedir(dir);
	close(pidfd);
	return n == 0 && refused ? -EPERM : (int)n;
}

#endif
