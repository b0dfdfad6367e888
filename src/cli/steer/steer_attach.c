/*
 * fastsock steer attach and detach. The note for the library is there before the
 * program is attached, and is removed after it is detached: a command that is
 * killed in between leaves a note without a program, which the next one removes,
 * and never a program that the library does not know.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bpf/loader.h"
#include "cli/cli.h"
#include "core/cpus.h"
#include "core/ports.h"
#include "steer.h"
#include "sys/sys.h"

#define ATTACH_CAPABILITIES "CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN"
#define DETACH_CAPABILITIES "CAP_SYS_ADMIN and CAP_NET_ADMIN"

/* Makes the list of CPUs complete, or says why it cannot be. */
static bool settle_cpus(struct fs_steer_request *request)
{
	char text[4096];
	struct fs_cpus online;

	if (fs_sys_read_file("/sys/devices/system/cpu/online", text, sizeof(text)) <= 0 || fs_cpus_parse(text, &online) < 0) {
		fs_cli_error("steer: cannot attach: /sys does not tell which CPUs are online; is it mounted?");
		return false;
	}
	text[strcspn(text, "\n")] = '\0';
	for (uint32_t i = 0; i < request->ncpus; i++) {
		if (!fs_cpus_has(&online, request->cpu[i])) {
			fs_cli_error("steer: cannot attach: CPU %u is not online; those that are: %s", request->cpu[i], text);
			return false;
		}
	}
	if (request->ncpus)
		return true;
	if (fs_cpus_count(&online) > FS_CORES_MAX) {
		fs_cli_error("steer: cannot attach: %u CPUs are online: name %d at most with --cpus", fs_cpus_count(&online),
			     FS_CORES_MAX);
		return false;
	}
	for (unsigned cpu = fs_cpus_next(&online, 0); cpu < FS_CPUS_MAX; cpu = fs_cpus_next(&online, cpu + 1))
		request->cpu[request->ncpus++] = (uint16_t)cpu;
	return true;
}

/* There is no guess to fall back on: with all ports, one that is published goes to one CPU; with too few, nothing is steered. */
static bool settle_range(struct port_steer_range *ports)
{
	int err = fs_steer_read_range(ports);

	if (err)
		fs_cli_error("steer: cannot attach: cannot read net.ipv4.ip_local_port_range, the ports of connections that are"
			     " opened here: %s; is /proc mounted?", strerror(-err));
	return !err;
}

static void say_occupied(const struct fs_steer_request *request, const struct fs_steer_found *found)
{
	if (found->ours)
		fs_cli_error("steer: cannot attach: %s is steered already (%s, program %u): detach that first (fastsock steer detach %s)",
			     request->interface, fs_steer_mode_name(found), found->prog_id, request->interface);
	else
		fs_cli_error("steer: cannot attach: %s has another XDP program (%s, program %u, \"%s\"), and there can be one:"
			     " take that off first, with what attached it", request->interface, fs_steer_mode_name(found),
			     found->prog_id, found->name);
}

static void say_refused(const struct fs_steer_request *request, int err, const struct fs_steer_why *why)
{
	char driver[FS_STEER_DRIVER_LEN];

	if (err == -EBUSY || err == -EEXIST) {
		fs_cli_error("steer: cannot attach: %s has another XDP program by now: take that off first", request->interface);
		return;
	}
	fs_steer_driver(request->interface, driver);
	if (err == -EPERM && fs_steer_denied("attach", ATTACH_CAPABILITIES, err))
		return;
	if (request->generic)
		fs_cli_error("steer: cannot attach to %s: %s", request->interface, fs_steer_reason(err, why));
	else
		fs_cli_error("steer: cannot attach to %s: its driver%s%s refuses native XDP: %s; --generic works with every driver,"
			     " but is slower", request->interface, *driver ? " " : "", driver, fs_steer_reason(err, why));
}

static void say_attached(const struct fs_steer_request *request, unsigned ifindex, uint32_t prog_id)
{
	char cpus[FS_PORTSTEER_LINE_MAX];

	fs_steer_format_cpus(request->cpu, request->ncpus, cpus, sizeof(cpus));
	printf("%s: steered by destination port to CPU%s %s (%s, program %u)\n", request->interface,
	       request->ncpus == 1 ? "" : "s", cpus, request->generic ? "generic" : "native", prog_id);
	/* Outside the driver, packets keep what belongs to them. */
	if (!request->generic)
		fs_steer_note_offloads(request->interface, ifindex);
}

