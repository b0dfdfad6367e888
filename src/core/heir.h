/*
 * A second process of the same server, started beside the first one on the same address:
 * HAProxy's -sf, or its master's reload. Both have SO_REUSEPORT sockets there, and without
 * more, connections in the first one's queues would be reset when it closes them, and
 * neither could steer the other's. So the second one asks the first one, at listen(),
 * for its tree and group, and joins: its workers share the local listeners, and
 * whatever waits there is accepted by somebody.
 *
 * The first one answers on an abstract Unix socket, named after the address. It listens
 * while there is a stealing thread to answer. Who asks has to be root or the same user;
 * and so has who answers.
 */
#ifndef FS_HEIR_H
#define FS_HEIR_H

#include "group.h"

/* Makes the group's socket, not listening yet. Without one, nobody can join: no error. Process lock held. */
void fs_heir_make(unsigned group);
/* There is a thread that answers from now on. Process lock held. */
void fs_heir_listen(unsigned group);
/* Somebody asks. Called by a stealing thread, with the process lock held. */
void fs_heir_answer(unsigned group);

/*
 * Before listen(): joins the group of another process that listens on this address. Then
 * `fd` is a descriptor of the global listener, with the options that the application
 * gave it. False where there is no such process. Process lock held.
 */
bool fs_heir_join(int fd, const struct fs_group_rec *want);

#endif
