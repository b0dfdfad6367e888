/*
 * The signals that end a command which goes on until it is told to: they are seen
 * between two looks, so that output is whole and a terminal is as it was.
 */
#ifndef FS_CLI_STOP_H
#define FS_CLI_STOP_H

#include <stdbool.h>
#include <stdint.h>

/* Blocks SIGINT, SIGTERM, SIGHUP (unless it is ignored) and SIGWINCH but for fs_stop_wait(), and notes the first three. */
void fs_stop_catch(void);
/* The signal that came, or 0. */
int fs_stop_signal(void);
/*
 * Until the time of CLOCK_MONOTONIC in us, a signal, or until `events` of poll(2) (or that
 * it was hung up) are true of fd, which may be -1. Those that are; 0 otherwise.
 */
int fs_stop_wait(uint64_t until_us, int fd, short events);

#endif
