/*
 * As in exec_forged.c, but what is wrong is the region that all processes of the tree
 * share: it is another version's, it is not the file that it should be, or not of this
 * size; or the program turned the library off for the next one. Promised: one line on
 * standard error says that it is not taken; the listener works as without the library, and
 * no descriptor of what was left stays open.
 */
#define _GNU_SOURCE
#include "exec_forged.h"

#define CHANGE(name, statement)            \
	static void name(struct forged *f) \
	{                                  \
		statement;                 \
	}

CHANGE(another_version, f->t.tree.version++)
CHANGE(fewer_cores, f->t.tree.ncores--)
CHANGE(many_cores, f->t.tree.ncores = UINT32_MAX)
CHANGE(region_negative, f->t.tree.memfd = -1)
CHANGE(region_too_high, f->t.tree.memfd = INT32_MAX)

/* Its head is cut off: whoever maps it would die of SIGBUS. */
static void short_region(struct forged *f)
{
	int fd = H_OK(memfd_create(FS_REGION_NAME, MFD_ALLOW_SEALING));

	H_OK(ftruncate(fd, 100));
	H_OK(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW));
	H_OK(dup2(fd, f->t.tree.memfd));
	H_OK(close(fd));
}

static void copy_region(struct forged *f, const char *name, int seals)
{
	int fd = H_OK(memfd_create(name, MFD_ALLOW_SEALING));
	size_t size = (size_t)H_OK(lseek(f->t.tree.memfd, 0, SEEK_END));
	char *from = mmap(NULL, size, PROT_READ, MAP_SHARED, f->t.tree.memfd, 0);

	H_CHECK(from != MAP_FAILED);
	H_CHECK(write(fd, from, size) == (ssize_t)size);
	H_OK(munmap(from, size));
	H_OK(fcntl(fd, F_ADD_SEALS, seals));
	H_OK(dup2(fd, f->t.tree.memfd));
	H_OK(close(fd));
}

/* Somebody could cut it off later. */
CHANGE(unsealed_region, copy_region(f, FS_REGION_NAME, F_SEAL_GROW))
CHANGE(another_file, copy_region(f, "another", F_SEAL_SHRINK | F_SEAL_GROW))

static void turned_off(struct forged *f)
{
	(void)f;
	H_OK(setenv("FASTSOCK", "off", 1));
}

static const struct forgery cases[] = {
	{ "another version", another_version },
	{ "fewer cores", fewer_cores },
	{ "many cores", many_cores },
	{ "a negative number", region_negative },
	{ "too high a number", region_too_high },
	{ "another file", another_file },
	{ "too short", short_region },
	{ "not sealed", unsealed_region },
	{ "turned off", turned_off },
};

static void run(void)
{
	forgery_story(cases, sizeof(cases) / sizeof(cases[0]));
}

/* What nothing names stays: a core's that is left out, the region's where another number stands. */
#define REFUSED(name, left, cores) REFUSED_WITH(name, "1", left, cores)
#define REFUSED_WITH(name, complaints, left, cores) \
	name ": refused, " complaints " complaints, " left " descriptors left\n  a new listener: " cores " cores\n"

const struct h_story h_story = {
	.expect = REFUSED("another version", "0", "2") REFUSED("fewer cores", "2", "2") REFUSED("many cores", "0", "2")
		  REFUSED("a negative number", "1", "2") REFUSED("too high a number", "1", "2")
		  REFUSED("another file", "0", "2") REFUSED("too short", "0", "2") REFUSED("not sealed", "0", "2")
		  /* Nothing is wrong there. */
		  REFUSED_WITH("turned off", "0", "0", "0"),
	.run = run,
};
