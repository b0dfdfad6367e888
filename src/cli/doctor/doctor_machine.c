/*
 * What the kernel offers, tried on sockets of this command's own rather than concluded from its version, and
 * the CPUs and limits that a program gets.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "core/fdtab.h"
#include "core/netdiag.h"
#include "sys/sys.h"
#include "doctor.h"
#include "doctor_parse.h"

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51 /* Linux 6.3 */
#endif

/* Descriptors of the library beside those of each CPU: region, locks, hub, watchdog, two of each group, and room. */
#define FEW_DESCRIPTORS 16
/* ... and for workers that were found stuck, at the most. */
#define STUCK_DESCRIPTORS 128
/* By how many a limit that is too low should be raised. */
#define ROOM_DESCRIPTORS 4096

static void check_kernel(struct fs_findings *f)
{
	struct utsname name;
	unsigned major, minor;

	if (uname(&name) < 0 || !fs_text_version(name.release, &major, &minor))
		return;
	if (major < 4 || (major == 4 && minor < 6)) {
		fs_found(f, "kernel", FS_LEVEL_PROBLEM, "Linux %s", name.release);
		fs_found_why(f, "steering needs SO_ATTACH_REUSEPORT_CBPF for TCP, which came with Linux 4.6");
		fs_found_mend(f, "install a newer kernel");
		return;
	}
	fs_found(f, "kernel", FS_LEVEL_OK, "Linux %s", name.release);
}

/* A listener of our own with a steering program, as the library would make it. 0 or -errno. */
static int try_steering(void)
{
	struct sock_filter instruction = BPF_STMT(BPF_RET | BPF_K, 0);
	const struct sock_fprog program = {1, &instruction};
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int one = 1, fd = fs_sys_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), rc = fd;

	if (rc >= 0)
		rc = fs_sys_bind(fd, &addr, sizeof(addr));
	/* After bind(), as for the application's socket. */
	if (rc >= 0)
		rc = fs_sys_setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
	if (rc >= 0)
		rc = fs_sys_listen(fd, 1);
	if (rc >= 0)
		rc = fs_sys_setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof(program));
	if (fd >= 0)
		fs_sys_close(fd);
	return rc;
}

static void check_steering(struct fs_findings *f)
{
	int rc = try_steering();

	if (rc >= 0) {
		fs_found(f, "reuseport_bpf", FS_LEVEL_OK, "a listener of SO_REUSEPORT takes a steering program");
		return;
	}
	fs_found(f, "reuseport_bpf", FS_LEVEL_PROBLEM, "a listener of SO_REUSEPORT does not take a steering program (%s)",
		 strerror(-rc));
	fs_found_why(f, "without SO_ATTACH_REUSEPORT_CBPF every listener works as without libfastsock");
	fs_found_mend(f, "allow it in the sandbox (seccomp) that this runs in, or install Linux 4.6 or newer");
}

static bool stop_at_first(const struct fs_netdiag_listener *l, void *arg)
{
	(void)l;
	(void)arg;
	return false;
}

static void check_sock_diag(struct fs_findings *f)
{
	int rc = fs_netdiag_listeners(0, stop_at_first, NULL);

	if (rc >= 0) {
		fs_found(f, "sock_diag", FS_LEVEL_OK, "the kernel tells who listens on an address");
		return;
	}
	fs_found(f, "sock_diag", FS_LEVEL_PROBLEM, "the kernel does not tell who listens on an address (%s)", strerror(-rc));
	fs_found_why(f, "libfastsock leaves a listener alone when it cannot tell whether it shares its address");
	fs_found_mend(f, "modprobe tcp_diag; in a sandbox, allow netlink sockets");
}

static void check_memory(struct fs_findings *f)
{
	int fd = fs_sys_memfd_create("fastsock-doctor", 1 /* MFD_CLOEXEC */);

	if (fd >= 0) {
		fs_sys_close(fd);
		fs_found(f, "shared_memory", FS_LEVEL_OK, "memory for a process tree can be made");
		return;
	}
	fs_found(f, "shared_memory", FS_LEVEL_PROBLEM, "memory for a process tree cannot be made (%s)", strerror(-fd));
	fs_found_why(f, "without memfd_create() every listener works as without libfastsock");
	fs_found_mend(f, "allow memfd_create in the sandbox (seccomp) that this runs in");
}

