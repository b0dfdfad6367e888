/*
 * Source ports on kernels without IP_LOCAL_PORT_RANGE (before Linux 6.3): bind() to the port.
 * Such a port is taken from all destinations, where the kernel lets them share those that it
 * chooses itself. So that nobody runs out of ports earlier than without us,
 *
 *   - only the upper quarter of the range is ever bound, by all programs with the library
 *     alike: the rest stays everybody's, of programs without it, too;
 *   - a socket that was bound here has SO_REUSEADDR from then on (its TIME_WAIT keeps it), and
 *     when the kernel finds no port for some connect(), it gets one that such sockets have
 *     for other destinations. The application is not shown the option (preload/sockets.c).
 *
 * Signal-safe; errno is left alone but by the connect() in fs_portbind_share().
 */
#ifndef FS_PORTBIND_H
#define FS_PORTBIND_H

#include "target.h"

#ifndef IP_LOCAL_PORT_RANGE /* Linux 6.3 */
#define IP_LOCAL_PORT_RANGE 51
#endif

/* Whether this kernel is such a one, as far as has been found out; `fd`, an inet socket, is asked when nobody knows. */
bool fs_portbind_needed(void);
bool fs_portbind_needed_by(int fd);
/* Somebody found out. */
void fs_portbind_need(void);

/*
 * Binds the socket, which has no port, to one that nobody else has, for a connection to `addr`, which is
 * what `t` says. *ours tells whether SO_REUSEADDR is set from now on and was not. 0 or -errno;
 * after a failure, fs_portbind_restore().
 */
int fs_portbind(int fd, const struct fs_target *t, const struct sockaddr *addr, uint16_t port, bool *ours);
/* A bind() that failed took the source address away from a socket that was bound to one alone. */
void fs_portbind_restore(int fd, const struct fs_target *t, const struct sockaddr *addr);
/*
 * For a connect() that found no port. Binds the socket to a port that is bound for other
 * destinations only. True: it is bound, and connect() may be tried again, *ours as above. Takes
 * some microseconds for each port of the quarter, and so is not tried at every call while it is in vain.
 */
bool fs_portbind_share(int fd, const struct fs_target *t, const struct sockaddr *addr, bool *ours);

#endif
