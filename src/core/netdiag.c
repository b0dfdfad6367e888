/*
 * sock_diag(7): a dump of the TCP listeners, one family at a time, and single connections. The
 * kernel answers while it is being asked, so nothing here ever waits: a read
 * that finds nothing is an error, not a reason to sleep.
 */
#include "netdiag.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <string.h>

#include "sys/sys.h"

/* The kernel's enum of TCP states is not in its uapi. */
#define STATE_LISTEN 10
/*
 * The kernel fills at most this much at a time for a reader that has shown no
 * larger buffer (netlink(7), NLMSG_GOODSIZE).
 */
#define REPLY_MAX 8192
/* One connection takes some hundred bytes. Small, because the caller's stack may be. */
#define ONE_MAX 1024
/* tcpmux: what nobody listens on. */
#define UNUSED_PORT 1
/*
 * Replies of one dump: each holds dozens of listeners, and a network namespace has
 * fewer than 2^16 ports on a few addresses.
 */
#define REPLIES_MAX 65536
/* Reads cut short by signals before it is given up. */
#define INTERRUPTS_MAX 100

struct request {
	struct nlmsghdr head;
	struct inet_diag_req_v2 diag;
};

struct dump {
	int fd;
	uint32_t seq;
	uint16_t port; /* host order, 0: any */
	bool (*each)(const struct fs_netdiag_listener *l, void *arg);
	void *arg;
	bool stopped; /* by `each` */
	char *reply; /* messages start at multiples of 4, and hold nothing larger */
	size_t size;
};

static int question_socket(void)
{
	return fs_sys_socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
}

/* A question without its details. */
static void begin(struct request *req, uint16_t flags, uint8_t family)
{
	memset(req, 0, sizeof(*req));
	req->head.nlmsg_len = sizeof(*req);
	req->head.nlmsg_type = SOCK_DIAG_BY_FAMILY;
	req->head.nlmsg_flags = NLM_F_REQUEST | flags;
	req->diag.sdiag_family = family;
	req->diag.sdiag_protocol = IPPROTO_TCP;
}

static int put_question(int fd, const struct request *req)
{
	struct sockaddr_nl kernel;
	long sent;

	memset(&kernel, 0, sizeof(kernel));
	kernel.nl_family = AF_NETLINK;
	sent = fs_sys_sendto(fd, req, sizeof(*req), &kernel, sizeof(kernel));
	if (sent < 0)
		return (int)sent;
	return sent == (long)sizeof(*req) ? 0 : -EIO;
}

static int ask(const struct dump *d, uint8_t family)
{
	struct request req;

	begin(&req, NLM_F_DUMP, family);
	req.head.nlmsg_seq = d->seq;
	req.diag.idiag_states = 1u << STATE_LISTEN;
	/* The kernel leaves out other ports, but for 0, so that one port's listeners mostly fit one reply. */
	req.diag.id.idiag_sport = htons(d->port);
	return put_question(d->fd, &req);
}

/* Bytes received, or -errno; a reply that does not fit is an error, because its end is lost. */
static long receive(int fd, char *reply, size_t size)
{
	long n;
	int interrupts = 0;

	do
		n = fs_sys_recv(fd, reply, size, MSG_DONTWAIT | MSG_TRUNC);
	while (n == -EINTR && ++interrupts < INTERRUPTS_MAX);
	if (n > (long)size)
		return -EMSGSIZE;
	return n ? n : -EIO;
}

static bool find_v6only(const struct inet_diag_msg *msg, size_t len)
{
	const char *at = (const char *)msg + NLMSG_ALIGN(sizeof(*msg));
	size_t left = len > NLMSG_ALIGN(sizeof(*msg)) ? len - NLMSG_ALIGN(sizeof(*msg)) : 0;

	while (left >= sizeof(struct nlattr)) {
		struct nlattr attr;
		size_t step;

		memcpy(&attr, at, sizeof(attr));
		if (attr.nla_len < sizeof(attr) || attr.nla_len > left)
			break;
		if ((attr.nla_type & NLA_TYPE_MASK) == INET_DIAG_SKV6ONLY && attr.nla_len > NLA_HDRLEN)
			return at[NLA_HDRLEN];
		step = NLA_ALIGN(attr.nla_len);
		if (step > left)
			break;
		at += step;
		left -= step;
	}
	return false;
}

static void report(struct dump *d, const struct inet_diag_msg *msg, size_t len)
{
	struct fs_netdiag_listener l;

	if (msg->idiag_state != STATE_LISTEN || (d->port && ntohs(msg->id.idiag_sport) != d->port))
		return;
	memset(&l, 0, sizeof(l));
	l.cookie = (uint64_t)msg->id.idiag_cookie[1] << 32 | msg->id.idiag_cookie[0];
	l.uid = msg->idiag_uid;
	l.queue = msg->idiag_rqueue;
	l.backlog = msg->idiag_wqueue;
	l.family = msg->idiag_family;
	l.port = ntohs(msg->id.idiag_sport);
	memcpy(l.address, msg->id.idiag_src, l.family == AF_INET ? 4 : 16);
	l.v6only = l.family == AF_INET6 && find_v6only(msg, len);
	d->stopped = !d->each(&l, d->arg);
}

