/*
 * A running process: whether it has the library and why not, with which options, and which of its
 * listeners are handled.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <inttypes.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/options.h"
#include "cli/cli.h"
#include "doctor.h"
#include "doctor_parse.h"
#include "cli/tree/view.h"

#define LIBRARY "libfastsock.so"
#define LISTENERS_MAX 256
/* One connection in so many that was dropped because a queue was full is worth a look. */
#define OVERFLOW_SHARE 1000

struct process {
	struct fs_findings *f;
	int pid;
	char name[64];
	char *environment;
	size_t environment_len;
	bool environment_known; /* some programs write their title over it, and then it is gone */
	struct fs_options options;
};

static const char *variable(const struct process *p, const char *name)
{
	return p->environment ? fs_text_environ(p->environment, p->environment_len, name) : NULL;
}

/* ---- the library in it ---- */

/* AT_SECURE: what the kernel told the dynamic linker when the program was executed. */
static bool gained_rights(int pid)
{
	size_t len;
	char *text = fs_text_read(&len, "/proc/%d/auxv", pid);
	bool secure = false;
	ElfW(auxv_t) entry;

	for (size_t at = 0; text && at + sizeof(entry) <= len; at += sizeof(entry)) {
		memcpy(&entry, text + at, sizeof(entry));
		if (entry.a_type == AT_SECURE)
			secure = entry.a_un.a_val != 0;
	}
	free(text);
	return secure;
}

static bool has_library(int pid, char *path, size_t len, bool *deleted)
{
	char *maps = fs_text_read(NULL, "/proc/%d/maps", pid);
	bool found = maps && fs_text_mapping(maps, LIBRARY, path, len, deleted);

	free(maps);
	return found;
}

/* What starts with the library passes it on, unless it clears the environment. */
static int parent_with_library(int pid)
{
	char *status = fs_text_read(NULL, "/proc/%d/status", pid), value[32] = "", path[512];
	int parent = status && fs_text_line(status, "PPid:", value, sizeof(value)) ? atoi(value) : 0;
	bool deleted;

	free(status);
	return parent > 0 && has_library(parent, path, sizeof(path), &deleted) ? parent : 0;
}

static void explain_preload(const struct process *p, const char *preload)
{
	char entry[512], inside[600];

	if (!fs_text_preloads(preload, " :", LIBRARY, entry, sizeof(entry))) {
		fs_found_why(p->f, "LD_PRELOAD in its environment is \"%s\"", preload);
		return;
	}
	/* As the process sees it: it may be in a container. */
	snprintf(inside, sizeof(inside), "/proc/%d/root%s", p->pid, entry);
	if (entry[0] == '/' && access(inside, R_OK) < 0)
		fs_found_why(p->f, "LD_PRELOAD names %s, which is not there for it (%s)", entry, strerror(errno));
	else
		fs_found_why(p->f, "LD_PRELOAD names %s, and the dynamic linker did not load it: its first line on standard error says why",
			     entry);
}

static void explain_absence(const struct process *p, const struct fs_elf *library)
{
	const char *preload = variable(p, "LD_PRELOAD"), *section = p->f->section, *prevented;
	char path[64];
	int parent;

	if (gained_rights(p->pid)) {
		fs_found(p->f, "process_library", FS_LEVEL_PROBLEM, "it runs without libfastsock");
		fs_found_why(p->f, "it gained rights when it was executed (set-user-ID or file capabilities), and then nothing is preloaded");
		fs_found_mend(p->f, "start it as the user that it is to run as, without these rights on its file");
		return;
	}
	snprintf(path, sizeof(path), "/proc/%d/exe", p->pid);
	p->f->section = "program";
	prevented = fs_doctor_program(p->f, path, library);
	p->f->section = section;
	fs_found(p->f, "process_library", FS_LEVEL_PROBLEM, "it runs without libfastsock");
	if (prevented) {
		fs_found_why(p->f, "its program cannot be preloaded: %s", prevented);
		return;
	}
	parent = preload ? 0 : parent_with_library(p->pid);
	if (preload)
		explain_preload(p, preload);
	else if (parent)
		fs_found_why(p->f, "process %d, which started it, has the library: the environment was cleared in between", parent);
	else if (!p->environment_known)
		fs_found_why(p->f, "its environment was empty, or it has written over it since, so what it was started with is not known");
	else
		fs_found_why(p->f, "there was no LD_PRELOAD in its environment when it was started");
	fs_found_mend(p->f, "start it with: fastsock run %s; or in its unit: Environment=LD_PRELOAD=" LIBRARY, p->name);
}

