/*
 * A second process of the same server, started beside the first one on the same address:
 * HAProxy's -sf, or its master's reload. Both have SO_REUSEPORT sockets there, and without
 * more, connections in the first one's queues would be reset when it closes them, and
 * neither could steer the other's. So the second one asks the first one, at listen(),
 * for its tree and group, and joins: its workers share the local listeners, and
 * whatever waits there is accepted by somebody.
 *
 * The first one answers on an abstract Unix socket, named after the address; its stealing
 * thread does. Anybody may take such a name, so nothing is believed that the kernel does not confirm:
 * who asks has to be root or the user that made the listeners, and so has who made the
 * socket that answers; and what comes has to be sockets on that address, of that user, in
 * this network namespace.
 */
#ifndef FS_HEIR_H
#define FS_HEIR_H

#include "group.h"

/*
 * Makes the group's socket. It listens at once: the kernel vouches to who asks for the user
 * who called listen(), and a server may give up being root later. Without one, nobody can
 * join: no error. Process lock held.
 */
void fs_heir_make(unsigned group);
/* There is a thread that answers from now on. Process lock held. */
void fs_heir_listen(unsigned group);
/* Somebody asks, perhaps. Called by a stealing thread, with the process lock held. */
void fs_heir_answer(unsigned group);
/*
 * A stealing thread was woken because somebody asks for this group; it answers, or leaves it
 * to another one. fs_heir_asked_before() is for the one that is woken next. No lock held.
 */
void fs_heir_asked(unsigned group);
void fs_heir_asked_before(void);

/*
 * Before listen(): joins the group of another process that listens on this address. Then
 * `fd` is a descriptor of the global listener, with the options that the application
 * gave it. False where there is no such process. Process lock held.
 */
bool fs_heir_join(int fd, const struct fs_group_rec *want);

#endif
