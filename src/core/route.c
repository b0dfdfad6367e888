#include "route.h"

#include <errno.h>
#include <linux/if_link.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "sys/sys.h"

/*
 * A route takes about 100 bytes, and a link's description without its statistics, which are not asked
 * for, 1 to 2 KiB. What does not fit is cut off, which shortens the walk over attributes.
 */
#define ROUTE_MAX 1024
#define LINK_MAX 8192
#define INTERRUPTS_MAX 100

struct question {
	struct nlmsghdr head;
	union {
		struct rtmsg route;
		struct ifinfomsg link;
	} body;
	char attributes[96];
};

static void put(struct question *q, unsigned short type, const void *data, size_t len)
{
	struct rtattr a = { .rta_len = (unsigned short)RTA_LENGTH(len), .rta_type = type };
	char *at = (char *)q + NLMSG_ALIGN(q->head.nlmsg_len);

	memcpy(at, &a, sizeof(a));
	memcpy(at + RTA_LENGTH(0), data, len);
	q->head.nlmsg_len = (uint32_t)(at - (char *)q + RTA_SPACE(len));
}

/* Walks attributes that lie anywhere in an answer: nothing is trusted to be aligned or complete. */
struct attributes {
	const char *at;
	size_t left;
	unsigned short type;
	const char *data;
	size_t len;
};

static bool next(struct attributes *a)
{
	struct rtattr head;
	size_t step;

	if (a->left < sizeof(head))
		return false;
	memcpy(&head, a->at, sizeof(head));
	if (head.rta_len < sizeof(head) || head.rta_len > a->left)
		return false;
	a->type = head.rta_type & NLA_TYPE_MASK;
	a->data = a->at + RTA_LENGTH(0);
	a->len = head.rta_len - RTA_LENGTH(0);
	step = RTA_ALIGN(head.rta_len);
	if (step > a->left)
		step = a->left;
	a->at += step;
	a->left -= step;
	return true;
}

static uint32_t number(const struct attributes *a)
{
	uint32_t value = 0;

	if (a->len >= sizeof(value))
		memcpy(&value, a->data, sizeof(value));
	return value;
}

/*
 * Asks and takes the one answer. Its body, behind `skip` bytes of fixed part, becomes *out's
 * attributes. 0 or -errno.
 */
static int ask(struct question *q, uint16_t expected, char *answer, size_t size, size_t skip, struct attributes *out)
{
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	struct nlmsghdr head;
	int fd = fs_sys_socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), interrupts = 0;
	long n;

	if (fd < 0)
		return fd;
	q->head.nlmsg_flags = NLM_F_REQUEST;
	n = fs_sys_sendto(fd, q, q->head.nlmsg_len, &kernel, sizeof(kernel));
	while (n >= 0) {
		n = fs_sys_recv(fd, answer, size, MSG_DONTWAIT);
		if (n != -EINTR || ++interrupts == INTERRUPTS_MAX)
			break;
		n = 0;
	}
	fs_sys_close(fd);
	if (n < 0)
		return (int)n;
	if (n < (long)sizeof(head))
		return -EIO;
	memcpy(&head, answer, sizeof(head));
	if (head.nlmsg_type == NLMSG_ERROR) {
		int err = 0;

		if (n >= (long)(NLMSG_HDRLEN + sizeof(err)))
			memcpy(&err, answer + NLMSG_HDRLEN, sizeof(err));
		return err < 0 ? err : -EIO;
	}
	if (head.nlmsg_type != expected || n < (long)(NLMSG_HDRLEN + NLMSG_ALIGN(skip)))
		return -EIO;
	out->at = answer + NLMSG_HDRLEN + NLMSG_ALIGN(skip);
	out->left = (size_t)n - NLMSG_HDRLEN - NLMSG_ALIGN(skip);
	return 0;
}

