#define _GNU_SOURCE
#include "handover.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "estate.h"
#include "log.h"
#include "path.h"
#include "siblings.h"
#include "sys/sys.h"
#include "worker.h"

#define MAGIC UINT32_C(0x6f486353) /* "ScHo" */
#define NAME "fastsock-handover"
#define LINK "/memfd:" NAME " (deleted)"
#define FIRST_OWN 3

/* ---- what is written, and read again by the same process as another program ---- */

struct testament {
	uint32_t magic;
	uint32_t pid;
	uint32_t ngroups;
	struct fs_estate_tree tree;
};

/* Large; the process lock guards them. */
static struct testament testament;
static struct fs_estate_part part;
static int memory = -1; /* the memfd, between begin and exec */

/* ---- at start ---- */

static char kept[8192]; /* "NAME=value" strings, one behind the other */
static size_t kept_len;
static char self[512]; /* /proc/self/exe, as long as it can be told */

static bool to_keep(const char *entry)
{
	if (strncmp(entry, FS_HANDOVER_VARIABLE "=", sizeof(FS_HANDOVER_VARIABLE)) == 0)
		return false;
	return strncmp(entry, "FASTSOCK", 8) == 0 ||
	       (strncmp(entry, "LD_PRELOAD=", 11) == 0 && strstr(entry, "libfastsock"));
}

void fs_handover_remember(char *const *environment)
{
	long len = fs_sys_readlink("/proc/self/exe", self, sizeof(self) - 1);

	self[len > 0 ? len : 0] = '\0';
	for (; *environment; environment++) {
		size_t size = strlen(*environment) + 1;

		if (!to_keep(*environment) || size > sizeof(kept) - kept_len)
			continue;
		memcpy(kept + kept_len, *environment, size);
		kept_len += size;
	}
}

/* ---- before execve() ---- */