static void check_port_range(struct fs_findings *f)
{
	uint32_t range = 40000u << 16 | 40000u;
	int fd = fs_sys_socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), rc;

	if (fd < 0)
		return;
	rc = fs_sys_setsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range, sizeof(range));
	fs_sys_close(fd);
	/* Nobody can mend that quickly, and it costs little: it is not worth an advice. */
	if (rc < 0)
		fs_found(f, "local_port_range", FS_LEVEL_OK,
			 "no IP_LOCAL_PORT_RANGE (Linux 6.3): connect() binds source ports, which destinations do not share");
	else
		fs_found(f, "local_port_range", FS_LEVEL_OK, "connect() can choose a source port (IP_LOCAL_PORT_RANGE)");
}

static void check_io_uring(struct fs_findings *f)
{
	int64_t disabled = fs_text_number(0, "/proc/sys/kernel/io_uring_disabled");
	int rc = fs_sys_io_uring_probe();

	if (rc >= 0)
		fs_found(f, "io_uring", FS_LEVEL_OK, "io_uring is there");
	else
		fs_found(f, "io_uring", FS_LEVEL_OK, "io_uring is not available here (%s%s): libfastsock does without it",
			 strerror(-rc), disabled == 2 ? ", kernel.io_uring_disabled is 2" :
			 disabled == 1 ? ", kernel.io_uring_disabled is 1" : "");
}

static void check_migration(struct fs_findings *f)
{
	int64_t on = fs_text_number(-1, "/proc/sys/net/ipv4/tcp_migrate_req");

	if (on < 0)
		fs_found(f, "tcp_migrate_req", FS_LEVEL_OK,
			 "no net.ipv4.tcp_migrate_req (Linux 5.14): what waits in a listener when it is closed is reset");
	else
		fs_found(f, "tcp_migrate_req", FS_LEVEL_OK, "net.ipv4.tcp_migrate_req is %d: what waits in a listener that is"
			 " closed without libfastsock's help is %s", (int)on, on ? "moved to another one" : "reset");
}

/* Adds the CPUs that any thread of the process may run on: its workers may be bound to one each. */
static void add_threads(int pid, struct fs_cpus *out)
{
	struct fs_cpus one;
	struct dirent *entry;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		if (!isdigit((unsigned char)entry->d_name[0]) || fs_cpus_allowed(atoi(entry->d_name), &one) < 0)
			continue;
		for (unsigned i = 0; i < FS_COUNT(out->bits); i++)
			out->bits[i] |= one.bits[i];
	}
	if (dir)
		closedir(dir);
}

/* The parent, if it runs the same program: the master of a worker, which may be bound to a CPU; 0 otherwise. */
static int master_of(int pid)
{
	char *status = fs_text_read(NULL, "/proc/%d/status", pid), value[32] = "", path[64], own[512], its[512];
	int parent = status && fs_text_line(status, "PPid:", value, sizeof(value)) ? atoi(value) : 0;
	ssize_t n, m;

	free(status);
	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	n = readlink(path, own, sizeof(own));
	snprintf(path, sizeof(path), "/proc/%d/exe", parent);
	m = readlink(path, its, sizeof(its));
	return n > 0 && n == m && !memcmp(own, its, (size_t)n) ? parent : 0;
}

static void allowed_cpus(int pid, struct fs_cpus *out)
{
	int master = pid ? master_of(pid) : 0;

	*out = (struct fs_cpus){0};
	if (pid)
		add_threads(pid, out);
	if (master)
		add_threads(master, out);
	if (!fs_cpus_count(out))
		fs_cpus_allowed(0, out);
}

static bool read_list(struct fs_cpus *out, const char *path)
{
	char *text = fs_text_read(NULL, "%s", path);
	bool good = text && fs_cpus_parse(text, out) == 0;

	free(text);
	return good;
}

/* What the cgroup allows (version 2), with the group's name in `name`; false when that cannot be told. */
static bool cpuset_of(int pid, struct fs_cpus *out, char *name, size_t len)
{
	char path[700], process[24] = "self", *text;
	bool known;

	if (pid)
		snprintf(process, sizeof(process), "%d", pid);
	text = fs_text_read(NULL, "/proc/%s/cgroup", process);
	known = text && fs_text_line(text, "0::", name, len);
	free(text);
	if (!known)
		return false;
	snprintf(path, sizeof(path), "/sys/fs/cgroup%s/cpuset.cpus.effective", name);
	return read_list(out, path);
}

