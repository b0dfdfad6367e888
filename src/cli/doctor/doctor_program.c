/* Whether the dynamic linker will load the library into a program: by its file, which is not run. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/command.h"
#include "doctor.h"
#include "doctor_parse.h"

/* What the kernel allows of scripts whose interpreter is a script. */
#define SCRIPTS_MAX 4

/* Commands that start others with an environment that is not this one's. */
static const struct {
	const char *name;
	const char *option; /* the argument that makes it so, or NULL */
	const char *why;
	const char *mend;
} changers[] = {
	{"env", "-i", "env -i clears the environment, and LD_PRELOAD with it", "env -i ... fastsock run COMMAND"},
	{"env", "-", "env - clears the environment, and LD_PRELOAD with it", "env - ... fastsock run COMMAND"},
	{"env", "--ignore-environment", "it clears the environment, and LD_PRELOAD with it",
	 "env --ignore-environment ... fastsock run COMMAND"},
	{"systemctl", NULL, "systemd starts services with an environment of its own",
	 "systemctl edit SERVICE, with Environment=LD_PRELOAD=libfastsock.so below [Service]"},
	{"service", NULL, "services are started with an environment of their own",
	 "systemctl edit SERVICE, with Environment=LD_PRELOAD=libfastsock.so below [Service]"},
	{"systemd-run", NULL, "systemd starts it with an environment of its own", "systemd-run ... fastsock run COMMAND"},
	{"docker", NULL, "containers have an environment and files of their own",
	 "install the library in the image, and start the server there with fastsock run"},
};

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* `command` up to `program`, which it starts. */
static void check_environment(struct fs_findings *f, char **command, char **program)
{
	for (unsigned i = 0; i < FS_COUNT(changers); i++) {
		bool match = !changers[i].option;

		if (strcmp(base_name(command[0]), changers[i].name) != 0)
			continue;
		for (unsigned at = 1; command + at < program && !match; at++)
			match = !strcmp(command[at], changers[i].option);
		if (!match)
			continue;
		fs_found(f, "program_environment", FS_LEVEL_PROBLEM, "%s does not pass LD_PRELOAD on", command[0]);
		fs_found_why(f, "%s", changers[i].why);
		fs_found_mend(f, "%s", changers[i].mend);
		return;
	}
	if (!strcmp(base_name(command[0]), "nginx"))
		fs_found(f, "program_environment", FS_LEVEL_OK,
			 "nginx clears its environment; when it executes a new binary (SIGUSR2), the library puts LD_PRELOAD back");
}

static void check_prefixes(struct fs_findings *f, char **command, char **program, bool unsure)
{
	char **cleared = command;

	/* fastsock run sets what those before it may have cleared. */
	for (char **at = command; at < program; at++)
		if (!strcmp(base_name(*at), "fastsock"))
			cleared = at;
	for (; cleared < program; cleared++)
		check_environment(f, cleared, program);
	check_environment(f, program, program);
	if (!unsure)
		return;
	fs_found(f, "program_starts", FS_LEVEL_ADVICE, "%s starts another program, which was not looked at", program[0]);
	fs_found_why(f, "it may clear the environment, and LD_PRELOAD with it, and the library may not fit that program");
	fs_found_mend(f, "fastsock doctor PROGRAM; and start it by %s ... fastsock run PROGRAM", program[0]);
}

static void check_preloaded(struct fs_findings *f)
{
	const char *preload = getenv("LD_PRELOAD");
	char entry[4096];

	if (preload && fs_text_preloads(preload, " :", "libfastsock.so", entry, sizeof(entry)))
		fs_found(f, "preloaded", FS_LEVEL_OK, "LD_PRELOAD names %s already: programs of this shell start with it", entry);
}

static void say_prevented(struct fs_findings *f, const char *id, const char *what, const char *why, const char *mend)
{
	fs_found(f, id, FS_LEVEL_PROBLEM, "%s", what);
	fs_found_why(f, "%s", why);
	fs_found_mend(f, "%s", mend);
}

/* Rights that the program gains by being executed: AT_SECURE, in which LD_PRELOAD is ignored (ld.so(8)). */
static const char *check_rights(struct fs_findings *f, int fd)
{
	struct stat st;

	if (fstat(fd, &st) == 0 && st.st_mode & (S_ISUID | S_ISGID) &&
	    ((st.st_mode & S_ISUID && st.st_uid != getuid()) || (st.st_mode & S_ISGID && st.st_gid != getgid()))) {
		fs_found(f, "program_setuid", FS_LEVEL_PROBLEM, "it is set-%s-ID", st.st_mode & S_ISUID ? "user" : "group");
		fs_found_why(f, "the dynamic linker does not preload libraries into a program that gains rights when it is executed");
		fs_found_mend(f, "run it as user %u, group %u", (unsigned)st.st_uid, (unsigned)st.st_gid);
		return "program_setuid";
	}
	if (fgetxattr(fd, "security.capability", NULL, 0) > 0) {
		if (geteuid() == 0) {
			fs_found(f, "program_capabilities", FS_LEVEL_ADVICE, "it has file capabilities");
			fs_found_why(f, "started by root it gains nothing by them; by anybody else, the library is not preloaded");
		} else {
			fs_found(f, "program_capabilities", FS_LEVEL_PROBLEM, "it has file capabilities");
			fs_found_why(f, "the dynamic linker does not preload libraries into a program that gains rights when it is executed");
		}
		fs_found_mend(f, "setcap -r FILE, and give the capabilities to its unit (AmbientCapabilities=CAP_NET_BIND_SERVICE)");
		return geteuid() == 0 ? NULL : "program_capabilities";
	}
	fs_found(f, "program_rights", FS_LEVEL_OK, "it gains no rights when it is executed");
	return NULL;
}

