/* Whether libfastsock is where `fastsock run` looks for it, and can be loaded: the dynamic linker is asked. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "doctor.h"
#include "doctor_parse.h"
#include "cli/library.h"

/* To start a program that only says its version takes milliseconds; a machine out of memory takes longer. */
#define WAIT_MS 10000

/* In the child: this command with the library in LD_PRELOAD, and what the dynamic linker says in `fd`. */
static void start_preloaded(const char *library, int fd)
{
	static char variable[] = "FASTSOCK=off";
	char preload[4096], self[] = "/proc/self/exe", version[] = "--version";
	char *argv[] = {self, version, NULL}, *envp[] = {preload, variable, NULL};

	if ((size_t)snprintf(preload, sizeof(preload), "LD_PRELOAD=%s", library) >= sizeof(preload))
		_exit(1);
	dup2(fd, STDERR_FILENO);
	dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), STDOUT_FILENO);
	execve(self, argv, envp);
	_exit(1);
}

/* What the dynamic linker says against it, or an empty string. */
static void try_to_load(const char *library, char *said, size_t len)
{
	size_t got = 0;
	int pipes[2], status;
	pid_t pid;

	said[0] = '\0';
	if (pipe2(pipes, O_CLOEXEC) < 0)
		return;
	pid = fork();
	if (pid == 0)
		start_preloaded(library, pipes[1]);
	close(pipes[1]);
	while (pid > 0 && got < len - 1) {
		struct pollfd p = {.fd = pipes[0], .events = POLLIN};
		ssize_t n = poll(&p, 1, WAIT_MS) > 0 ? read(pipes[0], said + got, len - 1 - got) : 0;

		if (n <= 0)
			break;
		got += (size_t)n;
	}
	said[got] = '\0';
	close(pipes[0]);
	if (pid <= 0)
		return;
	kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
}

/* Anybody may read it, or a server that drops root runs its next program without it. */
static bool readable_by_all(const char *library)
{
	struct stat st;

	return stat(library, &st) == 0 && (st.st_mode & S_IROTH);
}

static void check_file(struct fs_findings *f, const char *library)
{
	char said[1024], *end;

	try_to_load(library, said, sizeof(said));
	/* Others in LD_PRELOAD are none of our business, and were not asked for. */
	if (strstr(said, "cannot be preloaded") || strstr(said, "symbol lookup error")) {
		end = said + strcspn(said, "\n");
		*end = '\0';
		fs_found(f, "library", FS_LEVEL_PROBLEM, "%s cannot be loaded", library);
		fs_found_why(f, "%s", said);
		fs_found_mend(f, "install libfastsock for this architecture, on a file system that is not mounted noexec");
	} else if (!readable_by_all(library)) {
		fs_found(f, "library", FS_LEVEL_ADVICE, "%s cannot be read by everybody", library);
		fs_found_why(f, "programs of other users start without it");
		fs_found_mend(f, "chmod a+r %s", library);
	} else {
		fs_found(f, "library", FS_LEVEL_OK, "%s can be loaded", library);
	}
}

/* Where fastsock is not what started the program, these say what is preloaded. */
static void check_everywhere(struct fs_findings *f)
{
	char *text = fs_text_read(NULL, "/etc/ld.so.preload"), entry[4096];

	if (text && fs_text_preloads(text, " \t\n:", "libfastsock.so", entry, sizeof(entry))) {
		fs_found(f, "ld_so_preload", FS_LEVEL_ADVICE, "/etc/ld.so.preload names %s", entry);
		fs_found_why(f, "every program of this machine is started with it");
		fs_found_mend(f, "take it out, and start the servers with fastsock run, or with LD_PRELOAD in their units");
	}
	free(text);
}

bool fs_doctor_library(struct fs_findings *f, struct fs_elf *library)
{
	char *path = fs_library_look();
	bool known = false;
	int fd;

	if (!path) {
		fs_found(f, "library", FS_LEVEL_PROBLEM, "there is no libfastsock.so near this command");
		fs_found_why(f, "fastsock run looks for it where this command was installed, or built");
		fs_found_mend(f, "make install, or install the library's package");
	} else if (!fs_library_nameable(path)) {
		fs_found(f, "library", FS_LEVEL_PROBLEM, "LD_PRELOAD cannot name %s", path);
		fs_found_why(f, "spaces and colons separate its entries");
		fs_found_mend(f, "move it to a path without them");
	} else {
		check_file(f, path);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		known = fd >= 0 && fs_elf_read(fd, library) == 0;
		if (fd >= 0)
			close(fd);
	}
	free(path);
	check_everywhere(f);
	return known;
}