static const char *base(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* The same name after all links were followed: the file itself may be a newer one. */
static bool same_program(int dir, const char *path)
{
	bool same;
	int fd;

	if (!self[0] || !path)
		return false;
	if (dir >= 0 && !*path)
		return fs_estate_link_is(dir, self);
	/* Looked up in PATH by libc: the name has to do. */
	if (!strchr(path, '/'))
		return strcmp(path, base(self)) == 0;
	fd = fs_sys_openat(dir, path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return false;
	same = fs_estate_link_is(fd, self);
	fs_sys_close(fd);
	return same;
}

/* Of the application's listeners, one that the new program will find open. */
static bool listener_stays(unsigned group)
{
	for (unsigned i = 0; i < FS_TAG_INDEX_MAX; i++) {
		const struct fs_listener *l = &fs_listeners[i];
		int flags;

		if (!l->refs || l->group != group)
			continue;
		/* Any of its descriptors: which one is passed on, the application knows. */
		for (int fd = fs_fd_next_tagged(0, FS_FD_MAX - 1); fd >= 0; fd = fs_fd_next_tagged((unsigned)fd + 1, FS_FD_MAX - 1)) {
			if (fs_listener_of(fs_fd_tag(fd)) != l)
				continue;
			flags = fs_sys_fcntl(fd, F_GETFD, 0);
			if (flags >= 0 && !(flags & FD_CLOEXEC))
				return true;
		}
	}
	return false;
}

static bool to_hand_over(unsigned group)
{
	return fs_groups[group].held && fs_group_own(group) && fs_group_state(group) != FS_GROUP_ABANDONED &&
	       listener_stays(group);
}

bool fs_handover_due(int dir, const char *path)
{
	bool due = false;
	sigset_t old;

	if (!fs_proc.region || fs_foreign_process() || !same_program(dir, path))
		return false;
	fs_enter(&old);
	for (unsigned g = 0; g < FS_GROUPS_MAX && !due; g++)
		due = to_hand_over(g);
	fs_leave(&old);
	return due;
}

/* Through execve(), or not. */
static bool pass(int32_t *fd, void *through)
{
	if (*fd > 0)
		fs_sys_fcntl(*fd, F_SETFD, *(bool *)through ? 0 : FD_CLOEXEC);
	return true;
}

static void pass_tree(bool through)
{
	fs_estate_tree_of(&testament.tree);
	fs_estate_each(&testament.tree, pass, &through);
}

static void pass_group(unsigned group, bool through)
{
	fs_estate_part_of(&part, group);
	fs_estate_each_part(&part, fs_proc.ncores, pass, &through);
}

static bool put(const void *data, size_t len)
{
	return fs_sys_write(memory, data, len) == (long)len;
}

static bool write_all(void)
{
	pass_tree(true);
	testament.magic = MAGIC;
	testament.pid = (uint32_t)fs_proc.pid;
	testament.ngroups = 0;
	for (unsigned g = 0; g < fs_groups_end; g++)
		testament.ngroups += to_hand_over(g);
	if (!put(&testament, sizeof(testament)))
		return false;
	for (unsigned g = 0; g < fs_groups_end; g++) {
		if (!to_hand_over(g))
			continue;
		pass_group(g, true);
		if (!put(&part, sizeof(part)))
			return false;
	}
	return fs_sys_fcntl(memory, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) >= 0;
}

static bool named(const char *entry, const char *other)
{
	size_t len = strcspn(other, "=");

	return strncmp(entry, other, len) == 0 && entry[len] == '=';
}

static void fill_environment(char *const *envp, char **out)
{
	static char variable[sizeof(FS_HANDOVER_VARIABLE) + 16];
	size_t n = 0, added = 0;

	for (; envp && *envp; envp++)
		if (!named(*envp, FS_HANDOVER_VARIABLE "="))
			out[n++] = *envp;
	/* What the application passes on counts, where it does. */
	for (size_t i = 0; i < kept_len && added < FS_HANDOVER_ENTRIES_MAX - 1; i += strlen(kept + i) + 1) {
		bool there = false;

		for (size_t k = 0; k < n && !there; k++)
			there = named(out[k], kept + i);
		if (there)
			continue;
		out[n++] = kept + i;
		added++;
	}
	out[n++] = fs_path(variable, sizeof(variable), FS_HANDOVER_VARIABLE "=", (unsigned)memory, "");
	out[n] = NULL;
}

void fs_handover_begin(char *const *envp, char **out)
{
	sigset_t old;
	size_t n = 0;
	bool ok;

	fs_enter(&old);
	memory = fs_sys_memfd_create(NAME, MFD_ALLOW_SEALING);
	/* Above what a program that starts takes for its standard streams. */
	if (memory >= 0 && memory < FIRST_OWN) {
		int high = fs_sys_fcntl(memory, F_DUPFD, FIRST_OWN);

		fs_sys_close(memory);
		memory = high;
	}
	ok = memory >= 0 && write_all();
	/* Its locks would stay with the pid, but its threads will be gone. */
	for (unsigned g = 0; ok && g < FS_GROUPS_MAX; g++)
		if (fs_groups[g].held)
			fs_worker_leave_all(g);
	fs_leave(&old);
	if (ok) {
		fill_environment(envp, out);
		return;
	}
	fs_log(FS_LOG_WARN, "the listener groups cannot be handed over to the program that is executed now: its listeners work as"
			    " without libfastsock until it is restarted; allow memfd_create() in the sandbox, and raise the limit of"
			    " descriptors (ulimit -n, LimitNOFILE=)");
	fs_handover_cancel();
	for (; envp && envp[n]; n++)
		out[n] = envp[n];
	out[n] = NULL;
}

void fs_handover_cancel(void)
{
	sigset_t old;

	fs_enter(&old);
	if (memory >= 0)
		fs_sys_close(memory);
	memory = -1;
	pass_tree(false);
	for (unsigned g = 0; g < FS_GROUPS_MAX; g++)
		if (fs_groups[g].held)
			pass_group(g, false);
	fs_leave(&old);
}

/* ---- in the new program ---- */

static bool get(int fd, void *data, size_t len)
{
	return fs_sys_read(fd, data, len) == (long)len;
}

static bool sealed(int fd)
{
	int seals = fs_sys_fcntl(fd, F_GET_SEALS, 0);

	return seals >= 0 && (seals & F_SEAL_WRITE);
}

/* The application's own descriptors, under whatever numbers: all that is open. */
static void find_listeners(void)
{
	int highest = fs_fd_highest_foreign();

	for (int fd = 0; fd <= highest; fd++)
		if (!fs_fd_tag(fd) && fs_sockopt_int(fd, SOL_SOCKET, SO_ACCEPTCONN, 0))
			fs_listener_recognise(fd);
}

void fs_handover_take(const char *value)
{
	unsigned taken = 0;
	int fd = 0;

	for (; *value >= '0' && *value <= '9' && fd < FS_FD_MAX; value++)
		fd = fd * 10 + (*value - '0');
	/* Somebody else's, or nobody's: not a word, and nothing is touched. */
	if (*value || fd < FIRST_OWN || !fs_estate_link_is(fd, LINK) || !sealed(fd) || fs_sys_lseek(fd, 0) < 0 ||
	    !get(fd, &testament, sizeof(testament)) || testament.magic != MAGIC || testament.pid != (uint32_t)fs_proc.pid)
		return;
	if (!fs_proc.on) {
		fs_estate_drop(&testament.tree);
	} else if (!fs_estate_take(&testament.tree)) {
		fs_log(FS_LOG_WARN, "listeners that the program before this one left open work as without libfastsock until that has"
				    " ended: it ran another version of libfastsock; restart the program rather than upgrade it in place");
		fs_estate_drop(&testament.tree);
	} else {
		fs_region_unlock_all();
	}
	for (uint32_t i = 0; i < testament.ngroups && get(fd, &part, sizeof(part)); i++) {
		if (fs_proc.region && fs_estate_take_part(&part))
			taken++;
		else
			fs_estate_drop_part(&part);
	}
	fs_sys_close(fd);
	if (!taken)
		return;
	find_listeners();
	for (unsigned g = 0; g < FS_GROUPS_MAX; g++)
		if (fs_groups[g].held && !fs_groups[g].listeners)
			fs_siblings_give_up(g);
	fs_log(FS_LOG_INFO, "%u listener groups taken over from the program before this one", taken);
}
