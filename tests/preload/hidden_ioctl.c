/*
 * ioctl() on every number that there is, as a program does that looks for what it
 * inherited. Promised: those of the library are not open to it, before and after the
 * group is active, and the listener serves.
 */
#define _GNU_SOURCE
#include "harness.h"

#include <dirent.h>
#include <sys/ioctl.h>

#define NUMBERS 65536

static bool known[NUMBERS];

/* Learns what is open, or tries what was not open then. */
static void all_open(bool learn)
{
	static const unsigned long requests[] = { FIONREAD, FIONBIO, FIOASYNC, FIONCLEX, FIOCLEX };
	unsigned tried = 0, reached = 0;
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *e;

	H_CHECK(dir != NULL);
	while ((e = readdir(dir))) {
		int fd = atoi(e->d_name);

		if (e->d_name[0] == '.' || fd == dirfd(dir) || fd >= NUMBERS || known[fd])
			continue;
		known[fd] = learn;
		for (unsigned i = 0; !learn && i < sizeof(requests) / sizeof(requests[0]); i++, tried++) {
			int value = 0, rc = ioctl(fd, requests[i], &value);

			reached += rc == 0 || errno != EBADF;
		}
	}
	closedir(dir);
	if (learn)
		return;
	h_say("%u reached", reached);
	h_report(tried ? "some hidden" : "none hidden");
}

static void serves(int lfd)
{
	for (unsigned i = 0; i < 10; i++) {
		int client;

		h_pin(h_cpu[i % H_CPUS]);
		client = H_OK(h_connect(h_port(lfd)));
		H_CHECK(h_wait_readable(lfd));
		H_OK(close(H_OK(accept(lfd, NULL, NULL))));
		H_OK(close(client));
	}
	h_unpin();
	h_say("serves");
}

static void run(void)
{
	int lfd = h_bound(SOCK_NONBLOCK);

	all_open(true);
	H_OK(listen(lfd, 511));
	all_open(false);
	serves(lfd);
	h_activate(lfd);
	h_report(h_active() ? "active" : "inactive");
	all_open(false);
	serves(lfd);
}

const struct h_story h_story = { .expect = "some hidden\nactive\nsome hidden\n", .run = run };
