#define _GNU_SOURCE
#include "sys.h"

#include <errno.h>
#include <linux/types.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The kernel's signal set is 64 bits on every architecture that we build for; libc's sigset_t is larger. */
#define KERNEL_SIGSET_BYTES 8

/* syscall() reports through errno, which belongs to the application: put it back, return -errno. */
static long result(long rc, int saved)
{
	if (rc == -1) {
		rc = -errno;
		errno = saved;
	}
	return rc;
}

#define SYS(...) ({ int saved_ = errno; result(syscall(__VA_ARGS__), saved_); })

int fs_sys_open(const char *path, int flags)
{
	return (int)SYS(SYS_openat, AT_FDCWD, path, flags, 0);
}

int fs_sys_openat(int dir, const char *path, int flags)
{
	return (int)SYS(SYS_openat, dir, path, flags, 0);
}

long fs_sys_readlink(const char *path, char *buf, size_t len)
{
	return SYS(SYS_readlinkat, AT_FDCWD, path, buf, len);
}

int fs_sys_lseek(int fd, off_t to)
{
	return (int)SYS(SYS_lseek, fd, to, SEEK_SET);
}

int fs_sys_dup3(int fd, int target, int flags)
{
	return (int)SYS(SYS_dup3, fd, target, flags);
}

/* Through libc, which knows how this architecture lays the structure out. */
int fs_sys_fstat(int fd, struct stat *out)
{
	int saved = errno;

	return (int)result(fstat(fd, out), saved);
}

bool fs_sys_same_file(int a, int b)
{
	struct stat sa, sb;
	int saved = errno;
	bool same = fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && sa.st_dev == sb.st_dev && sa.st_ino == sb.st_ino;

	errno = saved;
	return same;
}

uint64_t fs_sys_file_size(int fd)
{
	struct stat st;
	int saved = errno, rc = fstat(fd, &st);

	errno = saved;
	return rc == 0 && st.st_size > 0 ? (uint64_t)st.st_size : 0;
}

int fs_sys_close(int fd)
{
	return (int)SYS(SYS_close, fd);
}

long fs_sys_read(int fd, void *buf, size_t len)
{
	return SYS(SYS_read, fd, buf, len);
}

long fs_sys_pread(int fd, void *buf, size_t len, off_t at)
{
	return SYS(SYS_pread64, fd, buf, len, at);
}

long fs_sys_write(int fd, const void *buf, size_t len)
{
	return SYS(SYS_write, fd, buf, len);
}

long fs_sys_getdents(int fd, void *buf, size_t len)
{
	return SYS(SYS_getdents64, fd, buf, len);
}

/* struct linux_dirent64 (getdents(2)): inode and offset of 8 bytes each, size of 2, type of 1, name. */
unsigned short fs_sys_dirent_size(const void *entry)
{
	unsigned short size;

	memcpy(&size, (const char *)entry + 16, sizeof(size));
	return size;
}

const char *fs_sys_dirent_name(const void *entry)
{
	return (const char *)entry + 19;
}

int fs_sys_ftruncate(int fd, off_t len)
{
	return (int)SYS(SYS_ftruncate, fd, len);
}

int fs_sys_memfd_create(const char *name, unsigned flags)
{
	return (int)SYS(SYS_memfd_create, name, flags);
}

int fs_sys_fcntl(int fd, int cmd, unsigned long arg)
{
	return (int)SYS(SYS_fcntl, fd, cmd, arg);
}

int fs_sys_ioctl(int fd, unsigned long request, void *arg)
{
	return (int)SYS(SYS_ioctl, fd, request, arg);
}

int fs_sys_socket(int domain, int type, int protocol)
{
	return (int)SYS(SYS_socket, domain, type, protocol);
}

int fs_sys_bind(int fd, const void *addr, socklen_t len)
{
	return (int)SYS(SYS_bind, fd, addr, len);
}

