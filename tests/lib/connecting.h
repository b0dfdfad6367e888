/* What the programs that try connect() in odd situations share: connections to one server, and whether they were steered. */
#ifndef FS_TESTS_CONNECTING_H
#define FS_TESTS_CONNECTING_H

#include <stddef.h>
#include <time.h>

#include "endpoint.h"

/* Where all connections go. */
extern union endpoint to;
extern socklen_t len;
/* What the command line has beyond that, or NULL. */
extern const char *argument;

_Noreturn void die(const char *what);
int tcp(int flags);
unsigned port_of(int fd);
int set(int fd, int level, int name, int value);
int option(int fd, int level, int name);
/* Without a TIME_WAIT. */
void drop(int fd);
/* Connects the socket and closes it; its port. */
unsigned port_taken(int fd);
/* Of `count` connections, how many were steered; the second one prints it. */
int steered(int count);
void tell_steered(const char *what, int count);
time_t seconds(void);

struct situation {
	const char *name;
	void (*run)(void);
};

/*
 * PROGRAM --cpu CPU WHAT ADDRESS PORT [ARGUMENT]: binds the process to the CPU, to which odd ports have to lead (left alone,
 * the kernel chooses an even one first), and runs the situation WHAT. The exit status.
 */
int connecting_main(int argc, char **argv, const struct situation *all, size_t n);

#endif
