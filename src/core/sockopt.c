#define _GNU_SOURCE
#include "sockopt.h"

#include <errno.h>
#include <limits.h>
#include <linux/in6.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/time.h>

#include "sys/sys.h"

/*
 * Values of options that Debian 12's headers may not name yet
 * (include/uapi/asm-generic/socket.h, linux/tcp.h, linux/in.h).
 */
#define OPT_SO_PREFER_BUSY_POLL 69
#define OPT_SO_TXREHASH 74
#define OPT_TCP_TX_DELAY 37
#define OPT_IP_LOCAL_PORT_RANGE 51
#define OPT_IPV6_MTU_DISCOVER 23
#define OPT_IPV6_RECVERR 25
#define OPT_IPV6_MINHOPCOUNT 73
#define OPT_IPV6_TRANSPARENT 75
#define OPT_IPV6_FREEBIND 78

enum {
	COPY_PLAIN,  /* set what was read */
	COPY_HALVED, /* the kernel tells twice what was asked for (socket(7), SO_RCVBUF) */
	COPY_STRING, /* a name, not a number */
	IGNORE,      /* says nothing about later connections */
};

static const struct option {
	int level;
	int name;
	int how;
} options[] = {
	{ SOL_SOCKET, SO_REUSEADDR, COPY_PLAIN },
	{ SOL_SOCKET, SO_KEEPALIVE, COPY_PLAIN },
	{ SOL_SOCKET, SO_DONTROUTE, COPY_PLAIN },
	{ SOL_SOCKET, SO_LINGER, COPY_PLAIN },
	{ SOL_SOCKET, SO_OOBINLINE, COPY_PLAIN },
	{ SOL_SOCKET, SO_RCVBUF, COPY_HALVED },
	{ SOL_SOCKET, SO_SNDBUF, COPY_HALVED },
	{ SOL_SOCKET, SO_RCVLOWAT, COPY_PLAIN },
	{ SOL_SOCKET, SO_RCVTIMEO, COPY_PLAIN },
	{ SOL_SOCKET, SO_SNDTIMEO, COPY_PLAIN },
	{ SOL_SOCKET, SO_PRIORITY, COPY_PLAIN },
	{ SOL_SOCKET, SO_MARK, COPY_PLAIN },
	{ SOL_SOCKET, SO_BINDTODEVICE, COPY_STRING },
	{ SOL_SOCKET, SO_BUSY_POLL, COPY_PLAIN },
	{ SOL_SOCKET, OPT_SO_PREFER_BUSY_POLL, COPY_PLAIN },
	{ SOL_SOCKET, SO_MAX_PACING_RATE, COPY_PLAIN },
	{ SOL_SOCKET, SO_ZEROCOPY, COPY_PLAIN },
	{ SOL_SOCKET, OPT_SO_TXREHASH, COPY_PLAIN },
	{ SOL_SOCKET, SO_REUSEPORT, IGNORE }, /* the group's own business */
	{ SOL_SOCKET, SO_RCVBUFFORCE, IGNORE }, /* read back as SO_RCVBUF */
	{ SOL_SOCKET, SO_SNDBUFFORCE, IGNORE },
	{ SOL_SOCKET, SO_DEBUG, IGNORE },
	{ IPPROTO_TCP, TCP_NODELAY, COPY_PLAIN },
	{ IPPROTO_TCP, TCP_MAXSEG, COPY_PLAIN },
	{ IPPROTO_TCP, TCP_CORK, COPY_PLAIN },
	{ IPPROTO_TCP, TCP_KEEPIDLE, COPY_PLAIN },
	{ IPPROTO_TCP, TCP_KEEPINTVL, COPY_PLAIN },
	{ IPPROTO_TCP, TCP_KEEPCNT, COPY_PLAIN },
	{ IPPROTO_TCP, TCP_SYNCNT, COPY_PLAIN },
	{ IPPROTO_TCP, TCP_LINGER2, COPY_PLAIN },
	{ IPPROTO_TCP, TCP_DEFER_ACCEPT, COPY_PLAIN },
	{ IPPROTO_TCP, TCP_WINDOW_CLAMP, COPY_PLAIN },
	{ IPPROTO_TCP, TCP_CONGESTION, COPY_STRING },
	{ IPPROTO_TCP, TCP_THIN_LINEAR_TIMEOUTS, COPY_PLAIN },
	{ IPPROTO_TCP, TCP_USER_TIMEOUT, COPY_PLAIN },
	{ IPPROTO_TCP, TCP_FASTOPEN, COPY_PLAIN },
	{ IPPROTO_TCP, TCP_NOTSENT_LOWAT, COPY_PLAIN },
	{ IPPROTO_TCP, TCP_SAVE_SYN, COPY_PLAIN },
	{ IPPROTO_TCP, TCP_FASTOPEN_NO_COOKIE, COPY_PLAIN },
	{ IPPROTO_TCP, TCP_INQ, COPY_PLAIN },
	{ IPPROTO_TCP, OPT_TCP_TX_DELAY, COPY_PLAIN },
	{ IPPROTO_TCP, TCP_THIN_DUPACK, IGNORE }, /* does nothing since Linux 4.17 */
	{ IPPROTO_TCP, TCP_QUICKACK, IGNORE },    /* a state of one connection */
	{ IPPROTO_TCP, TCP_ULP, IGNORE },
	{ IPPROTO_TCP, TCP_ZEROCOPY_RECEIVE, IGNORE },
	{ IPPROTO_IP, IP_TOS, COPY_PLAIN },
	{ IPPROTO_IP, IP_TTL, COPY_PLAIN },
	{ IPPROTO_IP, IP_FREEBIND, COPY_PLAIN },
	{ IPPROTO_IP, IP_TRANSPARENT, COPY_PLAIN },
	{ IPPROTO_IP, IP_MTU_DISCOVER, COPY_PLAIN },
	{ IPPROTO_IP, IP_RECVERR, COPY_PLAIN },
	{ IPPROTO_IP, IP_MINTTL, COPY_PLAIN },
	{ IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, IGNORE }, /* about connect() */
	{ IPPROTO_IP, OPT_IP_LOCAL_PORT_RANGE, IGNORE },
	{ IPPROTO_IPV6, IPV6_V6ONLY, COPY_PLAIN },
	{ IPPROTO_IPV6, IPV6_TCLASS, COPY_PLAIN },
	{ IPPROTO_IPV6, IPV6_UNICAST_HOPS, COPY_PLAIN },
	{ IPPROTO_IPV6, OPT_IPV6_MTU_DISCOVER, COPY_PLAIN },
	{ IPPROTO_IPV6, OPT_IPV6_RECVERR, COPY_PLAIN },
	{ IPPROTO_IPV6, OPT_IPV6_MINHOPCOUNT, COPY_PLAIN },
	{ IPPROTO_IPV6, OPT_IPV6_TRANSPARENT, COPY_PLAIN },
	{ IPPROTO_IPV6, OPT_IPV6_FREEBIND, COPY_PLAIN },
};

