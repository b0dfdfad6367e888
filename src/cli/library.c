/*
 * Finding libfastsock.so: the one that was built together with this command,
 * if it runs from a build tree, else the one that was installed with it, also
 * when the installation was moved as a whole.
 */
#define _GNU_SOURCE
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "library.h"

/*
 * The name that the linker uses comes with the development files only, on some
 * distributions; the other is the soname.
 */
static const char *const names[] = {"libfastsock.so", "libfastsock.so.0"};

/* What separates entries of LD_PRELOAD (ld.so(8)), without a way to escape it. */
#define SEPARATORS ": "

static char *text(const char *format, ...) __attribute__((format(printf, 1, 2)));

static char *text(const char *format, ...)
{
	va_list args;
	char *out;
	int len;

	va_start(args, format);
	len = vasprintf(&out, format, args);
	va_end(args);
	if (len < 0) {
		fs_cli_error("out of memory");
		exit(FS_EXIT_RUN_FAILED);
	}
	return out;
}

/* The library's real path if it is in the directory `from`/`rest`; NULL if not. */
static char *in_directory(const char *from, const char *rest)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char *path = text("%s/%s/%s", from, rest, names[i]);
		char *dir, *found = NULL;

		if (access(path, R_OK) == 0) {
			/* The directory without links and dots, the file by its name. */
			*strrchr(path, '/') = '\0';
			dir = realpath(path, NULL);
			if (dir)
				found = text("%s/%s", dir, names[i]);
			free(dir);
		}
		free(path);
		if (found)
			return found;
	}
	return NULL;
}

/* Directory of this executable in `dir`; empty when /proc cannot tell. */
static void own_directory(char dir[PATH_MAX])
{
	ssize_t len = readlink("/proc/self/exe", dir, PATH_MAX - 1);
	char *slash;

	dir[len > 0 ? len : 0] = '\0';
	slash = strrchr(dir, '/');
	if (slash)
		*slash = '\0';
}

/*
 * How one gets from the directory of commands to that of libraries, where
 * installations put them: "../lib", as a rule.
 */
static char *libdir_from_bindir(void)
{
	static const char bin[] = FS_BINDIR, lib[] = FS_LIBDIR;
	size_t common = 0;
	char *up = text("%s", ""), *path;

	for (size_t i = 0; bin[i] && bin[i] == lib[i]; i++) {
		if (bin[i] == '/')
			common = i + 1;
	}
	for (size_t i = common; bin[i]; i++) {
		if (i == common || bin[i] == '/') {
			char *longer = text("%s../", up);

			free(up);
			up = longer;
		}
	}
	path = text("%s%s", up, lib + common);
	free(up);
	return path;
}

char *fs_library_look(void)
{
	char dir[PATH_MAX];
	char *relative, *found = NULL;
	size_t len;

	own_directory(dir);
	len = strlen(dir);
	/* libtool links the library into .libs and the command beside that, or into it. */
	if (len)
		found = in_directory(dir, ".libs");
	if (!found && len >= 6 && !strcmp(dir + len - 6, "/.libs"))
		found = in_directory(dir, ".");
	if (!found && len) {
		relative = libdir_from_bindir();
		found = in_directory(dir, relative);
		free(relative);
	}
	if (!found)
		found = in_directory(FS_LIBDIR, ".");
	if (!found && len)
		found = in_directory(dir, "../lib");
	return found;
}

bool fs_library_nameable(const char *path)
{
	return !path[strcspn(path, SEPARATORS)];
}

char *fs_library_find(void)
{
	char *path = fs_library_look();

	if (!path) {
		fs_cli_error("cannot find %s, neither near this command nor in %s: install it or run make",
			     names[0], FS_LIBDIR);
		return NULL;
	}
	if (!fs_library_nameable(path)) {
		fs_cli_error("LD_PRELOAD cannot name %s: move it to a path without spaces and colons", path);
		free(path);
		return NULL;
	}
	return path;
}

static bool is_fastsock(const char *entry, size_t len)
{
	const char *slash = memrchr(entry, '/', len);
	size_t dir = slash ? (size_t)(slash - entry) + 1 : 0;

	return len - dir >= strlen(names[0]) && !strncmp(entry + dir, names[0], strlen(names[0]));
}

char *fs_library_preload(const char *library, const char *old)
{
	char *value = text("%s", library);

	for (const char *entry = old ? old : ""; *entry;) {
		size_t len = strcspn(entry, SEPARATORS);

		/* Two copies of the library would each take the other for the application. */
		if (len && !is_fastsock(entry, len)) {
			char *longer = text("%s:%.*s", value, (int)len, entry);

			free(value);
			value = longer;
		}
		entry += len;
		entry += strspn(entry, SEPARATORS);
	}
	return value;
}
