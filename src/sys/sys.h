/*
 * Thin shims over system calls: each returns what the kernel returned, -errno
 * on failure, and leaves errno alone. They bypass libc's wrappers, so they
 * never reach the library's own hooks and are safe in signal handlers, vfork
 * children and before main(). None of them is a cancellation point.
 */
#ifndef FS_SYS_H
#define FS_SYS_H

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

int fs_sys_open(const char *path, int flags);
int fs_sys_openat(int dir, const char *path, int flags);
long fs_sys_readlink(const char *path, char *buf, size_t len);
int fs_sys_lseek(int fd, off_t to);
int fs_sys_dup3(int fd, int target, int flags);
int fs_sys_fstat(int fd, struct stat *out);
bool fs_sys_same_file(int a, int b);
/* Its size in bytes; 0 on failure. */
uint64_t fs_sys_file_size(int fd);
int fs_sys_close(int fd);
long fs_sys_read(int fd, void *buf, size_t len);
long fs_sys_pread(int fd, void *buf, size_t len, off_t at);
long fs_sys_write(int fd, const void *buf, size_t len);
/* ... that neither waits for a reader (-EAGAIN) nor raises SIGPIPE when there is none any more (-EPIPE). */
long fs_sys_write_meekly(int fd, const void *buf, size_t len);
/* Entries of a directory as the kernel lays them out; the two accessors read one of them. */
long fs_sys_getdents(int fd, void *buf, size_t len);
unsigned short fs_sys_dirent_size(const void *entry);
const char *fs_sys_dirent_name(const void *entry);
int fs_sys_ftruncate(int fd, off_t len);
int fs_sys_memfd_create(const char *name, unsigned flags);
int fs_sys_fcntl(int fd, int cmd, unsigned long arg);
int fs_sys_ioctl(int fd, unsigned long request, void *arg);

int fs_sys_socket(int domain, int type, int protocol);
int fs_sys_bind(int fd, const void *addr, socklen_t len);
int fs_sys_connect(int fd, const void *addr, socklen_t len);
long fs_sys_sendmsg(int fd, const struct msghdr *msg, int flags);
long fs_sys_recvmsg(int fd, struct msghdr *msg, int flags);
int fs_sys_listen(int fd, int backlog);
int fs_sys_accept4(int fd, void *addr, socklen_t *len, int flags);
int fs_sys_shutdown(int fd, int how);
int fs_sys_getsockname(int fd, void *addr, socklen_t *len);
int fs_sys_getpeername(int fd, void *addr, socklen_t *len);
int fs_sys_getsockopt(int fd, int level, int name, void *val, socklen_t *len);
int fs_sys_setsockopt(int fd, int level, int name, const void *val, socklen_t len);
long fs_sys_sendto(int fd, const void *buf, size_t len, const void *to, socklen_t tolen);
long fs_sys_recv(int fd, void *buf, size_t len, int flags);

int fs_sys_epoll_create(int flags);
int fs_sys_epoll_ctl(int epfd, int op, int fd, struct epoll_event *ev);
int fs_sys_epoll_wait(int epfd, struct epoll_event *events, int max, int timeout_ms);
int fs_sys_ppoll(struct pollfd *fds, unsigned n, struct timespec *timeout);
int fs_sys_eventfd(unsigned count, int flags);
int fs_sys_timerfd_create(int clock, int flags);
int fs_sys_timerfd_settime(int fd, int flags, const struct itimerspec *value);

/* Maps `size` bytes of fd, shared, readable and writable, and puts the address into *out. */
int fs_sys_map_shared(int fd, uint64_t size, char **out);
/* Maps `size` bytes of zeroes, private to the process. */
int fs_sys_map_private(uint64_t size, void **out);
void fs_sys_unmap(char *at, uint64_t size);
void fs_sys_nanosleep(const struct timespec *duration);
/* CLOCK_MONOTONIC in microseconds. No system call, where the vDSO has it. */
uint64_t fs_sys_now_us(void);

/* Fills buf with random bytes, when the kernel has some without waiting. 0 or -errno. */
int fs_sys_getrandom(void *buf, size_t len);

int fs_sys_getpid(void);
unsigned fs_sys_geteuid(void);
int fs_sys_gettid(void);
/* The limit of descriptors, of this process; the hard limit stays as it is. At most 2^31 - 1 is told. */
int fs_sys_getrlimit_nofile(unsigned long *soft, unsigned long *hard);
int fs_sys_setrlimit_nofile(unsigned long soft);
/*
 * Affinity masks as the kernel has them: `len` bytes of unsigned longs. The getter
 * returns the bytes that it wrote.
 */
int fs_sys_getaffinity(int tid, void *mask, size_t len);
int fs_sys_setaffinity(int tid, const void *mask, size_t len);
int fs_sys_close_range(unsigned first, unsigned last, unsigned flags);
void fs_sys_block_signals(sigset_t *old);
void fs_sys_restore_signals(const sigset_t *old);

/* Whether an io_uring can be made here: 0 or -errno. */
int fs_sys_io_uring_probe(void);

/* Whole small file into buf, NUL-terminated; the length, or -errno. */
long fs_sys_read_file(const char *path, char *buf, size_t len);

#endif
