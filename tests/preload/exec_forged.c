/*
 * Somebody meddles with what a program hands over to itself through execve(): the
 * variable holds what is no number, or somebody else's descriptor; the memory could
 * still be written to, is another process's, or too short; a socket is another one
 * than was noted; numbers are absurd. Promised: only what is exactly as it was left
 * is taken. From the rest the library keeps its hands, without a word; the listener works
 * as without it, and the next one as ever.
 */
#define _GNU_SOURCE
#include "exec_forged.h"

#define VALUE(name, text)                                      \
	static void name(struct forged *f)                     \
	{                                                      \
		snprintf(f->value, sizeof(f->value), "%s", text); \
	}
#define CHANGE(name, statement)            \
	static void name(struct forged *f) \
	{                                  \
		statement;                 \
	}

VALUE(nothing, "")
VALUE(no_number, "many")
VALUE(negative, "-1")
VALUE(too_large, "99999999999999999999")
VALUE(standard_output, "1")
VALUE(closed, "1000")
CHANGE(more_than_a_number, strcat(f->value, ","))
CHANGE(the_listener, snprintf(f->value, sizeof(f->value), "%d", f->listener))
CHANGE(unsealed, f->unsealed = true)
CHANGE(another_pid, f->t.pid++)
CHANGE(no_magic, f->t.magic ^= 1)
CHANGE(no_tree, f->len = sizeof(f->t) - 1)
CHANGE(no_whole_group, f->len = sizeof(f->t) + 4)
CHANGE(no_groups, f->t.ngroups = 0)
CHANGE(more_groups, f->t.ngroups = UINT32_MAX)
CHANGE(another_cookie, f->part.cookie[1]++)
CHANGE(group_too_high, f->part.group = UINT32_MAX)
CHANGE(free_group, f->part.group++)
CHANGE(local_too_high, f->part.local[1] = INT32_MAX)
CHANGE(local_negative, f->part.local[1] = -FS_FD_MAX)
CHANGE(global_too_high, f->part.global = INT32_MAX)

/* Another listener of the program's has the number. */
static void take_number(int fd)
{
	int other = h_listener(SOCK_NONBLOCK);

	H_OK(dup2(other, fd));
	H_OK(close(other));
}

CHANGE(another_local, take_number(f->part.local[1]))
CHANGE(another_global, take_number(f->part.global))

static const struct forgery cases[] = {
	{ "as it was left", NULL },
	{ "nothing", nothing },
	{ "no number", no_number },
	{ "a negative number", negative },
	{ "too large a number", too_large },
	{ "standard output", standard_output },
	{ "a closed descriptor", closed },
	{ "more than a number", more_than_a_number },
	{ "the listener", the_listener },
	{ "not sealed", unsealed },
	{ "another process", another_pid },
	{ "no magic", no_magic },
	{ "too short for the tree", no_tree },
	{ "too short for the group", no_whole_group },
	{ "no groups", no_groups },
	{ "more groups than there are", more_groups },
	{ "another cookie", another_cookie },
	{ "a group beyond all", group_too_high },
	{ "a group that is free", free_group },
	{ "a local listener beyond all", local_too_high },
	{ "a local listener below all", local_negative },
	{ "a global listener beyond all", global_too_high },
	{ "another socket for a local listener", another_local },
	{ "another socket for the global listener", another_global },
};

static void run(void)
{
	forgery_story(cases, sizeof(cases) / sizeof(cases[0]));
}

#define THEN "  a new listener: 2 cores\n"
#define TAKEN(name) name ": taken, 0 complaints, 0 descriptors left\n" THEN
/* Nobody knows whose it is: all stays open. */
#define UNTOUCHED(name) name ": refused, 0 complaints, 14 descriptors left\n" THEN
/* The tree is taken, and nothing is said of the group's. */
#define NO_GROUP(name) name ": refused, 0 complaints, 5 descriptors left\n" THEN
#define CLOSED(name) name ": refused, 0 complaints, 0 descriptors left\n" THEN
/* The one that another number stands for. */
#define CLOSED_BUT_ONE(name) name ": refused, 0 complaints, 1 descriptors left\n" THEN

const struct h_story h_story = {
	.expect = TAKEN("as it was left") UNTOUCHED("nothing") UNTOUCHED("no number") UNTOUCHED("a negative number")
		  UNTOUCHED("too large a number") UNTOUCHED("standard output") UNTOUCHED("a closed descriptor")
		  UNTOUCHED("more than a number") UNTOUCHED("the listener") UNTOUCHED("not sealed") UNTOUCHED("another process")
		  UNTOUCHED("no magic") UNTOUCHED("too short for the tree") NO_GROUP("too short for the group")
		  NO_GROUP("no groups") TAKEN("more groups than there are") CLOSED("another cookie")
		  CLOSED("a group beyond all") CLOSED("a group that is free") CLOSED_BUT_ONE("a local listener beyond all")
		  CLOSED_BUT_ONE("a local listener below all") CLOSED_BUT_ONE("a global listener beyond all")
		  CLOSED("another socket for a local listener") CLOSED("another socket for the global listener"),
	.run = run,
};
