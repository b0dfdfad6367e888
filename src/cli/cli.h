/*
 * What the files of the fastsock command share. It runs as an ordinary program:
 * libc, stdio and malloc as usual.
 */
#ifndef FS_CLI_H
#define FS_CLI_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Exit statuses. `fastsock run` takes the last three from env(1), because what it
 * executes has statuses of its own.
 */
enum fs_exit {
	FS_EXIT_OK = 0,
	FS_EXIT_FAILED = 1,
	FS_EXIT_USAGE = 2,
	FS_EXIT_RUN_FAILED = 125,
	FS_EXIT_NOT_EXECUTABLE = 126,
	FS_EXIT_NOT_FOUND = 127,
};

/* The verbs; argv[0] is the verb. They return the command's exit status. */
int fs_cli_nic(int argc, char **argv);
int fs_cli_run(int argc, char **argv);
int fs_cli_stat(int argc, char **argv);
int fs_cli_doctor(int argc, char **argv);
int fs_cli_steer(int argc, char **argv);
int fs_cli_top(int argc, char **argv);

/* "fastsock: text" on standard error, in one line. */
void fs_cli_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
struct option; /* getopt.h */
/* After '?' from getopt_long(): says which option of the verb is wrong, and how. FS_EXIT_USAGE. */
int fs_cli_option_error(const char *verb, char **argv, const struct option *options);
/* Flushes standard output; `status`, or FS_EXIT_FAILED with a message when not all of it could be written. */
int fs_cli_finish(int status);
/* realloc() that ends the command when there is no memory. */
void *fs_cli_grow(void *old, size_t count, size_t size);

#endif