int fs_sys_connect(int fd, const void *addr, socklen_t len)
{
	return (int)SYS(SYS_connect, fd, addr, len);
}

long fs_sys_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	return SYS(SYS_sendmsg, fd, msg, flags);
}

long fs_sys_recvmsg(int fd, struct msghdr *msg, int flags)
{
	return SYS(SYS_recvmsg, fd, msg, flags);
}

int fs_sys_listen(int fd, int backlog)
{
	return (int)SYS(SYS_listen, fd, backlog);
}

int fs_sys_accept4(int fd, void *addr, socklen_t *len, int flags)
{
	return (int)SYS(SYS_accept4, fd, addr, len, flags);
}

int fs_sys_shutdown(int fd, int how)
{
	return (int)SYS(SYS_shutdown, fd, how);
}

int fs_sys_getsockname(int fd, void *addr, socklen_t *len)
{
	return (int)SYS(SYS_getsockname, fd, addr, len);
}

int fs_sys_getpeername(int fd, void *addr, socklen_t *len)
{
	return (int)SYS(SYS_getpeername, fd, addr, len);
}

int fs_sys_getsockopt(int fd, int level, int name, void *val, socklen_t *len)
{
	return (int)SYS(SYS_getsockopt, fd, level, name, val, len);
}

int fs_sys_setsockopt(int fd, int level, int name, const void *val, socklen_t len)
{
	return (int)SYS(SYS_setsockopt, fd, level, name, val, len);
}

long fs_sys_sendto(int fd, const void *buf, size_t len, const void *to, socklen_t tolen)
{
	return SYS(SYS_sendto, fd, buf, len, 0, to, tolen);
}

long fs_sys_recv(int fd, void *buf, size_t len, int flags)
{
	return SYS(SYS_recvfrom, fd, buf, len, flags, NULL, NULL);
}

int fs_sys_epoll_create(int flags)
{
	return (int)SYS(SYS_epoll_create1, flags);
}

int fs_sys_epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev)
{
	return (int)SYS(SYS_epoll_ctl, epfd, op, fd, ev);
}

int fs_sys_epoll_wait(int epfd, struct epoll_event *events, int max, int timeout_ms)
{
	return (int)SYS(SYS_epoll_pwait, epfd, events, max, timeout_ms, NULL, KERNEL_SIGSET_BYTES);
}

int fs_sys_ppoll(struct pollfd *fds, unsigned n, struct timespec *timeout)
{
	return (int)SYS(SYS_ppoll, fds, n, timeout, NULL, KERNEL_SIGSET_BYTES);
}

int fs_sys_eventfd(unsigned count, int flags)
{
	return (int)SYS(SYS_eventfd2, count, flags);
}

int fs_sys_timerfd_create(int clock, int flags)
{
	return (int)SYS(SYS_timerfd_create, clock, flags);
}

int fs_sys_timerfd_settime(int fd, int flags, const struct itimerspec *value)
{
	return (int)SYS(SYS_timerfd_settime, fd, flags, value, NULL);
}

int fs_sys_map_shared(int fd, uint64_t size, char **out)
{
	int saved = errno;
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (p == MAP_FAILED)
		return (int)result(-1, saved);
	*out = p;
	return 0;
}

int fs_sys_map_private(uint64_t size, void **out)
{
	int saved = errno;
	void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return (int)result(-1, saved);
	*out = p;
	return 0;
}

void fs_sys_unmap(char *at, uint64_t size)
{
	SYS(SYS_munmap, at, size);
}

void fs_sys_nanosleep(const struct timespec *duration)
{
	SYS(SYS_nanosleep, duration, NULL);
}

uint64_t fs_sys_now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

int fs_sys_getrandom(void *buf, size_t len)
{
	long rc = SYS(SYS_getrandom, buf, len, GRND_NONBLOCK);

	return rc == (long)len ? 0 : rc < 0 ? (int)rc : -EAGAIN;
}

int fs_sys_getpid(void)
{
	return (int)SYS(SYS_getpid);
}

