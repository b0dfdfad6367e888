/*
 * One request on one connection, and how it ended. Every way to end is told
 * apart, because a refused connection, a reset one and one that nobody
 * answered point to different faults of a server.
 */
#ifndef REQUEST_H
#define REQUEST_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A head that is longer is no answer of this benchmark's servers. */
#define REQUEST_HEAD_MAX 1024

enum outcome {
	OUTCOME_PENDING,
	OUTCOME_OK,
	OUTCOME_REFUSED,
	OUTCOME_RESET, /* reset or closed before the first byte of an answer */
	OUTCOME_CUT,   /* reset or closed in the middle of an answer */
	OUTCOME_TIMED_OUT,
	OUTCOME_OTHER, /* an answer that is none, no local port left, ... */
	OUTCOMES
};

struct request {
	int fd; /* -1 while there is no connection */
	bool sent;
	bool keep;    /* the connection is to stay open: over once the answer is complete */
	bool blocked; /* the server says that it was slow on purpose (X-Blocked) */
	size_t received;
	size_t expected; /* of head and body; 0 while the head is incomplete */
	uint64_t due;    /* when it should have started, which is what latency counts from */
	uint64_t started;
	struct request *next, *previous; /* of the owner's lists */
	char head[REQUEST_HEAD_MAX + 1];
};

/*
 * Opens a connection to `server`, from `source` unless that is INADDR_ANY, and
 * registers it, edge-triggered, with the request as the data. Anything but
 * OUTCOME_PENDING: it failed at once, and there is no connection.
 */
enum outcome request_start(struct request *r, int ep, const struct sockaddr_in *server, in_addr_t source);

/* To be called on every event. The connection stays open until request_end(). */
enum outcome request_advance(struct request *r);

void request_end(struct request *r);

/* The last error that an outcome other than OUTCOME_OK came from, of any thread; 0 without one. */
int request_last_error(void);

#endif
