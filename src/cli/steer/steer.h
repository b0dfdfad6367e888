/* What the files of `fastsock steer` share. steer.c reads the arguments; the others are there if the loader is. */
#ifndef FS_CLI_STEER_H
#define FS_CLI_STEER_H

#include <stdbool.h>
#include <stdint.h>

#include "core/portsteer.h"

struct fs_steer_request {
	const char *interface; /* NULL: all of them */
	uint16_t cpu[FS_CORES_MAX];
	uint32_t ncpus; /* 0: all CPUs that are online */
	bool generic;
	bool json;
};

/* The actions: they return the command's exit status, after a message when it is not 0. */
int fs_steer_do_attach(const struct fs_steer_request *request);
int fs_steer_do_detach(const struct fs_steer_request *request);
int fs_steer_do_status(const struct fs_steer_request *request);

/* CPU numbers in the order of the list, runs of them as ranges; cut to len. */
void fs_steer_format_cpus(const uint16_t *cpu, uint32_t ncpus, char *text, size_t len);

struct fs_steer_found;
struct fs_steer_why;
struct port_steer_range;

/* The interface's index, or 0 after a message. */
unsigned fs_steer_interface(const char *action, const char *name);
/* Whether the error says that the kernel does not let this process do it; then after a message, which begins with what to do about it. */
bool fs_steer_denied(const char *action, const char *capabilities, int err);
/* From where the kernel gives ports to connections that are opened in this network namespace. 0 or -errno. */
int fs_steer_read_range(struct port_steer_range *ports);
/* fs_steer_find() with a message when it fails. */
bool fs_steer_look(const char *action, const char *name, unsigned ifindex, struct fs_steer_found *found);
/* "native", "generic", "offloaded". */
const char *fs_steer_mode_name(const struct fs_steer_found *found);
/* What went wrong, and of whom one hears no reason: "Operation not supported (...)". */
const char *fs_steer_reason(int err, const struct fs_steer_why *why);

/* struct ethtool_drvinfo's, and a NUL. */
#define FS_STEER_DRIVER_LEN 33

/* The driver's name, empty where there is none. */
void fs_steer_driver(const char *interface, char driver[FS_STEER_DRIVER_LEN]);
/* Says what the interface's offloads would do to packets that the program, attached natively, sends to another CPU. */
void fs_steer_note_offloads(const char *interface, unsigned ifindex);

/*
 * The notes for the library (core/portsteer.h). Written whole or not at all; those of programs
 * that do not exist any more are left by a command that was killed, and are removed by the next one.
 */
int fs_note_write(const struct fs_portsteer_note *note);
/* With the directories when it was the last one. */
void fs_note_remove(uint32_t prog_id);
void fs_note_remove_stale(void);
/* Writes the note of a program that runs and has none, or another one's. */
void fs_note_repair(const struct fs_portsteer_note *note);

#endif
