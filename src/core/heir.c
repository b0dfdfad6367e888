#define _GNU_SOURCE
#include "heir.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "address.h"
#include "epollinfo.h"
#include "estate.h"
#include "log.h"
#include "siblings.h"
#include "sys/sys.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif

/* Descriptors in one message; the kernel's own limit is 253 (SCM_MAX_FD). */
#define CHUNK 250
#define DESCRIPTORS_MAX (4 + 2 * FS_CORES_MAX + 3 + FS_CORES_MAX)
/*
 * How long the other process may take to answer, all in all. At the start of a server only, and
 * nobody who was silent is asked again.
 */
#define PATIENCE_US 100000
#define ANSWERS_MAX 8
/* Threads that pass a question on, and how long each stays out of the way. */
#define PASSES_MAX 8
#define PASS_US 2000

/*
 * The region's descriptor comes last, and who has that region already does not take it:
 * closing a second descriptor of it would drop the process's record locks (region_lock.h).
 */
struct letter {
	uint32_t total; /* descriptors */
	uint64_t dev, ino; /* of the region */
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

/* The user that a descriptor's socket or file belongs to; -1 when the kernel does not tell. */
static long owner(int fd)
{
	struct stat st;

	return fs_sys_fstat(fd, &st) < 0 ? -1 : (long)st.st_uid;
}

/* The other end was made by root or by this user. */
static bool trusted(int fd, long user)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	return fs_sys_getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 && (peer.uid == 0 || (long)peer.uid == user);
}

/* ---- who answers ---- */

void fs_heir_make(unsigned group)
{
	struct sockaddr_un name;
	socklen_t len = name_of(fs_group_rec(group), &name);
	int fd = fs_sys_socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return;
	if (fs_sys_bind(fd, &name, len) < 0 || fs_sys_listen(fd, ANSWERS_MAX) < 0) {
		fs_sys_close(fd);
		return;
	}
	fd = fs_fd_hide(fd);
	if (fd > 0)
		fs_groups[group].heir = fd;
}

void fs_heir_listen(unsigned group)
{
	/* Another process had the name, and may be gone by now. */
	if (fs_groups[group].heir <= 0)
		fs_heir_make(group);
	if (fs_groups[group].heir > 0)
		fs_hub_heir(group, fs_groups[group].heir);
}

static bool collect(int32_t *fd, void *n)
{
	if (*fd <= 0)
		return false;
	descriptors[(*(uint32_t *)n)++] = *fd;
	return true;
}

static uint32_t in_chunk(uint32_t left)
{
	return left < CHUNK ? left : CHUNK;
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
	struct stat region;
	uint32_t n = 0;

	if (!trusted(to, owner(fs_groups[group].global)) || fs_sys_fstat(fs_proc.memfd, &region) < 0)
		return;
	memset(&letter, 0, sizeof(letter));
	letter.dev = region.st_dev;
	letter.ino = region.st_ino;
	fs_estate_tree_of(&letter.tree);
	fs_estate_part_of(&letter.part, group);
	if (!fs_estate_each(&letter.tree, collect, &n) || !fs_estate_each_part(&letter.part, fs_proc.ncores, collect, &n))
		return;
	letter.total = n;
	for (uint32_t sent = 1; sent < n; sent += CHUNK) {
		/* The letter comes with the first ones, then a byte each: a message without data carries nothing. */
		if (!send_chunk(to, &letter, sent == 1 ? sizeof(letter) : 1, descriptors + sent, in_chunk(n - sent)))
			return;
	}
	send_chunk(to, &letter, 1, descriptors, 1);
}

void fs_heir_answer(unsigned group)
{
	for (unsigned i = 0; i < ANSWERS_MAX && fs_groups[group].held && fs_groups[group].heir > 0; i++) {
		int fd = fs_sys_accept4(fs_groups[group].heir, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd == -EAGAIN)
			return;
		/* No descriptor left: who asks would be heard again and again. */
		if (fd < 0) {
			fs_hub_no_heir(fs_groups[group].heir);
			fs_fd_close_hidden(fs_groups[group].heir);
			fs_groups[group].heir = 0;
			return;
		}
		if (fs_group_own(group) && fs_group_state(group) != FS_GROUP_ABANDONED)
			answer(group, fd);
		fs_sys_close(fd);
	}
}

