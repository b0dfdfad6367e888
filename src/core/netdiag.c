/*
 * sock_diag(7): a dump of the TCP listeners, one family at a time. The kernel
 * answers a dump while it is being asked, so nothing here ever waits: a read
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
	_Alignas(struct nlmsghdr) char reply[REPLY_MAX]; /* messages start at multiples of 4, and hold nothing larger */
};

static int ask(const struct dump *d, uint8_t family)
{
	struct request req;
	struct sockaddr_nl kernel;
	long sent;

	memset(&req, 0, sizeof(req));
	req.head.nlmsg_len = sizeof(req);
	req.head.nlmsg_type = SOCK_DIAG_BY_FAMILY;
	req.head.nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP;
	req.head.nlmsg_seq = d->seq;
	req.diag.sdiag_family = family;
	req.diag.sdiag_protocol = IPPROTO_TCP;
	req.diag.idiag_states = 1u << STATE_LISTEN;
	/* The kernel leaves out other ports, but for 0, so that one port's listeners mostly fit one reply. */
	req.diag.id.idiag_sport = htons(d->port);

	memset(&kernel, 0, sizeof(kernel));
	kernel.nl_family = AF_NETLINK;
	sent = fs_sys_sendto(d->fd, &req, sizeof(req), &kernel, sizeof(kernel));
	if (sent < 0)
		return (int)sent;
	return sent == (long)sizeof(req) ? 0 : -EIO;
}

/* Bytes received into d->reply, or -errno; a reply that does not fit is an error, because its end is lost. */
static long receive(struct dump *d)
{
	long n;
	int interrupts = 0;

	do
		n = fs_sys_recv(d->fd, d->reply, sizeof(d->reply), MSG_DONTWAIT | MSG_TRUNC);
	while (n == -EINTR && ++interrupts < INTERRUPTS_MAX);
	if (n > (long)sizeof(d->reply))
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
		long left = receive(d);
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

int fs_netdiag_listeners(uint16_t port, bool (*each)(const struct fs_netdiag_listener *l, void *arg), void *arg)
{
	struct dump d;
	int rc;

	d.fd = fs_sys_socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
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
