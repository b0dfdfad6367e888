#define _GNU_SOURCE
#include "heir.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "address.h"
#include "epollinfo.h"
#include "estate.h"
#include "log.h"
#include "siblings.h"
#include "sys/sys.h"

/* Descriptors in one message; the kernel's own limit is 253 (SCM_MAX_FD). */
#define CHUNK 250
#define DESCRIPTORS_MAX (4 + 2 * FS_CORES_MAX + 3 + FS_CORES_MAX)
/* How long the other process may take to answer, all in all. At the start of a server only. */
#define PATIENCE_MS 100
#define ANSWERS_MAX 8

struct letter {
	uint32_t total; /* descriptors */
	struct fs_estate_tree tree;
	struct fs_estate_part part;
};

/* Large; the process lock guards them. */
static struct letter letter;
static int32_t descriptors[DESCRIPTORS_MAX];

/* ---- the name ---- */

static char *put_hex(char *at, const void *data, size_t len)
{
	static const char digit[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		*at++ = digit[((const uint8_t *)data)[i] >> 4];
		*at++ = digit[((const uint8_t *)data)[i] & 15];
	}
	return at;
}

/* Abstract names belong to the network namespace, as addresses do. */
static socklen_t name_of(const struct fs_group_rec *rec, struct sockaddr_un *name)
{
	static const char start[] = "fastsock-heir-";
	char *at = name->sun_path + 1;

	memset(name, 0, sizeof(*name));
	name->sun_family = AF_UNIX;
	memcpy(at, start, sizeof(start) - 1);
	at = put_hex(at + sizeof(start) - 1, rec->address, rec->family == AF_INET ? 4 : 16);
	*at++ = '-';
	at = put_hex(at, &rec->port, sizeof(rec->port));
	at = put_hex(at, &rec->v6only, 1);
	at = put_hex(at, &rec->scope, sizeof(rec->scope));
	return (socklen_t)(at - (char *)name);
}

/*
 * `any`: root believes an answer from anybody, because the old process may have given up
 * being root since it bound; what it hands over has to stand the test of genuine(). Its
 * sockets can only be the server's own: nobody else can listen on the address.
 */
static bool trusted(int fd, bool any)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return fs_sys_getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	       (peer.uid == 0 || peer.uid == fs_sys_geteuid() || (any && fs_sys_geteuid() == 0));
}

/* ---- who answers ---- */

void fs_heir_make(unsigned group)
{
	struct sockaddr_un name;
	socklen_t len = name_of(fs_group_rec(group), &name);
	int fd = fs_sys_socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	if (fs_sys_bind(fd, &name, len) < 0) {
		fs_sys_close(fd);
		return;
	}
	fd = fs_fd_hide(fd);
	if (fd > 0)
		fs_groups[group].heir = fd;
}

void fs_heir_listen(unsigned group)
{
	int fd;

	/* Another process had the name, and may be gone by now. */
	if (fs_groups[group].heir <= 0)
		fs_heir_make(group);
	fd = fs_groups[group].heir;
	if (fd > 0 && !fs_sockopt_int(fd, SOL_SOCKET, SO_ACCEPTCONN, 0) && fs_sys_listen(fd, ANSWERS_MAX) == 0)
		fs_hub_heir(group, fd);
}

static bool collect(int32_t *fd, void *n)
{
	if (*fd <= 0)
		return false;
	descriptors[(*(uint32_t *)n)++] = *fd;
	return true;
}

