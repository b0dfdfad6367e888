/* See request.h. */
#define _GNU_SOURCE
#include <stdatomic.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench.h"
#include "request.h"

static _Atomic int last_error;

int request_last_error(void)
{
	return atomic_load(&last_error);
}

static enum outcome failed(int error, enum outcome outcome)
{
	atomic_store(&last_error, error);
	return outcome;
}

/* What the end of a connection means, an error or (0) a regular end. */
static enum outcome over(const struct request *r, int error)
{
	if (r->expected && r->received >= r->expected)
		return OUTCOME_OK;
	if (error == ECONNREFUSED)
		return failed(error, OUTCOME_REFUSED);
	if (error == ETIMEDOUT)
		return failed(error, OUTCOME_TIMED_OUT);
	if (error && error != ECONNRESET && error != EPIPE)
		return failed(error, OUTCOME_OTHER);
	return failed(error ? error : ENODATA, r->received ? OUTCOME_CUT : OUTCOME_RESET);
}

enum outcome request_start(struct request *r, int ep, const struct sockaddr_in *server, in_addr_t source)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = r };
	struct sockaddr_in from = { .sin_family = AF_INET, .sin_addr.s_addr = source };
	int one = 1;

	r->sent = r->blocked = false;
	r->received = r->expected = 0;
	r->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (r->fd < 0)
		bench_die("socket: %s", strerror(errno));
	/* The port is chosen by connect(), which may share it between destinations. */
	if (source != htonl(INADDR_ANY) &&
	    (setsockopt(r->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one)) != 0 ||
	     bind(r->fd, (struct sockaddr *)&from, sizeof(from)) != 0))
		bench_die("cannot take a source address: %s", strerror(errno));
	if (connect(r->fd, (const struct sockaddr *)server, sizeof(*server)) != 0 && errno != EINPROGRESS) {
		enum outcome outcome = over(r, errno);

		request_end(r);
		return outcome;
	}
	if (epoll_ctl(ep, EPOLL_CTL_ADD, r->fd, &ev) != 0)
		bench_die("epoll_ctl: %s", strerror(errno));
	return OUTCOME_PENDING;
}

void request_end(struct request *r)
{
	close(r->fd);
	r->fd = -1;
}

static bool has_header(const char *head, const char *name, unsigned long *value)
{
	const char *at = strcasestr(head, name);

	if (at)
		*value = strtoul(at + strlen(name), NULL, 10);
	return at != NULL;
}

/* Reads the head once it is there. False: this is not the answer to the request. */
static bool parse(struct request *r)
{
	unsigned long value;
	char *end;

	r->head[r->received] = '\0';
	end = strstr(r->head, "\r\n\r\n");
	if (!end)
		return r->received < REQUEST_HEAD_MAX;
	*end = '\0';
	if (strncmp(r->head, "HTTP/1.1 200", 12) != 0 || !has_header(r->head, "\r\nContent-Length:", &value))
		return false;
	r->expected = (size_t)(end - r->head) + 4 + value;
	r->blocked = has_header(r->head, "\r\nX-Blocked:", &value);
	return true;
}

enum outcome request_advance(struct request *r)
{
	static const char closing[] = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
	static const char keeping[] = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";

	if (!r->sent) {
		if (send(r->fd, r->keep ? keeping : closing, r->keep ? sizeof(keeping) - 1 : sizeof(closing) - 1,
			 MSG_NOSIGNAL) < 0)
			return errno == EAGAIN ? OUTCOME_PENDING : over(r, errno);
		r->sent = true;
	}
	for (;;) {
		char rest[2048];
		bool in_head = !r->expected;
		ssize_t n = recv(r->fd, in_head ? r->head + r->received : rest,
				 in_head ? REQUEST_HEAD_MAX - r->received : sizeof(rest), 0);

		if (n < 0 && errno == EAGAIN)
			return OUTCOME_PENDING;
		if (n <= 0)
			return over(r, n < 0 ? errno : 0);
		r->received += (size_t)n;
		if (in_head && !parse(r))
			return failed(EPROTO, OUTCOME_OTHER);
		if (r->keep && r->expected && r->received >= r->expected)
			return OUTCOME_OK;
	}
}
