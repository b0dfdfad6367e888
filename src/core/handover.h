/*
 * Hand-over to the program that this process executes in its own place, when that is
 * the same program anew (nginx' change of binaries, gunicorn's and HAProxy's reload):
 * the region, the tree's descriptors and the groups' pass through execve(), and the
 * new program's workers join where the old ones are. Without it, connections would go
 * on being steered to the old workers alone, and die with them.
 *
 * What is handed over is told by a sealed memfd that the executing process makes for
 * itself, so nothing of it comes out of shared memory. Its number is in the environment; it names the
 * process (a pid stays the same through execve()), so that what inherits the variable
 * by mistake takes nothing. Each socket is checked against its SO_COOKIE.
 */
#ifndef FS_HANDOVER_H
#define FS_HANDOVER_H

#include <stdbool.h>
#include <stddef.h>

#define FS_HANDOVER_VARIABLE "FASTSOCK_HANDOVER"
/* Entries that fs_handover_environment() may add to those that the application passes. */
#define FS_HANDOVER_ENTRIES_MAX 32

/*
 * At start: keeps copies of what the new program's environment will need, because
 * nginx overwrites its own and passes on nothing of it.
 */
void fs_handover_remember(char *const *environment);

/* Whether executing this file is a case for it. `dir` and `path` as for execveat(); a bare name is looked up in PATH. */
bool fs_handover_due(int dir, const char *path);
/*
 * Prepares the descriptors, and fills `out`, of room for as many entries as `envp`
 * has, FS_HANDOVER_ENTRIES_MAX and the NULL, with the environment for the new program.
 */
void fs_handover_begin(char *const *envp, char **out);
/* execve() failed: everything as before. */
void fs_handover_cancel(void);

/* At start, in the new program: takes over what `value` (of the variable) speaks of. */
void fs_handover_take(const char *value);

#endif