static bool send_chunk(int to, const void *data, size_t len, const int32_t *fds, size_t n)
{
	union {
		char buf[CMSG_SPACE(CHUNK * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { (void *)data, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf };
	struct cmsghdr *c;

	msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
	memset(&control, 0, sizeof(control));
	c = CMSG_FIRSTHDR(&msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	return fs_sys_sendmsg(to, &msg, MSG_NOSIGNAL | MSG_DONTWAIT) == (long)len;
}

static void answer(unsigned group, int to)
{
	uint32_t n = 0;

	if (!trusted(to, false))
		return;
	memset(&letter, 0, sizeof(letter));
	fs_estate_tree_of(&letter.tree);
	fs_estate_part_of(&letter.part, group);
	if (!fs_estate_each(&letter.tree, collect, &n) || !fs_estate_each_part(&letter.part, fs_proc.ncores, collect, &n))
		return;
	letter.total = n;
	for (uint32_t sent = 0; sent < n; sent += CHUNK) {
		uint32_t part = n - sent < CHUNK ? n - sent : CHUNK;

		/* The letter comes with the first ones, then a byte each: a message without data carries nothing. */
		if (!send_chunk(to, &letter, sent ? 1 : sizeof(letter), descriptors + sent, part))
			return;
	}
}

void fs_heir_answer(unsigned group)
{
	for (unsigned i = 0; i < ANSWERS_MAX && fs_groups[group].held && fs_groups[group].heir > 0; i++) {
		int fd = fs_sys_accept4(fs_groups[group].heir, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd == -EAGAIN)
			return;
		/* No descriptor left: whoever asks would wake us again and again. */
		if (fd < 0) {
			fs_fd_close_hidden(fs_groups[group].heir);
			fs_groups[group].heir = 0;
			return;
		}
		if (fs_group_own(group) && fs_group_state(group) != FS_GROUP_ABANDONED)
			answer(group, fd);
		fs_sys_close(fd);
	}
}

/* ---- who asks ---- */

/* One message; its descriptors are hidden at once. Their number, or -1. */
static int receive(int from, void *data, size_t len, int32_t *fds, size_t room)
{
	union {
		char buf[CMSG_SPACE(CHUNK * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { data, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf, .msg_controllen = sizeof(control.buf) };
	struct cmsghdr *c;
	size_t n = 0;

	if (fs_sys_recvmsg(from, &msg, MSG_CMSG_CLOEXEC) != (long)len || (msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		room = 0; /* what came along is closed */
	for (c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; CMSG_LEN((i + 1) * sizeof(int)) <= c->cmsg_len; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (n < room)
				fds[n] = fs_fd_hide(fd);
			else
				fs_sys_close(fd);
			n += n < room;
		}
	}
	return room ? (int)n : -1;
}

/* The letter, and all its descriptors in the order of fs_estate_each(). How many came. */
static uint32_t receive_all(int from)
{
	uint32_t n = 0;
	char more;
	int rc = receive(from, &letter, sizeof(letter), descriptors, CHUNK);

	while (rc > 0) {
		n += (uint32_t)rc;
		if (letter.total > DESCRIPTORS_MAX || n >= letter.total)
			break;
		rc = receive(from, &more, 1, descriptors + n, DESCRIPTORS_MAX - n);
	}
	return n;
}

static bool deal(int32_t *fd, void *next)
{
	*fd = descriptors[(*(uint32_t *)next)++];
	return true;
}

static int ask(const struct fs_group_rec *want)
{
	struct timeval patience = { 0, PATIENCE_MS * 1000 };
	struct sockaddr_un name;
	socklen_t len = name_of(want, &name);
	int fd = fs_sys_socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return fd;
	fs_sys_setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	fs_sys_setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (fs_sys_connect(fd, &name, len) == 0 && trusted(fd, true))
		return fd;
	fs_sys_close(fd);
	return -ECONNREFUSED;
}

static bool on_address(int fd, const struct fs_group_rec *want, bool listening)
{
	struct fs_group_rec have;

	return fs_address_of(fd, &have) && have.family == want->family && have.port == want->port &&
	       memcmp(have.address, want->address, sizeof(have.address)) == 0 &&
	       fs_sockopt_int(fd, SOL_SOCKET, SO_PROTOCOL, -1) == IPPROTO_TCP &&
	       (!listening || fs_sockopt_int(fd, SOL_SOCKET, SO_ACCEPTCONN, 0));
}

/* Every descriptor is what it is said to be, as the kernel has it. */
static bool genuine(const struct fs_group_rec *want)
{
	const struct fs_estate_tree *t = &letter.tree;
	const struct fs_estate_part *p = &letter.part;
	bool ok = fs_estate_link_is(t->hub.hub, "anon_inode:[eventpoll]") &&
		  fs_estate_link_is(t->hub.watchdog, "anon_inode:[timerfd]") &&
		  fs_estate_link_is(t->claims, "/memfd:" FS_REGION_NAME "-claims (deleted)") &&
		  on_address(p->global, want, true);

	for (unsigned c = 0; ok && c < t->ncores; c++)
		ok = fs_estate_link_is(t->hub.watch[c], "anon_inode:[eventpoll]") &&
		     fs_estate_link_is(t->hub.kick[c], "anon_inode:[eventfd]") && on_address(p->local[c], want, false);
	return ok;
}

/* The tree is the one that this process has, or it has none and takes it. */
static bool take_tree(void)
{
	bool same;

	if (!fs_proc.region)
		return fs_estate_take(&letter.tree);
	same = fs_sys_same_file(letter.tree.memfd, fs_proc.memfd);
	if (same)
		fs_estate_drop(&letter.tree);
	return same;
}

/* The application's socket becomes a descriptor of the global listener, as it wanted it. */
static bool replace(int fd, unsigned group)
{
	int global = fs_groups[group].global, level, name;
	int flags = fs_sys_fcntl(fd, F_GETFD, 0);

	/* It passed the socket itself on. */
	if (fs_sockopt_cookie(fd) == fs_sockopt_cookie(global))
		return true;
	/* An instance that it already stands in would lose it. */
	if (fs_epollinfo_stands(fd))
		return false;
	if ((fs_sys_fcntl(fd, F_GETFL, 0) ^ fs_sys_fcntl(global, F_GETFL, 0)) & O_NONBLOCK)
		return false;
	if (fs_sockopt_copy(fd, global, &level, &name) < 0)
		return false;
	for (unsigned c = 0; c < fs_proc.ncores; c++)
		fs_sockopt_copy(fd, fs_groups[group].local[c], &level, &name);
	return fs_sys_dup3(global, fd, flags & FD_CLOEXEC ? O_CLOEXEC : 0) >= 0;
}

static bool same_address(const struct fs_group_rec *a, const struct fs_group_rec *b)
{
	return a->family == b->family && a->port == b->port && memcmp(a->address, b->address, sizeof(a->address)) == 0;
}

bool fs_heir_join(int fd, const struct fs_group_rec *want)
{
	uint32_t n, next = 0;
	unsigned group;
	bool taken;
	int from;

	/* Its own group: a second SO_REUSEPORT socket of the same program. */
	for (unsigned g = 0; g < fs_groups_end; g++)
		if (fs_groups[g].held && same_address(fs_group_rec(g), want))
			return false;
	from = ask(want);
	if (from < 0)
		return false;
	n = receive_all(from);
	fs_sys_close(from);
	group = letter.part.group;
	if (!n || n != letter.total || letter.tree.ncores > FS_CORES_MAX || n != 7 + 3 * letter.tree.ncores) {
		for (uint32_t i = 0; i < n; i++)
			fs_fd_close_hidden(descriptors[i]);
		return false;
	}
	fs_estate_each(&letter.tree, deal, &next);
	fs_estate_each_part(&letter.part, letter.tree.ncores, deal, &next);
	if (!genuine(want) || !take_tree()) {
		fs_estate_drop(&letter.tree);
		fs_estate_drop_part(&letter.part);
		return false;
	}
	taken = fs_estate_take_part(&letter.part);
	if (!taken)
		fs_estate_drop_part(&letter.part);
	if (!taken || !same_address(fs_group_rec(group), want) || !replace(fd, group) || !fs_listener_recognise(fd)) {
		if (taken)
			fs_siblings_give_up(group);
		return false;
	}
	fs_log(FS_LOG_INFO, "listener %d joins the group of another process on port %u", fd, want->port);
	return true;
}
