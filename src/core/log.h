/*
 * One line to standard error, and only while it is the standard error that the
 * process was started with or that it put there itself: after close(2) descriptor 2
 * may be somebody's database. No stdio, no allocation, errno kept: usable anywhere.
 */
#ifndef FS_LOG_H
#define FS_LOG_H

#include "options.h"

extern enum fs_log_level fs_log_threshold;

/*
 * Formats %s %d %u %x %c %% and %llu (unsigned long long); one write() of at most
 * 512 bytes, "fastsock[PID]: level: text\n". Of warnings and errors, no more than
 * FS_LOG_MINUTE a minute. Each of those is in libfastsock(7), which a test looks after:
 * what happened, why, and what to do, in words that the page explains.
 */
#define FS_LOG_MINUTE 20
void fs_log(enum fs_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The application closed descriptor 2: silence until it puts something there again. */
void fs_log_mute(bool muted);
/* "EADDRINUSE: address already in use" of a positive errno, as strerror() would, which may allocate. Never NULL. */
const char *fs_errtext(int err);

#endif
