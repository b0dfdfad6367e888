/*
 * What `fastsock steer attach` leaves for the library, which may not ask the
 * kernel about XDP programs: a note for each program, in FS_PORTSTEER_DIR, named by
 * the program's id, that says which CPU a packet is sent to by its destination
 * port. One line:
 *
 *	fastsock-steer 1 ifindex=3 netns=4026531840 cpus=0,2,3,1
 *
 * A packet to port p of a connection that was opened here goes to CPU number
 * p modulo (length of the list) of the list. The 1 is the version of the format.
 *
 * Pure, but for the readers, which are safe anywhere: no allocation, no lock.
 */
#ifndef FS_PORTSTEER_H
#define FS_PORTSTEER_H

#include "common.h"

#define FS_PORTSTEER_DIR "/run/fastsock/steer"
/* Above the longest line: 68 bytes of words and numbers, and 4 digits and a comma for each CPU. */
#define FS_PORTSTEER_LINE_MAX (80 + 5 * FS_CORES_MAX)

struct fs_portsteer {
	uint32_t prog_id; /* as in IFLA_XDP_PROG_ID */
	uint32_t ncpus;   /* 1 .. FS_CORES_MAX */
	uint16_t cpu[FS_CORES_MAX];
};

struct fs_portsteer_note {
	uint32_t ifindex;
	uint64_t netns; /* the inode of the network namespace that ifindex belongs to */
	struct fs_portsteer steer;
};

/*
 * "0,2-4,1": CPU numbers in the order in which they are to be used. 0 with *ncpus numbers
 * in cpu[]; -EINVAL when the text is no list or is empty, -ERANGE for a number of FS_CPUS_MAX
 * or above, -EEXIST when a CPU is named twice, -E2BIG for more than FS_CORES_MAX.
 */
int fs_portsteer_parse_cpus(const char *text, uint16_t cpu[FS_CORES_MAX], uint32_t *ncpus);

/* The note's line with its newline, NUL-terminated; its length, or 0 when it does not fit. */
size_t fs_portsteer_format(const struct fs_portsteer_note *note, char *line, size_t len);
/* 0, or -EINVAL with *note untouched. Takes the line with its newline and nothing behind it. */
int fs_portsteer_parse(const char *line, uint32_t prog_id, struct fs_portsteer_note *note);

/*
 * The note of program `prog_id`, which is attached to interface `ifindex` of this thread's
 * network namespace. 0; -ENOENT when there is none (no program of ours, or this is
 * another mount namespace); -EPERM when others than root could have written it; -EINVAL
 * when it makes no sense, -ESTALE when it is about another interface or namespace.
 */
int fs_portsteer_read(uint32_t prog_id, unsigned ifindex, struct fs_portsteer *out);
/* Likewise from another directory, and without looking at the interface. */
int fs_portsteer_read_from(const char *dir, uint32_t prog_id, struct fs_portsteer_note *note);
/* The inode of the thread's network namespace; 0 where /proc does not tell. */
uint64_t fs_portsteer_netns(void);

#endif
