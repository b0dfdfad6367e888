/*
 * The functions behind the hooks, found by dlsym(RTLD_NEXT): at start-up, or
 * one by one when another library's constructor calls a hook before ours ran.
 */
#ifndef FS_REAL_H
#define FS_REAL_H

/* The fortified inline versions in libc's headers would stand in the way of defining their functions. */
#undef _FORTIFY_SOURCE

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/common.h"

struct fs_real {
#define FS_HOOK(ret, name, params, args) ret (*name) params;
#define FS_HOOK_VARIADIC(ret, name, params) ret (*name) params;
#include "hooks.def"
#undef FS_HOOK
#undef FS_HOOK_VARIADIC
};

extern struct fs_real fs_real;

/* Finds one real function. Never NULL: what this libc does not have fails with ENOSYS. */
void *fs_real_find(const char *name);
/* Finds all of them. */
void fs_real_start(void);

/* The function behind the hook `name`. */
#define FS_REAL(name) (FS_LIKELY(fs_real.name != NULL) ? fs_real.name : (__typeof__(fs_real.name))fs_real_find(#name))

#endif