/* Whether this process can answer for the group; if so, it has. */
static bool answered(unsigned group)
{
	bool can;

	fs_lock();
	can = group < FS_GROUPS_MAX && fs_groups[group].held && fs_groups[group].heir > 0;
	if (can)
		fs_heir_answer(group);
	fs_unlock();
	return can;
}

static void pass_on(unsigned group, uint32_t passes)
{
	struct timespec away = { 0, PASS_US * 1000L };

	/* Relaxed: the watchdog's wake-up comes later than this. */
	atomic_store_explicit(&fs_region_head()->asked, passes < PASSES_MAX ? passes << 16 | (group + 1) : 0, memory_order_relaxed);
	if (passes >= PASSES_MAX)
		return;
	fs_hub_wake_later(1);
	fs_sys_nanosleep(&away);
}

void fs_heir_asked(unsigned group)
{
	if (!answered(group))
		pass_on(group, 0);
}

void fs_heir_asked_before(void)
{
	uint32_t asked = atomic_exchange_explicit(&fs_region_head()->asked, 0, memory_order_relaxed);

	if (asked && !answered((asked & 0xffff) - 1))
		pass_on((asked & 0xffff) - 1, (asked >> 16) + 1);
}

/* ---- who asks ---- */

/*
 * One message, with at most `room` descriptors; they are hidden at once. Their number, or -1
 * when anything else comes, or nothing in time: then what came along is closed.
 */
static int receive(int from, void *data, size_t len, int32_t *fds, uint32_t room, uint64_t until)
{
	union {
		char buf[CMSG_SPACE(CHUNK * sizeof(int))];
		struct cmsghdr align;
	} control;
	struct iovec iov = { data, len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.buf, .msg_controllen = sizeof(control.buf) };
	uint64_t now = fs_sys_now_us();
	struct timeval patience = { 0, (suseconds_t)(now < until ? until - now : 0) };
	struct cmsghdr *c;
	uint32_t n = 0;
	bool ok = true;
	long got;

	if (now >= until || fs_sys_setsockopt(from, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) < 0)
		return -1;
	got = fs_sys_recvmsg(from, &msg, MSG_CMSG_CLOEXEC);
	/* Then nothing was written into `control`. */
	if (got < 0)
		return -1;
	for (c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; CMSG_LEN((i + 1) * sizeof(int)) <= c->cmsg_len; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			if (n < room) {
				fds[n] = fs_fd_hide(fd);
				ok &= fds[n++] > 0;
			} else {
				fs_sys_close(fd);
				ok = false;
			}
		}
	}
	if (ok && got == (long)len && !(msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
		return (int)n;
	for (uint32_t i = 0; i < n; i++)
		fs_fd_close_hidden(fds[i]);
	return -1;
}

static bool same_region(void)
{
	struct stat own;

	return fs_proc.region && fs_sys_fstat(fs_proc.memfd, &own) == 0 && own.st_dev == letter.dev && own.st_ino == letter.ino;
}

/*
 * The letter, and all its descriptors in the order of fs_estate_each(), but the region's
 * (the first) only if this process has another one, or none. How many of `descriptors` are filled; *ok: with all.
 */
static uint32_t receive_all(int from, bool *ok)
{
	uint64_t until = fs_sys_now_us() + PATIENCE_US;
	uint32_t n = 1;
	char more;
	int rc = receive(from, &letter, sizeof(letter), descriptors + 1, CHUNK, until);

	descriptors[0] = 0;
	*ok = false;
	if (rc < 0)
		return 0;
	n += (uint32_t)rc;
	if (letter.tree.ncores < 1 || letter.tree.ncores > FS_CORES_MAX || letter.total != 7 + 3 * letter.tree.ncores)
		return n;
	while (n < letter.total && rc == (int)in_chunk(letter.total - n + (uint32_t)rc)) {
		rc = receive(from, &more, 1, descriptors + n, letter.total - n, until);
		if (rc < 0)
			return n;
		n += (uint32_t)rc;
	}
	*ok = n == letter.total && (same_region() || receive(from, &more, 1, descriptors, 1, until) == 1);
	return n;
}

static bool deal(int32_t *fd, void *next)
{
	*fd = descriptors[(*(uint32_t *)next)++];
	return true;
}

static int ask(const struct fs_group_rec *want, long user)
{
	struct timeval patience = { 0, PATIENCE_US };
	struct sockaddr_un name;
	socklen_t len = name_of(want, &name);
	int fd = fs_sys_socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return fd;
	fs_sys_setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (fs_sys_connect(fd, &name, len) == 0 && trusted(fd, user))
		return fd;
	fs_sys_close(fd);
	return -ECONNREFUSED;
}

static uint64_t network_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t len = sizeof(cookie);

	/* Before 5.14, the kernel does not tell. */
	return fs_sys_getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &len) < 0 ? 0 : cookie;
}