/* ---- options ---- */

/* fs_options_read() passes no argument to its callbacks. */
static struct process *reader;

static char *get(const char *name)
{
	return (char *)variable(reader, name);
}

static void complain(const char *name, const char *value, const char *accepted)
{
	fs_found(reader->f, "process_options", FS_LEVEL_ADVICE, "%s=%s is not understood", name, value);
	fs_found_why(reader->f, "accepted is %s; the default is used", accepted);
	fs_found_mend(reader->f, "set it to one of these, and restart the server");
}

static void say_off(const struct process *p, const char *what, const char *name)
{
	fs_found(p->f, "process_options", FS_LEVEL_PROBLEM, "%s is set, so the library %s", what, name);
	fs_found_why(p->f, "it was started with that in its environment");
	fs_found_mend(p->f, "restart it without %s", what);
}

/* False when they switch off what there is to look at. */
static bool check_options(struct process *p)
{
	reader = p;
	fs_options_read(&p->options, get, complain);
	if (!p->options.on) {
		say_off(p, "FASTSOCK=off", "does nothing");
		return false;
	}
	if (p->options.steer == FS_STEER_OFF) {
		say_off(p, "FASTSOCK_STEER=off", "leaves listeners as they are");
		return false;
	}
	if (!p->environment_known)
		fs_found(p->f, "process_options", FS_LEVEL_OK, "its options cannot be told: the program has written over its environment");
	for (unsigned i = 0; i < fs_option_count; i++) {
		const char *value = variable(p, fs_option_table[i].variable);

		if (value && *value)
			fs_found(p->f, "process_options", FS_LEVEL_OK, "%s=%s", fs_option_table[i].variable, value);
	}
	return true;
}

/* ---- listeners ---- */

static bool holds(int pid, uint64_t inode)
{
	char path[64], link[64], want[64];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	snprintf(want, sizeof(want), "socket:[%" PRIu64 "]", inode);
	dir = opendir(path);
	while (dir && !found && (entry = readdir(dir))) {
		ssize_t len = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);

		link[len > 0 ? len : 0] = '\0';
		found = !strcmp(link, want);
	}
	if (dir)
		closedir(dir);
	return found;
}

/* The process's listeners, each address once. */
static unsigned find_listeners(int pid, struct fs_text_listener *out)
{
	static const char *const tables[] = {"tcp", "tcp6"};
	unsigned n = 0;

	for (unsigned t = 0; t < FS_COUNT(tables); t++) {
		char *text = fs_text_read(NULL, "/proc/%d/net/%s", pid, tables[t]);

		/* Cut at the newlines: sscanf() measures all that it is given, and there may be very many connections. */
		for (char *rest = text, *line; n < LISTENERS_MAX && (line = strsep(&rest, "\n"));) {
			unsigned known = 0;

			if (!fs_text_listener(line, &out[n]))
				continue;
			while (known < n && strcmp(out[known].address, out[n].address) != 0)
				known++;
			if (known == n && holds(pid, out[n].inode))
				n++;
		}
		free(text);
	}
	return n;
}

static bool handled(const struct fs_view *view, const struct fs_text_listener *l)
{
	for (unsigned g = 0; g < FS_GROUPS_MAX; g++) {
		const struct fs_group_rec *rec = &view->group[g];

		if (fs_view_has_group(view, g) && rec->port == l->port && (rec->family == AF_INET6) == l->v6 &&
		    !memcmp(rec->address, l->raw, l->v6 ? 16 : 4))
			return true;
	}
	return false;
}

