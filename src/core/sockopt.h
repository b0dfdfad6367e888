/*
 * Socket options that a local listener must share with the application's own
 * socket. Not recorded but read back: the kernel knows what is in force, also
 * for sockets that came from elsewhere. What it does not tell is refused.
 */
#ifndef FS_SOCKOPT_H
#define FS_SOCKOPT_H

#include "common.h"

/* Whether siblings can be given this option by reading it back, or need not have it. */
bool fs_sockopt_known(int level, int name);

/*
 * Gives `to`, a new socket of the same kind, every option in which `from`
 * differs. Returns 0, or -errno with *level and *name set to the option that
 * the kernel refused or did not keep.
 */
int fs_sockopt_copy(int from, int to, int *level, int *name);

/* Small getters: the value, or `fallback` when the kernel does not tell. */
int fs_sockopt_int(int fd, int level, int name, int fallback);
uint64_t fs_sockopt_cookie(int fd);
/*
 * Connections waiting in a listener's accept queue (tcpi_unacked), -1 for a socket
 * that does not listen. About 200 ns.
 */
int fs_sockopt_queue(int fd);
/* Whether a TCP socket neither listens nor is connected or about to be. */
bool fs_sockopt_unused(int fd);

#endif