static void check_cpus(struct fs_findings *f, int pid, const struct fs_cpus *allowed)
{
	struct fs_cpus online = *allowed, group;
	unsigned have = fs_cpus_count(allowed), all;
	char list[256], every[256], name[512];

	read_list(&online, "/sys/devices/system/cpu/online");
	all = fs_cpus_count(&online);
	fs_cpus_format(allowed, list, sizeof(list));
	fs_cpus_format(&online, every, sizeof(every));
	if (have >= 2 && have >= all) {
		fs_found(f, "cpus", FS_LEVEL_OK, "all %u CPUs may be used", all);
		return;
	}
	if (all < 2) {
		fs_found(f, "cpus", FS_LEVEL_PROBLEM, "this machine has one CPU");
		fs_found_why(f, "there is nothing to fan out to, so libfastsock does nothing");
		return;
	}
	fs_found(f, "cpus", have < 2 ? FS_LEVEL_PROBLEM : FS_LEVEL_ADVICE, "%u of %u CPUs may be used (%s of %s)", have, all, list,
		 every);
	if (cpuset_of(pid, &group, name, sizeof(name)) && fs_cpus_count(&group) < all)
		fs_found_why(f, "%sthe cpuset of cgroup %s is narrower", have < 2 ? "on one CPU libfastsock does nothing; " : "", name);
	else
		fs_found_why(f, "%sthe affinity of %s is narrower", have < 2 ? "on one CPU libfastsock does nothing; " : "",
			     pid ? "its threads" : "this shell");
	fs_found_mend(f, "start it with taskset -c %s, in a cgroup whose cpuset.cpus has them all", every);
}

static void check_descriptors(struct fs_findings *f, int pid, unsigned cpus)
{
	uint64_t soft, hard, least = 3 * cpus + FEW_DESCRIPTORS, room, more, more_soft;
	char process[24] = "self", *text;
	bool known;

	if (pid)
		snprintf(process, sizeof(process), "%d", pid);
	text = fs_text_read(NULL, "/proc/%s/limits", process);
	known = text && fs_text_nofile(text, &soft, &hard);
	free(text);
	if (!known)
		return;
	room = fs_fd_hidden_count(soft, hard);
	more = (hard > soft ? hard : soft) + ROOM_DESCRIPTORS;
	/* Beyond the soft limit there is room only while that is low. */
	more_soft = soft > FS_HIDDEN_BASE_MAX ? more : soft;
	if (room >= least + STUCK_DESCRIPTORS) {
		fs_found(f, "descriptors", FS_LEVEL_OK, "room for the descriptors of %" PRIu64 " listeners on %u CPUs",
			 (room - 2 * cpus - STUCK_DESCRIPTORS) / (cpus + 3) < 128 ?
			 (room - 2 * cpus - STUCK_DESCRIPTORS) / (cpus + 3) : 128, cpus);
		return;
	}
	fs_found(f, "descriptors", room < least ? FS_LEVEL_PROBLEM : FS_LEVEL_ADVICE,
		 "the limit of descriptors is %" PRIu64 " (hard %" PRIu64 ")", soft, hard);
	if (room < least)
		fs_found_why(f, "one listener on %u CPUs takes %" PRIu64 " of libfastsock's, and there is room for %" PRIu64
			     ": it would work as without the library", cpus, least, room);
	else
		fs_found_why(f, "one listener on %u CPUs takes %" PRIu64 " of libfastsock's, up to %d more when workers are"
			     " stuck, and there is room for %" PRIu64, cpus, least, STUCK_DESCRIPTORS, room);
	if (pid)
		fs_found_mend(f, "prlimit --pid %d --nofile=%" PRIu64 ":%" PRIu64 ", before it listens; in its unit:"
			      " LimitNOFILE=%" PRIu64 ":%" PRIu64, pid, more_soft, more, more_soft, more);
	else
		fs_found_mend(f, "prlimit --pid $$ --nofile=%" PRIu64 ":%" PRIu64 " (as root); in a systemd unit:"
			      " LimitNOFILE=%" PRIu64 ":%" PRIu64, more_soft, more, more_soft, more);
}

void fs_doctor_machine(struct fs_findings *f, int pid)
{
	struct fs_cpus allowed;

	check_kernel(f);
	check_steering(f);
	check_sock_diag(f);
	check_memory(f);
	check_port_range(f);
	check_io_uring(f);
	check_migration(f);
	allowed_cpus(pid, &allowed);
	check_cpus(f, pid, &allowed);
	check_descriptors(f, pid, fs_cpus_count(&allowed));
}