static bool listener_wanted(const struct process *p, const struct fs_text_listener *l)
{
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
	} a;

	memset(&a, 0, sizeof(a));
	a.sa.sa_family = l->v6 ? AF_INET6 : AF_INET;
	if (l->v6) {
		memcpy(&a.in6.sin6_addr, l->raw, 16);
		a.in6.sin6_port = htons(l->port);
	} else {
		memcpy(&a.in.sin_addr, l->raw, 4);
		a.in.sin_port = htons(l->port);
	}
	return fs_listen_wanted(&p->options.listen, &a.sa);
}

static void explain_listener(const struct process *p, const struct fs_text_listener *l)
{
	if (!listener_wanted(p, l)) {
		fs_found(p->f, "listener", FS_LEVEL_OK, "left alone, as FASTSOCK_LISTEN says");
		fs_found_subject(p->f, l->address);
		return;
	}
	fs_found(p->f, "listener", FS_LEVEL_PROBLEM, "it works as without libfastsock");
	fs_found_subject(p->f, l->address);
	if (p->options.cpus_given && fs_cpus_count(&p->options.cpus) < 2) {
		fs_found_why(p->f, "FASTSOCK_CPUS names one CPU, and there is nothing to fan out to");
		fs_found_mend(p->f, "name two CPUs or more, and restart the server");
		return;
	}
	fs_found_why(p->f, "%sit could run on one CPU only when it was started; or it was not made by listen() of libc, has an option that"
		     " other sockets cannot be given, shares its address, or there were no descriptors left",
		     p->environment_known ? "" : "FASTSOCK=off or another option says so, which cannot be told because the program has"
		     " written over its environment; or ");
	fs_found_mend(p->f, "restart it with FASTSOCK_LOG=info%s, and read what it says on standard error about this listener",
		      p->environment_known ? "" : ", without FASTSOCK=off");
}

/* Each listener that is in no group, of the views of all its trees. */
static void check_listeners(const struct process *p, const struct fs_view *views, unsigned nviews)
{
	struct fs_text_listener *listener = fs_cli_grow(NULL, LISTENERS_MAX, sizeof(*listener));
	unsigned n = find_listeners(p->pid, listener);

	if (!n) {
		fs_found(p->f, "listener", FS_LEVEL_ADVICE, "it has no TCP listener");
		fs_found_why(p->f, "there is nothing that libfastsock could do for what it accepts");
		fs_found_mend(p->f, "name the process that listens: ss -ltnp");
	}
	for (unsigned i = 0; i < n; i++) {
		bool found = false;

		for (unsigned v = 0; v < nviews && !found; v++)
			found = handled(&views[v], &listener[i]);
		if (!found)
			explain_listener(p, &listener[i]);
	}
	free(listener);
}

/* ---- its process tree ---- */

static void check_trees(const struct process *p)
{
	struct fs_trees own = {0}, all = {0};
	struct fs_queues queues = {0};
	struct fs_view *views = NULL;
	unsigned nviews = 0;
	const char *why;

	fs_trees_add_process(&own, p->pid);
	if (own.ntrees)
		fs_trees_scan(&all);
	fs_queues_read(&queues);
	for (size_t i = 0; i < own.ntrees; i++) {
		const struct fs_tree *tree = fs_trees_find(&all, own.tree[i].dev, own.tree[i].ino);

		views = fs_cli_grow(views, nviews + 1, sizeof(*views));
		if (fs_view_read(&views[nviews], tree ? tree : &own.tree[i], &queues, &why) == 0) {
			fs_doctor_groups(p->f, &views[nviews++]);
			continue;
		}
		fs_found(p->f, "region", FS_LEVEL_PROBLEM, "its region cannot be read");
		fs_found_why(p->f, "%s", why);
		fs_found_mend(p->f, "restart the server, with the libfastsock that belongs to this command");
	}
	check_listeners(p, views, nviews);
	while (nviews)
		fs_view_free(&views[--nviews]);
	free(views);
	fs_queues_free(&queues);
	fs_trees_free(&own);
	fs_trees_free(&all);
}

