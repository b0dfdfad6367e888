/*
 * Somebody took the name on which a server would ask another process of its own: he says
 * nothing, or something, or passes descriptors of his own, or hangs up, or answers with what
 * another server has, as if it were for this address. Promised: the server keeps its own
 * socket and nothing of his, and serves.
 */
#define _GNU_SOURCE
#include "heir_peer.h"

#include <sys/mman.h>
#include <sys/stat.h>

enum how { SILENT, HANGS_UP, SAYS_A_WORD, SAYS_NOTHING_KNOWN, PASSES_PIPES, PASSES_PIPES_AS_A_GROUP, PASSES_TOO_FEW,
	   ANOTHER_GROUP, HOWS };
static const char *const name_of_how[] = { "silent", "hangs up", "says a word", "says nothing known", "passes pipes",
					   "passes pipes as a group", "passes too few", "passes another server's" };

/* What the other server tells its own, with the port changed; so is the one in a copy of its region. */
static unsigned forge(struct letter *l, uint16_t from, uint16_t to, int *fds)
{
	int asked = heir_connect(from), fd = H_OK(memfd_create(FS_REGION_NAME, MFD_ALLOW_SEALING));
	unsigned n = 1 + receive_fds(asked, l, sizeof(*l), fds + 1);
	struct stat st;
	char last;
	struct fs_group_rec *rec;
	size_t size;
	char *region;

	H_CHECK(n > 4 && n == l->total && receive_fds(asked, &last, 1, fds) == 1);
	size = (size_t)H_OK(lseek(fds[0], 0, SEEK_END));
	region = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fds[0], 0);
	H_CHECK(region != MAP_FAILED);
	rec = (struct fs_group_rec *)(region + fs_region_groups_at()) + l->part.group;
	H_CHECK(rec->port == from);
	rec->port = to;
	H_CHECK(write(fd, region, size) == (ssize_t)size);
	H_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW));
	fds[0] = fd;
	H_OK(fstat(fd, &st));
	l->dev = st.st_dev;
	l->ino = st.st_ino;
	return n;
}

static void answer(int to, enum how how, int passed, const struct letter *other, const int *fds, unsigned n)
{
	struct letter l = { .total = 13, .tree = { .version = FS_REGION_VERSION, .ncores = 2 } };
	int pipes[13];

	for (unsigned i = 0; i < 13; i++)
		pipes[i] = passed;
	if (how == SAYS_A_WORD)
		send_fds(to, "no", 2, pipes, 0);
	else if (how == SAYS_NOTHING_KNOWN)
		send_fds(to, &l, sizeof(l), pipes, 0);
	else if (how == PASSES_PIPES)
		send_fds(to, "x", 1, pipes, 13);
	else if (how == PASSES_PIPES_AS_A_GROUP)
		send_fds(to, &l, sizeof(l), pipes, 13);
	else if (how == PASSES_TOO_FEW)
		send_fds(to, &l, sizeof(l), pipes, 12);
	else if (how == ANOTHER_GROUP)
	{
		send_fds(to, other, sizeof(*other), fds + 1, n - 1);
		send_fds(to, "", 1, fds, 1);
	}
}

static void squat(uint16_t port, uint16_t other_port, enum how how, int ready, int passed)
{
	static struct letter other;
	struct sockaddr_un name;
	socklen_t len = heir_name(port, &name);
	int fd = H_OK(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0)), fds[FDS_MAX];
	unsigned n = how == ANOTHER_GROUP && h_present() ? forge(&other, other_port, port, fds) : 0;

	H_OK(bind(fd, (struct sockaddr *)&name, len));
	H_OK(listen(fd, 8));
	H_CHECK(write(ready, "", 1) == 1);
	for (;;) {
		int to = H_OK(accept(fd, NULL, NULL));

		answer(to, how, passed, &other, fds, n);
		if (how != SILENT)
			H_OK(close(to));
	}
}

/* The server that asks. */
static void second(void)
{
	unsigned port, how;
	unsigned long long own;
	int fd, done;

	H_CHECK(sscanf(h_arg, "%u %u %d", &port, &how, &done) == 3 && how < HOWS);
	fd = reuseport_socket((uint16_t)port);
	own = cookie_of(fd);
	H_TELL(listen(fd, 511));
	h_say("%s: %s", name_of_how[how], cookie_of(fd) == own && h_port(fd) == port ? "its own socket" : "another socket");
	h_activate(fd);
	h_report("%s: %zu cores, %s", name_of_how[how], h_cores(fd), h_active() ? "active" : "inactive");
	h_say("%s", h_connect((uint16_t)port) >= 0 && h_wait_readable(fd) && accept(fd, NULL, NULL) >= 0 ? "serves" : "does not");
	H_CHECK(write(done, "", 1) == 1);
	for (;;)
		pause();
}

static void run(void)
{
	int other = reuseport_socket(0), ready[2], passed[2], done[2];
	char arg[64], byte;

	if (h_arg)
		second();
	H_OK(listen(other, 511));
	h_activate(other);
	for (enum how how = SILENT; how < HOWS; how++) {
		/* Kept, so that nobody else gets its port, and not listening. */
		int fd = reuseport_socket(0);
		pid_t squatter, asker;

		H_OK(pipe2(done, O_CLOEXEC));
		H_OK(pipe2(ready, O_CLOEXEC));
		H_OK(pipe2(passed, O_CLOEXEC));
		squatter = h_fork();
		if (squatter == 0)
			squat(h_port(fd), h_port(other), how, ready[1], passed[1]);
		H_OK(close(passed[1]));
		H_CHECK(read(ready[0], &byte, 1) == 1);
		H_OK(fcntl(done[1], F_SETFD, 0));
		snprintf(arg, sizeof(arg), "%u %u %d", h_port(fd), how, done[1]);
		asker = start_second(arg);
		H_OK(close(done[1]));
		H_CHECK(read(done[0], &byte, 1) == 1);
		H_OK(kill(squatter, SIGKILL));
		/* All descriptors of the pipe's other end are closed. */
		H_CHECK(h_wait_readable(passed[0]) && read(passed[0], &byte, 1) == 0);
		H_OK(kill(asker, SIGKILL));
	}
}

#define OWN(how) how ": 2 cores, active\n"

const struct h_story h_story = {
	.expect = OWN("silent") OWN("hangs up") OWN("says a word") OWN("says nothing known") OWN("passes pipes")
		  OWN("passes pipes as a group") OWN("passes too few") OWN("passes another server's"),
	.run = run,
};