int fs_route_get(bool v6, const uint8_t *to, const uint8_t *from, unsigned scope, struct fs_route *out)
{
	struct question q;
	struct attributes a;
	char answer[ROUTE_MAX];
	struct rtmsg body;
	unsigned char bits = v6 ? 128 : 32;
	int rc;

	memset(&q, 0, sizeof(q));
	memset(out, 0, sizeof(*out));
	q.head.nlmsg_type = RTM_GETROUTE;
	q.head.nlmsg_len = NLMSG_LENGTH(sizeof(q.body.route));
	q.body.route.rtm_family = v6 ? AF_INET6 : AF_INET;
	q.body.route.rtm_dst_len = bits;
	put(&q, RTA_DST, to, bits / 8);
	if (from) {
		q.body.route.rtm_src_len = bits;
		put(&q, RTA_SRC, from, bits / 8);
	}
	if (scope)
		put(&q, RTA_OIF, &scope, sizeof(scope));
	rc = ask(&q, RTM_NEWROUTE, answer, sizeof(answer), sizeof(body), &a);
	if (rc < 0)
		return rc;
	memcpy(&body, answer + NLMSG_HDRLEN, sizeof(body));
	out->local = body.rtm_type != RTN_UNICAST;
	while (next(&a)) {
		if (a.type == RTA_OIF) {
			out->ifindex = number(&a);
		} else if (a.type == RTA_PREFSRC && a.len == bits / 8) {
			memcpy(out->source, a.data, a.len);
			out->has_source = true;
		}
	}
	if (from) {
		memcpy(out->source, from, bits / 8);
		out->has_source = true;
	}
	return 0;
}

/* IFLA_XDP: one program's id, wherever it is attached. */
static uint32_t xdp_program(struct attributes a)
{
	uint32_t id = 0;
	bool several = false;

	while (next(&a)) {
		if (a.type == IFLA_XDP_PROG_ID)
			id = number(&a);
		else if (a.type == IFLA_XDP_ATTACHED && a.len >= 1)
			several = a.data[0] == XDP_ATTACHED_MULTI;
	}
	return several ? 0 : id;
}

static bool is_vlan(struct attributes a)
{
	while (next(&a))
		if (a.type == IFLA_INFO_KIND)
			return a.len >= 4 && memcmp(a.data, "vlan", 4) == 0 && (a.len == 4 || !a.data[4]);
	return false;
}

int fs_link_get(unsigned ifindex, struct fs_link *out)
{
	struct question q;
	struct attributes a;
	static char answer[LINK_MAX]; /* not on the stack, which may be a small one */
	bool elsewhere = false;
	unsigned lower = 0, without = RTEXT_FILTER_SKIP_STATS;
	bool vlan = false;
	int rc;

	memset(&q, 0, sizeof(q));
	memset(out, 0, sizeof(*out));
	q.head.nlmsg_type = RTM_GETLINK;
	q.head.nlmsg_len = NLMSG_LENGTH(sizeof(q.body.link));
	q.body.link.ifi_family = AF_UNSPEC;
	q.body.link.ifi_index = (int)ifindex;
	put(&q, IFLA_EXT_MASK, &without, sizeof(without));
	rc = ask(&q, RTM_NEWLINK, answer, sizeof(answer), sizeof(q.body.link), &a);
	if (rc < 0)
		return rc;
	while (next(&a)) {
		struct attributes inner = { .at = a.data, .left = a.len };

		if (a.type == IFLA_IFNAME)
			memcpy(out->name, a.data, a.len < sizeof(out->name) ? a.len : sizeof(out->name) - 1);
		else if (a.type == IFLA_LINK)
			lower = number(&a);
		else if (a.type == IFLA_LINK_NETNSID)
			elsewhere = true; /* the number is one of another network namespace */
		else if (a.type == IFLA_LINKINFO)
			vlan = is_vlan(inner);
		else if (a.type == IFLA_XDP)
			out->xdp = xdp_program(inner);
	}
	if (vlan && elsewhere)
		return -EXDEV;
	out->lower = vlan ? lower : 0;
	return 0;
}