/* Of its network namespace, since that was made. */
static void check_overflow(const struct process *p)
{
	char *netstat = fs_text_read(NULL, "/proc/%d/net/netstat", p->pid), *snmp = fs_text_read(NULL, "/proc/%d/net/snmp", p->pid);
	int64_t dropped = netstat ? fs_text_counter(netstat, "TcpExt:", "ListenOverflows") : -1;
	int64_t taken = snmp ? fs_text_counter(snmp, "Tcp:", "PassiveOpens") : -1;

	free(netstat);
	free(snmp);
	if (dropped < 0 || taken < 0)
		return;
	if (dropped * OVERFLOW_SHARE <= taken) {
		fs_found(p->f, "overflow", FS_LEVEL_OK, "%" PRId64 " of %" PRId64 " connections found an accept queue full", dropped, taken);
		return;
	}
	fs_found(p->f, "overflow", FS_LEVEL_ADVICE, "%" PRId64 " connections found an accept queue full, and %" PRId64 " did not", dropped,
		 taken);
	fs_found_why(p->f, "some server of this network namespace was too slow, or its backlog too small, at some time since it was made");
	fs_found_mend(p->f, "raise its backlog and net.core.somaxconn; nstat -az TcpExtListenOverflows shows whether it goes on");
}

static void check_library(struct process *p, const struct fs_elf *library)
{
	char path[512];
	bool deleted;

	if (!has_library(p->pid, path, sizeof(path), &deleted)) {
		explain_absence(p, library);
		return;
	}
	if (deleted) {
		fs_found(p->f, "process_library", FS_LEVEL_ADVICE, "it runs with a %s that is not the one on disk any more", path);
		fs_found_why(p->f, "the library was upgraded or removed since the process was started");
		fs_found_mend(p->f, "restart it; a reload is enough where that executes the program anew (nginx: SIGUSR2)");
	} else {
		fs_found(p->f, "process_library", FS_LEVEL_OK, "it runs with %s", path);
	}
	if (check_options(p))
		check_trees(p);
}

static bool other_network(int pid)
{
	struct stat ours, theirs;
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	return stat("/proc/self/ns/net", &ours) == 0 && stat(path, &theirs) == 0 && ours.st_ino != theirs.st_ino;
}

bool fs_doctor_process(struct fs_findings *f, int pid, const struct fs_elf *library)
{
	struct process p = {.f = f, .pid = pid};
	char path[64], *maps;

	snprintf(path, sizeof(path), "/proc/%d", pid);
	if (access(path, F_OK) < 0) {
		fs_cli_error("doctor: there is no process %d", pid);
		return false;
	}
	fs_process_name(pid, p.name, sizeof(p.name));
	/* Others' may be opened, and are empty. */
	maps = fs_text_read(NULL, "/proc/%d/maps", pid);
	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	if (!maps || !*maps || access(path, R_OK | X_OK) < 0) {
		bool kernel = maps && !*maps && geteuid() == 0;

		free(maps);
		fs_cli_error(kernel ? "doctor: process %d (%s) is the kernel's, or has ended" :
			     "doctor: no permission to look into process %d (%s): run this as its user or as root", pid, p.name);
		return false;
	}
	free(maps);
	f->section = "process";
	fs_found(f, "process", FS_LEVEL_OK, "process %d is %s", pid, p.name);
	if (other_network(pid))
		fs_found(f, "network_namespace", FS_LEVEL_OK, "it is in another network namespace: what is said about interfaces and"
			 " limits of the network is about this one");
	p.environment = fs_text_read(&p.environment_len, "/proc/%d/environ", pid);
	p.environment_known = p.environment && memchr(p.environment, '=', p.environment_len) && isprint((unsigned char)p.environment[0]);
	check_library(&p, library);
	check_overflow(&p);
	free(p.environment);
	return true;
}