static const char *check_format(struct fs_findings *f, const struct fs_elf *elf, const struct fs_elf *library)
{
	char theirs[32], ours[32];

	if (library && (elf->machine != library->machine || elf->wide != library->wide)) {
		fs_found(f, "program_architecture", FS_LEVEL_PROBLEM, "it is a %d-bit program for %s", elf->wide ? 64 : 32,
			 fs_elf_machine(elf, theirs));
		fs_found_why(f, "the library is for %s, %d bits", fs_elf_machine(library, ours), library->wide ? 64 : 32);
		fs_found_mend(f, "build libfastsock for that architecture");
		return "program_architecture";
	}
	if (elf->go) {
		say_prevented(f, "program_go", "it is a Go program",
			      "Go calls the kernel directly, so what the library does for libc's functions does not happen",
			      "set SO_REUSEPORT in the program (net.ListenConfig), and run one process for each CPU");
		return "program_go";
	}
	if (!elf->interpreter[0]) {
		say_prevented(f, "program_static", "it is statically linked",
			      "there is no dynamic linker to load the library", "use a dynamically linked build of it");
		return "program_static";
	}
	if (strstr(elf->interpreter, "ld-musl")) {
		say_prevented(f, "program_libc", "it is linked with musl",
			      "the library is built for glibc, and cannot be loaded beside another libc",
			      "use a build of it for glibc");
		return "program_libc";
	}
	fs_found(f, "program_format", FS_LEVEL_OK, "it is dynamically linked, with %s", elf->interpreter);
	return NULL;
}

/* The interpreter of a script, with its first argument in `argument`; false when the file is none. */
static bool interpreter_of(int fd, char path[256], char argument[256])
{
	char line[256] = {0};
	ssize_t n = pread(fd, line, sizeof(line) - 1, 0);

	path[0] = argument[0] = '\0';
	if (n < 3 || memcmp(line, "#!", 2) != 0)
		return false;
	line[strcspn(line, "\n")] = '\0';
	return sscanf(line + 2, " %255s %255[^\n]", path, argument) >= 1;
}

static const char *check_script(struct fs_findings *f, const char *path, const struct fs_elf *library, unsigned depth);

static const char *check_opened(struct fs_findings *f, const char *path, int fd, const struct fs_elf *library, unsigned depth)
{
	char interpreter[256], argument[256], found[4096];
	const char *prevented;
	struct fs_elf elf;
	char *command;

	if (fs_elf_read(fd, &elf) == 0) {
		prevented = check_rights(f, fd);
		if (!prevented)
			prevented = check_format(f, &elf, library);
		if (!prevented)
			fs_doctor_io_uring(f, path, &elf);
		return prevented;
	}
	if (!interpreter_of(fd, interpreter, argument)) {
		say_prevented(f, "program_format", "it is neither a program nor a script", "it cannot be executed",
			      "name the server's executable file");
		return "program_format";
	}
	/* "#!/usr/bin/env python3" */
	command = argument;
	if (!strcmp(base_name(interpreter), "env") && argument[0]) {
		if (!strncmp(command, "-S", 2))
			command += 2 + strspn(command + 2, " ");
		command[strcspn(command, " ")] = '\0';
		if (command[0] && command[0] != '-' && fs_command_find(command, found, sizeof(found)))
			snprintf(interpreter, sizeof(interpreter), "%.255s", found);
	}
	fs_found(f, "program_script", FS_LEVEL_OK, "it is a script for %s, which is looked at in its place", interpreter);
	return check_script(f, interpreter, library, depth + 1);
}

static const char *check_script(struct fs_findings *f, const char *path, const struct fs_elf *library, unsigned depth)
{
	/* O_NONBLOCK: it may be a FIFO. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	const char *prevented;

	if (fd < 0 || depth > SCRIPTS_MAX) {
		fs_found(f, "program_file", errno == EACCES && fd < 0 ? FS_LEVEL_ADVICE : FS_LEVEL_PROBLEM, "%s cannot be looked at (%s)",
			 path, fd < 0 ? strerror(errno) : "too many scripts interpret each other");
		fs_found_why(f, "what kind of program it is remains unknown");
		fs_found_mend(f, "%s", errno == EACCES && fd < 0 ? "run this as root" : "mend its path");
		prevented = "program_file";
	} else {
		prevented = check_opened(f, path, fd, library, depth);
	}
	if (fd >= 0)
		close(fd);
	return prevented;
}

const char *fs_doctor_program(struct fs_findings *f, const char *path, const struct fs_elf *library)
{
	return check_script(f, path, library, 0);
}

bool fs_doctor_command(struct fs_findings *f, char **command, const struct fs_elf *library)
{
	char path[4096], **first = command;
	bool unsure;

	f->section = "program";
	command = fs_doctor_behind(first, &unsure);
	if (!fs_command_find(command[0], path, sizeof(path)) || access(path, F_OK) < 0) {
		fs_cli_error("doctor: cannot find %s: name the program as you would start it", command[0]);
		return false;
	}
	if (access(path, X_OK) < 0) {
		fs_cli_error("doctor: %s cannot be executed: %s", path, strerror(errno));
		return false;
	}
	fs_found(f, "program", FS_LEVEL_OK, "%s is %s", command[0], path);
	check_preloaded(f);
	check_prefixes(f, first, command, unsure);
	/* sudo being set-user-ID, or podman a Go program, says nothing of what they start. */
	if (!unsure)
		fs_doctor_program(f, path, library);
	return true;
}