static void say_no_note(int err, uint32_t prog_id)
{
	if (geteuid() != 0 && (err == -EPERM || err == -EACCES))
		fs_cli_error("steer attach: needs root (the library believes no other user's %s/%u): run this as root",
			     FS_PORTSTEER_DIR, prog_id);
	else if (err == -EPERM)
		fs_cli_error("steer attach: cannot write %s/%u for the library: others than root may write there, so no program"
			     " believes it: remove %s", FS_PORTSTEER_DIR, prog_id, FS_PORTSTEER_DIR);
	else
		fs_cli_error("steer attach: cannot write %s/%u for the library: %s: make room for it there", FS_PORTSTEER_DIR,
			     prog_id, strerror(-err));
}

/* The program is loaded; on failure nothing of it is left. */
static int attach(const struct fs_steer_request *request, unsigned ifindex, const struct fs_steer_program *program)
{
	struct fs_portsteer_note note = {.ifindex = ifindex, .netns = fs_portsteer_netns()};
	struct fs_steer_why why = {""};
	int err;

	note.steer.prog_id = fs_steer_id(program);
	note.steer.ncpus = request->ncpus;
	memcpy(note.steer.cpu, request->cpu, sizeof(note.steer.cpu));
	err = fs_note_write(&note);
	if (err) {
		say_no_note(err, note.steer.prog_id);
		return FS_EXIT_FAILED;
	}
	err = fs_steer_attach(program, ifindex, request->generic, &why);
	if (err) {
		fs_note_remove(note.steer.prog_id);
		say_refused(request, err, &why);
		return FS_EXIT_FAILED;
	}
	say_attached(request, ifindex, note.steer.prog_id);
	return fs_cli_finish(FS_EXIT_OK);
}

int fs_steer_do_attach(const struct fs_steer_request *given)
{
	struct fs_steer_request request = *given;
	unsigned ifindex = fs_steer_interface("attach", request.interface);
	struct fs_steer_program *program;
	struct port_steer_range ports;
	struct fs_steer_found found;
	struct fs_steer_why why;
	int err, status;

	if (!ifindex || !settle_cpus(&request) || !settle_range(&ports) || !fs_steer_look("attach", request.interface, ifindex, &found))
		return FS_EXIT_FAILED;
	fs_note_remove_stale();
	if (found.mode != FS_STEER_NONE) {
		say_occupied(&request, &found);
		return FS_EXIT_FAILED;
	}
	err = fs_steer_load(request.cpu, request.ncpus, ports, &program, &why);
	if (err && fs_steer_denied("attach", ATTACH_CAPABILITIES, err))
		return FS_EXIT_FAILED;
	if (err) {
		fs_cli_error("steer: cannot attach: the kernel does not take the program: %s", fs_steer_reason(err, &why));
		return FS_EXIT_FAILED;
	}
	status = attach(&request, ifindex, program);
	fs_steer_close(program);
	return status;
}

int fs_steer_do_detach(const struct fs_steer_request *request)
{
	unsigned ifindex = fs_steer_interface("detach", request->interface);
	struct fs_steer_found found;
	struct fs_steer_why why;
	int err;

	if (!ifindex || !fs_steer_look("detach", request->interface, ifindex, &found))
		return FS_EXIT_FAILED;
	fs_note_remove_stale();
	if (found.mode == FS_STEER_NONE) {
		fs_cli_error("steer: nothing to detach: %s has no XDP program", request->interface);
		return FS_EXIT_FAILED;
	}
	if (!found.ours) {
		fs_cli_error("steer: nothing to detach: the XDP program of %s (%s, program %u, \"%s\") is somebody else's",
			     request->interface, fs_steer_mode_name(&found), found.prog_id, found.name);
		return FS_EXIT_FAILED;
	}
	err = fs_steer_detach(ifindex, &found, &why);
	if (err && fs_steer_denied("detach", DETACH_CAPABILITIES, err))
		return FS_EXIT_FAILED;
	if (err) {
		fs_cli_error("steer: cannot detach program %u from %s: %s", found.prog_id, request->interface,
			     err == -EEXIST ? "it is not its program any more" : fs_steer_reason(err, &why));
		return FS_EXIT_FAILED;
	}
	fs_note_remove(found.prog_id);
	printf("%s: not steered any more (program %u is detached)\n", request->interface, found.prog_id);
	return fs_cli_finish(FS_EXIT_OK);
}
