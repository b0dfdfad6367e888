/*
 * What `fastsock doctor` looks at, and what it says of each thing. The checks add findings to a list;
 * only the report prints. Identifiers are part of the command's interface: names may be added, those
 * that are there stay.
 */
#ifndef FS_CLI_DOCTOR_H
#define FS_CLI_DOCTOR_H

#include <stdbool.h>
#include <stddef.h>

#include "core/cpus.h"
#include "elf.h"

/* In the order of how bad they are. */
enum fs_level {
	FS_LEVEL_OK,
	FS_LEVEL_ADVICE,  /* works, and could work better */
	FS_LEVEL_PROBLEM, /* the library cannot do its work, or connections are in danger */
	FS_LEVELS
};

/* Exit statuses beyond those of cli.h, by the worst finding. */
enum {
	FS_EXIT_ADVICE = 3,
	FS_EXIT_PROBLEM = 4,
};

struct fs_finding {
	const char *section; /* "machine", "program", "process" */
	const char *id;
	char *subject; /* an interface, an address; NULL where there is one of it alone */
	enum fs_level level;
	char *what;
	char *why;  /* NULL where that is plain */
	char *mend; /* a command to type, or what to do; NULL when nothing needs to be done */
};

struct fs_findings {
	const char *section; /* of what is added next */
	struct fs_finding *finding;
	size_t nfindings;
	unsigned count[FS_LEVELS];
};

/* Adds a finding; the functions below fill in the rest of the latest one. */
void fs_found(struct fs_findings *f, const char *id, enum fs_level level, const char *what, ...)
	__attribute__((format(printf, 4, 5)));
void fs_found_subject(struct fs_findings *f, const char *subject);
void fs_found_why(struct fs_findings *f, const char *why, ...) __attribute__((format(printf, 2, 3)));
void fs_found_mend(struct fs_findings *f, const char *mend, ...) __attribute__((format(printf, 2, 3)));
enum fs_level fs_findings_worst(const struct fs_findings *f);
void fs_findings_free(struct fs_findings *f);

/* The list, the worst ones last, where the eye is; and how many there are of each. */
void fs_doctor_print(const struct fs_findings *f);
void fs_doctor_print_json(const struct fs_findings *f, const char *target);

/* ---- the checks ---- */

/* The kernel, the CPUs. `pid` is whose CPUs and limits count; 0 for this process, whose children inherit them. */
void fs_doctor_machine(struct fs_findings *f, int pid);
/* Network interfaces, interrupts, tables and limits of this network namespace. */
void fs_doctor_network(struct fs_findings *f);
/* The library itself: there, and can be loaded. Fills in *library when it can be read. */
bool fs_doctor_library(struct fs_findings *f, struct fs_elf *library);
/*
 * The program that `command` would execute; looked at, not run. `library` is NULL when it is not known.
 * False when there is no such program.
 */
bool fs_doctor_command(struct fs_findings *f, char **command, const struct fs_elf *library);
/*
 * The program that `command` starts in the end, behind taskset, env and the like; *unsure when what it returns
 * starts another one, and what is not certain. Pure.
 */
char **fs_doctor_behind(char **command, bool *unsure);
/*
 * A program's file by its path. Adds findings, and returns the identifier of the problem that keeps the
 * library out of it, or NULL.
 */
const char *fs_doctor_program(struct fs_findings *f, const char *path, const struct fs_elf *library);
/* Whether the program's own code or that of its libraries calls io_uring. */
void fs_doctor_io_uring(struct fs_findings *f, const char *path, const struct fs_elf *elf);
/* A running process. False when it cannot be looked into, after a message. */
bool fs_doctor_process(struct fs_findings *f, int pid, const struct fs_elf *library);
/* Its process tree's groups, workers and cores. */
struct fs_view;
void fs_doctor_groups(struct fs_findings *f, const struct fs_view *view);

#endif