/* A socket that could have been made by this process, on this address: one that steals nothing from anybody. */
static bool on_address(int fd, int own, const struct fs_group_rec *want, bool listening)
{
	struct fs_group_rec have;

	return owner(fd) == owner(own) && network_of(fd) == network_of(own) && fs_address_of(fd, &have) && have.family == want->family && have.port == want->port &&
	       memcmp(have.address, want->address, sizeof(have.address)) == 0 &&
	       fs_sockopt_int(fd, SOL_SOCKET, SO_PROTOCOL, -1) == IPPROTO_TCP &&
	       (!listening || fs_sockopt_int(fd, SOL_SOCKET, SO_ACCEPTCONN, 0));
}

/* Every descriptor is what it is said to be, as the kernel has it. */
static bool genuine(const struct fs_group_rec *want, int own)
{
	const struct fs_estate_tree *t = &letter.tree;
	const struct fs_estate_part *p = &letter.part;
	bool ok = fs_estate_link_is(t->hub.hub, "anon_inode:[eventpoll]") &&
		  fs_estate_link_is(t->hub.watchdog, "anon_inode:[timerfd]") &&
		  fs_estate_link_is(t->claims, "/memfd:" FS_REGION_NAME "-claims (deleted)") &&
		  (same_region() || owner(t->memfd) == owner(own)) && owner(t->claims) == owner(own) &&
		  on_address(p->global, own, want, true);

	for (unsigned c = 0; ok && c < t->ncores; c++)
		ok = fs_estate_link_is(t->hub.watch[c], "anon_inode:[eventpoll]") &&
		     fs_estate_link_is(t->hub.kick[c], "anon_inode:[eventfd]") && on_address(p->local[c], own, want, false);
	return ok;
}

/* The tree is the one that this process has, or it has none and takes it. */
static bool take_tree(void)
{
	bool same = same_region() && letter.tree.ncores == fs_proc.ncores;

	if (!fs_proc.region)
		return fs_estate_take(&letter.tree);
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
	static bool silent; /* somebody did not answer: nobody waits for him at each listen() */
	uint32_t n, next = 0;
	unsigned group;
	bool ok;
	int from;

	/* Its own group: a second SO_REUSEPORT socket of the same program. */
	for (unsigned g = 0; g < fs_groups_end; g++)
		if (fs_groups[g].held && same_address(fs_group_rec(g), want))
			return false;
	from = silent ? -EAGAIN : ask(want, owner(fd));
	if (from < 0)
		return false;
	n = receive_all(from, &ok);
	fs_sys_close(from);
	silent = !n;
	if (!ok) {
		for (uint32_t i = 0; i < n; i++)
			fs_fd_close_hidden(descriptors[i]);
		return false;
	}
	group = letter.part.group;
	fs_estate_each(&letter.tree, deal, &next);
	fs_estate_each_part(&letter.part, letter.tree.ncores, deal, &next);
	if (!genuine(want, fd) || !take_tree()) {
		fs_estate_drop(&letter.tree);
		fs_estate_drop_part(&letter.part);
		return false;
	}
	ok = fs_estate_take_part(&letter.part);
	if (!ok)
		fs_estate_drop_part(&letter.part);
	if (!ok || !same_address(fs_group_rec(group), want) || !replace(fd, group) || !fs_listener_recognise(fd)) {
		if (ok)
			fs_siblings_give_up(group);
		return false;
	}
	fs_log(FS_LOG_INFO, "listener %d joins the group of another process on port %u", fd, want->port);
	return true;
}