/* One message. 0: more to come; 1: the dump's end; -errno. */
static int take(struct dump *d, const struct nlmsghdr *head)
{
	const void *body = (const char *)head + NLMSG_HDRLEN;
	size_t len = head->nlmsg_len - NLMSG_HDRLEN;
	int err = 0;

	if (head->nlmsg_seq != d->seq)
		return 0;
	/* The table changed under the dump: somebody may have been missed. */
	if (head->nlmsg_flags & NLM_F_DUMP_INTR)
		return -EAGAIN;
	switch (head->nlmsg_type) {
	case NLMSG_DONE:
		if (len >= sizeof(err))
			memcpy(&err, body, sizeof(err));
		return err < 0 ? err : 1;
	case NLMSG_ERROR:
		if (len >= sizeof(err))
			memcpy(&err, body, sizeof(err));
		return err < 0 ? err : -EIO;
	case SOCK_DIAG_BY_FAMILY:
		if (len < sizeof(struct inet_diag_msg))
			return -EIO;
		report(d, body, len);
		return 0;
	default:
		return 0;
	}
}

static int dump_family(struct dump *d, uint8_t family)
{
	int rc;

	d->seq++;
	rc = ask(d, family);
	for (unsigned i = 0; rc == 0 && i < REPLIES_MAX; i++) {
		long left = receive(d->fd, d->reply, d->size);
		const char *at = d->reply;

		if (left < 0)
			return (int)left;
		while (rc == 0 && !d->stopped && left >= (long)sizeof(struct nlmsghdr)) {
			const struct nlmsghdr *head = (const struct nlmsghdr *)at;
			long step = NLMSG_ALIGN((long)head->nlmsg_len);

			if (head->nlmsg_len < NLMSG_HDRLEN || (long)head->nlmsg_len > left)
				return -EIO;
			rc = take(d, head);
			at += step;
			left -= step;
		}
		if (d->stopped)
			return 0;
	}
	if (rc == 0)
		return -EOVERFLOW;
	return rc < 0 ? rc : 0;
}

static int listeners(uint16_t port, bool (*each)(const struct fs_netdiag_listener *l, void *arg), void *arg, char *reply,
		     size_t size)
{
	struct dump d;
	int rc;

	d.reply = reply;
	d.size = size;
	d.fd = question_socket();
	if (d.fd < 0)
		return d.fd;
	d.seq = 0;
	d.port = port;
	d.each = each;
	d.arg = arg;
	d.stopped = false;
	rc = dump_family(&d, AF_INET);
	if (rc == 0 && !d.stopped)
		rc = dump_family(&d, AF_INET6);
	fs_sys_close(d.fd);
	return rc;
}

int fs_netdiag_listeners(uint16_t port, bool (*each)(const struct fs_netdiag_listener *l, void *arg), void *arg)
{
	_Alignas(struct nlmsghdr) char reply[REPLY_MAX];

	return listeners(port, each, arg, reply, sizeof(reply));
}

/* ---- single connections ---- */

static bool none(const struct fs_netdiag_listener *l, void *arg)
{
	(void)l;
	(void)arg;
	return false;
}

int fs_netdiag_open(void)
{
	/* A kernel that has no answer to any question says "no such connection", too: a dump tells them apart. */
	_Alignas(struct nlmsghdr) char reply[ONE_MAX];
	int rc = listeners(UNUSED_PORT, none, NULL, reply, sizeof(reply));

	return rc < 0 ? rc : question_socket();
}

int fs_netdiag_taken(int diag, const struct fs_netdiag_flow *f)
{
	_Alignas(struct nlmsghdr) char reply[ONE_MAX];
	const struct nlmsghdr *head = (const struct nlmsghdr *)reply;
	size_t size = f->v6 ? 16 : 4;
	struct request req;
	long n;
	int rc;

	begin(&req, 0, f->v6 ? AF_INET6 : AF_INET);
	req.diag.idiag_states = ~0u;
	req.diag.id.idiag_sport = htons(f->local_port);
	req.diag.id.idiag_dport = htons(f->remote_port);
	req.diag.id.idiag_if = f->scope;
	memcpy(req.diag.id.idiag_src, f->local, size);
	memcpy(req.diag.id.idiag_dst, f->remote, size);
	req.diag.id.idiag_cookie[0] = req.diag.id.idiag_cookie[1] = INET_DIAG_NOCOOKIE;
	rc = put_question(diag, &req);
	if (rc < 0)
		return rc;
	n = receive(diag, reply, sizeof(reply));
	if (n < 0)
		return (int)n;
	if (n < (long)sizeof(*head) || head->nlmsg_len > (unsigned long)n)
		return -EIO;
	if (head->nlmsg_type == SOCK_DIAG_BY_FAMILY)
		return 1;
	if (head->nlmsg_type != NLMSG_ERROR || head->nlmsg_len < NLMSG_LENGTH(sizeof(rc)))
		return -EIO;
	memcpy(&rc, reply + NLMSG_HDRLEN, sizeof(rc));
	return rc == -ENOENT ? 0 : rc < 0 ? rc : -EIO;
}
