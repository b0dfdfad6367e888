/*
 * For the stories in which somebody meddles with what a program hands over to itself: a
 * program executes itself with a listener left open, first without the library, which
 * finds and changes what was left for it, and then with it again. What comes out of that
 * is seen by the third.
 */
#ifndef EXEC_FORGED_H
#define EXEC_FORGED_H

#include "exec_seen.h"

#include <sys/mman.h>

#include "core/estate.h"
#include "core/handover.h"

/* As handover.c writes it. */
struct testament {
	uint32_t magic;
	uint32_t pid;
	uint32_t ngroups;
	struct fs_estate_tree tree;
};

struct forged {
	struct testament t;
	struct fs_estate_part part;
	char value[32]; /* of the variable; its number, unless a case sets it */
	int listener;   /* the program's own */
	size_t len;     /* how much of both is written */
	bool unsealed;
};

struct forgery {
	const char *name;
	void (*change)(struct forged *f);
};

static inline void forge(const struct forgery *c, int lfd)
{
	const char *value = getenv(FS_HANDOVER_VARIABLE);
	struct forged f = { .listener = lfd, .len = sizeof(f.t) + sizeof(f.part) };
	int old, fd;

	/* Without the library at all: nothing was left. */
	if (!value)
		return;
	old = atoi(value);
	H_OK(lseek(old, 0, SEEK_SET));
	H_CHECK(read(old, &f.t, sizeof(f.t)) == sizeof(f.t) && f.t.ngroups == 1);
	H_CHECK(read(old, &f.part, sizeof(f.part)) == sizeof(f.part));
	H_OK(close(old));
	fd = H_OK(memfd_create("fastsock-handover", MFD_ALLOW_SEALING));
	snprintf(f.value, sizeof(f.value), "%d", fd);
	if (c->change)
		c->change(&f);
	H_CHECK(write(fd, &f.t, sizeof(f.t)) == sizeof(f.t));
	H_CHECK(write(fd, &f.part, sizeof(f.part)) == sizeof(f.part));
	H_OK(ftruncate(fd, (off_t)f.len));
	H_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | (f.unsealed ? 0 : F_SEAL_WRITE)));
	H_OK(setenv(FS_HANDOVER_VARIABLE, f.value, 1));
	H_OK(setenv("LD_PRELOAD", getenv("FORGED_PRELOAD"), 1));
}

/* An active group, with this process as its only worker: another one came, and left in peace. */
static inline int forged_listener(void)
{
	int lfd = h_listener(SOCK_NONBLOCK), status;
	struct pollfd p = { .fd = lfd, .events = POLLIN };
	pid_t pid = h_fork();

	do
		H_CHECK(poll(&p, 1, 5) == 0);
	while (h_present() && !h_active());
	if (pid == 0)
		exit(0);
	H_CHECK(waitpid(pid, &status, 0) == pid);
	H_CHECK(status == 0);
	H_CHECK(poll(&p, 1, 5) == 0);
	return lfd;
}

static inline void forgery_story(const struct forgery *cases, unsigned n)
{
	char arg[64], *argv[] = { (char *)h_self, arg, NULL };
	const char *preload = getenv("LD_PRELOAD");
	unsigned stage = 0, i = 0;
	int lfd = -1, err, status;

	if (h_arg) {
		H_CHECK(sscanf(h_arg, "%u %u %d", &stage, &i, &lfd) == 3 && i < n);
		if (stage == 2) {
			seen_after(cases[i].name, lfd);
			return;
		}
		err = H_OK(open("complaints", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600));
		forge(&cases[i], lfd);
		H_OK(dup2(err, STDERR_FILENO));
		snprintf(arg, sizeof(arg), "2 %u %d", i, lfd);
		execv(h_self, argv);
		_exit(99);
	}
	/* The runner's own. */
	snprintf(arg, sizeof(arg), "%u", others_open(-1));
	H_OK(setenv("FORGED_OPEN", arg, 1));
	for (; i < n; i++) {
		pid_t pid = h_fork();

		if (pid == 0) {
			lfd = forged_listener();
			/* What the program itself passes on counts. */
			H_OK(setenv("FORGED_PRELOAD", preload ? preload : "", 1));
			H_OK(setenv("LD_PRELOAD", "", 1));
			snprintf(arg, sizeof(arg), "1 %u %d", i, lfd);
			execv(h_self, argv);
			_exit(99);
		}
		H_CHECK(waitpid(pid, &status, 0) == pid);
		H_CHECK(status == 0);
	}
}

#endif