unsigned fs_sys_geteuid(void)
{
	return (unsigned)SYS(SYS_geteuid);
}

int fs_sys_gettid(void)
{
	return (int)SYS(SYS_gettid);
}

static unsigned long bounded(rlim_t value)
{
	return value > 0x7fffffff ? 0x7fffffff : (unsigned long)value;
}

int fs_sys_getrlimit_nofile(unsigned long *soft, unsigned long *hard)
{
	struct rlimit lim;
	int rc = (int)SYS(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &lim);

	if (rc == 0) {
		*soft = bounded(lim.rlim_cur);
		*hard = bounded(lim.rlim_max);
	}
	return rc;
}

int fs_sys_setrlimit_nofile(unsigned long soft)
{
	struct rlimit lim;
	int rc = (int)SYS(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, &lim);

	lim.rlim_cur = soft;
	return rc < 0 ? rc : (int)SYS(SYS_prlimit64, 0, RLIMIT_NOFILE, &lim, NULL);
}

int fs_sys_getaffinity(int tid, void *mask, size_t len)
{
	return (int)SYS(SYS_sched_getaffinity, tid, len, mask);
}

int fs_sys_setaffinity(int tid, const void *mask, size_t len)
{
	return (int)SYS(SYS_sched_setaffinity, tid, len, mask);
}

int fs_sys_close_range(unsigned first, unsigned last, unsigned flags)
{
	return (int)SYS(SYS_close_range, first, last, flags);
}

void fs_sys_block_signals(sigset_t *old)
{
	uint64_t all = ~UINT64_C(0);

	SYS(SYS_rt_sigprocmask, SIG_SETMASK, &all, old, KERNEL_SIGSET_BYTES);
}

void fs_sys_restore_signals(const sigset_t *old)
{
	SYS(SYS_rt_sigprocmask, SIG_SETMASK, old, NULL, KERNEL_SIGSET_BYTES);
}

long fs_sys_write_meekly(int fd, const void *buf, size_t len)
{
	uint64_t pipe_signal = UINT64_C(1) << (SIGPIPE - 1), old = 0;
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	struct timespec at_once = { 0, 0 };
	long rc;

	/* Where it cannot be asked, the write may have to wait. */
	if (fs_sys_ppoll(&p, 1, &at_once) == 0)
		return -EAGAIN;
	SYS(SYS_rt_sigprocmask, SIG_BLOCK, &pipe_signal, &old, KERNEL_SIGSET_BYTES);
	rc = fs_sys_write(fd, buf, len);
	/* Blocked before, it is the application's, as is one more of it. Else none was pending but by this write. */
	if (rc == -EPIPE && !(old & pipe_signal))
		SYS(SYS_rt_sigtimedwait, &pipe_signal, NULL, &at_once, KERNEL_SIGSET_BYTES);
	SYS(SYS_rt_sigprocmask, SIG_SETMASK, &old, NULL, KERNEL_SIGSET_BYTES);
	return rc;
}

long fs_sys_read_file(const char *path, char *buf, size_t len)
{
	int fd = fs_sys_open(path, O_RDONLY | O_CLOEXEC);
	size_t have = 0;
	long rc;

	if (fd < 0)
		return fd;
	do {
		rc = fs_sys_read(fd, buf + have, len - 1 - have);
		if (rc > 0)
			have += (size_t)rc;
	} while (rc > 0 && have < len - 1);
	fs_sys_close(fd);
	if (rc < 0)
		return rc;
	buf[have] = '\0';
	return (long)have;
}

int fs_sys_io_uring_probe(void)
{
	/* struct io_uring_params, all zero: the fewest assumptions about the kernel's headers. */
	uint64_t params[16] = { 0 };
	long fd = SYS(SYS_io_uring_setup, 1, params);

	if (fd >= 0)
		fs_sys_close((int)fd);
	return fd < 0 ? (int)fd : 0;
}
