#define _GNU_SOURCE
#include "active_socket.h"

#include <linux/in6.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "portbind.h"
#include "process.h"

static unsigned active_tag(int fd)
{
	return fs_active_index(fs_fd_tag(fd));
}

unsigned fs_active_bound_bit(unsigned index)
{
	return fs_portbind_needed() && !(index & FS_ACTIVE_FRESH) ? index & FS_ACTIVE_BOUND : 0;
}

static bool is_pinned(unsigned index)
{
	return index == FS_ACTIVE_PINNED && !fs_portbind_needed();
}

void fs_active_retag(int fd, uint16_t old, unsigned index)
{
	bool odd = (fs_active_index(old) & (FS_ACTIVE_FRESH | FS_ACTIVE_PLAIN)) && (fs_active_index(old) & FS_ACTIVE_ODD);

	fs_fd_swap_tag(fd, old, index ? FS_TAG_ACTIVE : odd ? FS_TAG_ODD : FS_TAG_NONE, index);
}

void fs_active_socket(int fd, int domain, int type, int protocol)
{
	bool tcp = (type & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) == SOCK_STREAM && (protocol == 0 || protocol == IPPROTO_TCP);

	if (fd < 0 || (unsigned)fd >= FS_FD_MAX || !fs_proc.connects || (domain != AF_INET && domain != AF_INET6))
		return;
	/* A vfork child's descriptors are not those that the tags are about. */
	if (!fs_foreign_process())
		fs_fd_set_tag(fd, FS_TAG_ACTIVE, tcp ? FS_ACTIVE_FRESH : FS_ACTIVE_PLAIN);
}

bool fs_active_hides_reuse(int fd)
{
	return fs_active_bound_bit(active_tag(fd)) != 0;
}

bool fs_active_is_odd(int fd)
{
	unsigned index = active_tag(fd);

	return (index & (FS_ACTIVE_FRESH | FS_ACTIVE_PLAIN)) && (index & FS_ACTIVE_ODD);
}

/* Options that have a socket's packets go another way than the one that is looked up. */
static bool leads_elsewhere(int level, int name)
{
	switch (level) {
	case SOL_SOCKET:
		return name == SO_BINDTODEVICE || name == SO_MARK || name == SO_BINDTOIFINDEX;
	case IPPROTO_IP:
		return name == IP_UNICAST_IF || name == IP_TRANSPARENT || name == IP_OPTIONS;
	case IPPROTO_IPV6:
		return name == IPV6_UNICAST_IF || name == IPV6_TRANSPARENT || name == IPV6_PKTINFO || name == IPV6_RTHDR ||
		       name == IPV6_NEXTHOP || name == IPV6_2292PKTOPTIONS;
	case IPPROTO_TCP:
		return name == TCP_REPAIR;
	default:
		return false;
	}
}

void fs_active_setsockopt(int fd, int level, int name)
{
	uint16_t tag = fs_fd_tag(fd);
	unsigned index = fs_active_index(tag);
	bool range = level == IPPROTO_IP && name == IP_LOCAL_PORT_RANGE;
	bool reuse = level == SOL_SOCKET && name == SO_REUSEADDR;

	if (reuse && fs_active_bound_bit(index))
		fs_active_retag(fd, tag, index & ~FS_ACTIVE_BOUND); /* now it is the application's */
	else if (range && is_pinned(index))
		fs_active_retag(fd, tag, 0); /* likewise */
	else if (leads_elsewhere(level, name) && !fs_active_bound_bit(index))
		fs_active_retag(fd, tag, FS_ACTIVE_PLAIN | (index & (FS_ACTIVE_FRESH | FS_ACTIVE_PLAIN) ? index & FS_ACTIVE_ODD : 0));
	else if ((range || reuse || (level == SOL_SOCKET && name == SO_REUSEPORT)) && (index & FS_ACTIVE_FRESH))
		fs_active_retag(fd, tag, 0);
}

void fs_active_odd(int fd)
{
	uint16_t tag = fs_fd_tag(fd);
	unsigned index = fs_active_index(tag);

	if (index & (FS_ACTIVE_FRESH | FS_ACTIVE_PLAIN))
		fs_fd_swap_tag(fd, tag, FS_TAG_ACTIVE, index | FS_ACTIVE_ODD);
	else if (!fs_active_bound_bit(index))
		fs_fd_swap_tag(fd, tag, FS_TAG_ODD, 0);
}

void fs_active_bound(int fd)
{
	uint16_t tag = fs_fd_tag(fd);

	if (fs_active_index(tag) & FS_ACTIVE_FRESH)
		fs_active_retag(fd, tag, 0);
}

void fs_active_dup(int fd, int copy)
{
	uint16_t tag = fs_fd_tag(fd);
	unsigned index = fs_active_index(tag);

	/* What happens to it by one of its numbers does not show in the other's tag. */
	if (index & (FS_ACTIVE_FRESH | FS_ACTIVE_PLAIN)) {
		fs_fd_set_tag(copy, index & FS_ACTIVE_ODD ? FS_TAG_ODD : FS_TAG_NONE, 0);
		if (index & FS_ACTIVE_FRESH)
			fs_active_retag(fd, tag, 0);
		else
			fs_fd_set_tag(copy, FS_TAG_ACTIVE, index);
	} else if (fs_active_bound_bit(index)) {
		fs_fd_set_tag(copy, FS_TAG_ACTIVE, FS_ACTIVE_BOUND);
	}
}
