/*
 * Programs that may accept through io_uring, past libc: those that need liburing or libuv, themselves or through
 * their libraries, and those that have one of them linked in, which strings give away.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "doctor.h"

#define LIBRARIES_MAX 128
/* Of a file that strings are looked for in: beyond the largest interpreters. */
#define SEARCH_MAX (256u << 20)
#define CHUNK (1u << 20)

struct library {
	char name[FS_ELF_NAME_MAX];
};

struct search {
	bool wide;
	uint16_t machine;
	const char *found; /* "liburing" or "libuv" */
	unsigned n;
	struct library *known;
};

/* Where the dynamic linker looks without its cache, on the distributions that there are. */
static const char *const places[] = {
	"/lib/x86_64-linux-gnu", "/usr/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu", "/usr/lib/aarch64-linux-gnu",
	"/lib64", "/usr/lib64", "/lib", "/usr/lib", "/usr/local/lib", "/usr/local/lib64",
};

static int open_in(const char *directory, const char *name, const struct search *s, struct fs_elf *elf)
{
	char path[2 * FS_ELF_NAME_MAX];
	int fd;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", directory, name) >= sizeof(path))
		return -1;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return -1;
	if (fs_elf_read(fd, elf) == 0 && elf->wide == s->wide && elf->machine == s->machine)
		return fd;
	close(fd);
	return -1;
}

static bool find_library(const char *name, const char *runpath, const struct search *s, struct fs_elf *elf)
{
	int fd = -1;

	if (strchr(name, '/'))
		fd = open_in("", name, s, elf);
	else if (runpath[0] == '/')
		fd = open_in(runpath, name, s, elf);
	for (unsigned i = 0; fd < 0 && i < FS_COUNT(places); i++)
		fd = open_in(places[i], name, s, elf);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void note_needed(struct search *s, const struct fs_elf *elf)
{
	for (unsigned i = 0; i < elf->nneeded; i++) {
		const char *name = elf->needed[i];
		unsigned at = 0;

		if (!strncmp(name, "liburing.so", 11))
			s->found = "liburing";
		else if (!strncmp(name, "libuv.so", 8))
			s->found = "libuv";
		while (at < s->n && strcmp(s->known[at].name, name) != 0)
			at++;
		if (at == s->n && s->n < LIBRARIES_MAX)
			snprintf(s->known[s->n++].name, FS_ELF_NAME_MAX, "%s", name);
	}
}

static const char *by_libraries(const struct fs_elf *elf)
{
	struct search s = {.wide = elf->wide, .machine = elf->machine};
	struct fs_elf *library = fs_cli_grow(NULL, 1, sizeof(*library));

	s.known = fs_cli_grow(NULL, LIBRARIES_MAX, sizeof(*s.known));
	note_needed(&s, elf);
	/* The list grows while it is walked. */
	for (unsigned i = 0; i < s.n && !s.found; i++) {
		if (find_library(s.known[i].name, elf->runpath, &s, library))
			note_needed(&s, library);
	}
	free(s.known);
	free(library);
	return s.found;
}

/* libuv asks for an environment variable of this name; liburing's functions have names that a symbol table shows. */
static const char *by_strings(int fd)
{
	static const struct {
		const char *text;
		const char *library;
	} strings[] = {{"UV_USE_IO_URING", "libuv"}, {"io_uring_queue_init", "liburing"}};
	const size_t overlap = 64;
	char *chunk = fs_cli_grow(NULL, 1, CHUNK);
	const char *found = NULL;
	ssize_t n;

	for (off_t at = 0; !found && at < SEARCH_MAX && (n = pread(fd, chunk, CHUNK, at)) > 0; at += CHUNK - overlap) {
		for (unsigned i = 0; i < FS_COUNT(strings) && !found; i++) {
			if (memmem(chunk, (size_t)n, strings[i].text, strlen(strings[i].text)))
				found = strings[i].library;
		}
	}
	free(chunk);
	return found;
}

void fs_doctor_io_uring(struct fs_findings *f, const char *path, const struct fs_elf *elf)
{
	const char *library = by_libraries(elf);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (!library && fd >= 0)
		library = by_strings(fd);
	if (fd >= 0)
		close(fd);
	if (!library) {
		fs_found(f, "program_io_uring", FS_LEVEL_OK, "no sign of io_uring in it");
		return;
	}
	fs_found(f, "program_io_uring", FS_LEVEL_ADVICE, "it may use io_uring, by %s", library);
	fs_found_why(f, "what goes to the kernel through io_uring does not pass libc: such listeners are served as without libfastsock");
	if (!strcmp(library, "libuv"))
		fs_found_mend(f, "start it with UV_USE_IO_URING=0 in its environment");
	else
		fs_found_mend(f, "if fastsock stat shows no accepted connections, switch io_uring off in the program's configuration");
}