/* Largest value of any option above: struct timeval, a device or congestion control name. */
#define VALUE_MAX 32

struct value {
	socklen_t len;
	unsigned char bytes[VALUE_MAX];
};

bool fs_sockopt_known(int level, int name)
{
	for (size_t i = 0; i < FS_COUNT(options); i++)
		if (options[i].name == name && options[i].level == level)
			return true;
	return false;
}

/* 0, or -errno; an option that this kernel or socket family does not have is not one to copy. */
static int get(int fd, const struct option *o, struct value *v)
{
	memset(v, 0, sizeof(*v));
	v->len = sizeof(v->bytes);
	return fs_sys_getsockopt(fd, o->level, o->name, v->bytes, &v->len);
}

static bool same(const struct value *a, const struct value *b)
{
	return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

static int set(int fd, const struct option *o, const struct value *v)
{
	int number, rc;

	if (o->how != COPY_HALVED)
		return fs_sys_setsockopt(fd, o->level, o->name, v->bytes, v->len);
	memcpy(&number, v->bytes, sizeof(number));
	number /= 2;
	/*
	 * Privileged programs may go past the limit with the FORCE twin; otherwise it says
	 * EPERM and nothing is lost.
	 */
	rc = fs_sys_setsockopt(fd, o->level, o->name == SO_RCVBUF ? SO_RCVBUFFORCE : SO_SNDBUFFORCE, &number,
			       sizeof(number));
	if (rc == -EPERM)
		rc = fs_sys_setsockopt(fd, o->level, o->name, &number, sizeof(number));
	return rc;
}

int fs_sockopt_copy(int from, int to, int *level, int *name)
{
	struct value want, have;

	for (size_t i = 0; i < FS_COUNT(options); i++) {
		const struct option *o = &options[i];
		int rc;

		if (o->how == IGNORE || get(from, o, &want) < 0)
			continue;
		rc = get(to, o, &have);
		if (rc == 0 && same(&want, &have))
			continue;
		if (rc == 0)
			rc = set(to, o, &want);
		if (rc == 0)
			rc = get(to, o, &have);
		if (rc == 0 && !same(&want, &have))
			rc = -EINVAL;
		if (rc < 0) {
			*level = o->level;
			*name = o->name;
			return rc;
		}
	}
	return 0;
}

int fs_sockopt_int(int fd, int level, int name, int fallback)
{
	int value = 0;
	socklen_t len = sizeof(value);

	return fs_sys_getsockopt(fd, level, name, &value, &len) < 0 ? fallback : value;
}

uint64_t fs_sockopt_cookie(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	return fs_sys_getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) < 0 ? 0 : cookie;
}

/* What TCP_INFO begins with, up to the last field that is wanted: the kernel copies no more than it is asked for. */
static int info(int fd, struct tcp_info *out)
{
	socklen_t len = offsetof(struct tcp_info, tcpi_unacked) + sizeof(out->tcpi_unacked);

	return fs_sys_getsockopt(fd, IPPROTO_TCP, TCP_INFO, out, &len);
}

int fs_sockopt_queue(int fd)
{
	struct tcp_info i;

	if (info(fd, &i) < 0 || i.tcpi_state != TCP_LISTEN)
		return -1;
	return i.tcpi_unacked > INT_MAX ? INT_MAX : (int)i.tcpi_unacked;
}

bool fs_sockopt_unused(int fd)
{
	struct tcp_info i;

	return info(fd, &i) == 0 && i.tcpi_state == TCP_CLOSE;
}
