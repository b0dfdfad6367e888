/* fastsock steer status: the interfaces that are steered, and what became of the packets on each CPU. */
#define _GNU_SOURCE
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bpf/loader.h"
#include "cli/cli.h"
#include "cli/json.h"
#include "core/version.h"
#include "steer.h"

/* One table for the columns and the keys, in the order in which they are shown. */
static const struct column {
	const char *title, *key;
	size_t at;
} columns[] = {
	{"HERE", "here", offsetof(struct port_steer_counts, here)},
	{"AWAY", "away", offsetof(struct port_steer_counts, away)},
	{"PASSIVE", "passive", offsetof(struct port_steer_counts, passive)},
	{"NOT-TCP", "not_tcp", offsetof(struct port_steer_counts, not_tcp)},
	{"ERROR", "error", offsetof(struct port_steer_counts, error)},
};

/* An interface that is steered. */
struct steered {
	const char *name;
	unsigned ifindex;
	struct fs_steer_found found;
	struct port_steer_counts *counts; /* one for each possible CPU */
	unsigned ncpus;                   /* possible ones */
	struct port_steer_range kernel;   /* its ports now; 0 when they cannot be read */
};

static __u64 *counter(struct port_steer_counts *counts, const struct column *column)
{
	return (__u64 *)((char *)counts + column->at);
}

static struct port_steer_counts total_of(const struct steered *s)
{
	struct port_steer_counts total = {0};

	for (unsigned cpu = 0; cpu < s->ncpus; cpu++) {
		for (size_t c = 0; c < FS_COUNT(columns); c++)
			*counter(&total, &columns[c]) += *counter(&s->counts[cpu], &columns[c]);
	}
	return total;
}

/* A machine may have hundreds of CPUs that could be there, of which few have to do with it. */
static bool is_shown(const struct steered *s, unsigned cpu)
{
	for (uint32_t i = 0; i < s->found.ncpus; i++) {
		if (s->found.cpu[i] == cpu)
			return true;
	}
	for (size_t c = 0; c < FS_COUNT(columns); c++) {
		if (*counter(&s->counts[cpu], &columns[c]))
			return true;
	}
	return false;
}

static void print_row(const char *cpu, struct port_steer_counts *counts)
{
	printf("  %5s", cpu);
	for (size_t c = 0; c < FS_COUNT(columns); c++)
		printf(" %12llu", *counter(counts, &columns[c]));
	putchar('\n');
}

static void say_range_changed(const struct steered *s)
{
	const struct port_steer_range *ports = &s->found.ports, *kernel = &s->kernel;

	if (!kernel->low)
		fs_cli_error("steer: note: cannot read net.ipv4.ip_local_port_range, to compare it with the ports that %s was attached for",
			     s->name);
	else if (kernel->low != ports->low || kernel->high != ports->high)
		fs_cli_error("steer: note: %s was attached for ports %u-%u, and net.ipv4.ip_local_port_range is %u-%u by now:"
			     " detach it and attach it again", s->name, ports->low, ports->high, kernel->low, kernel->high);
}

static void print_text(const struct steered *s)
{
	struct port_steer_counts total = total_of(s);
	char cpus[FS_PORTSTEER_LINE_MAX], number[16];

	fs_steer_format_cpus(s->found.cpu, s->found.ncpus, cpus, sizeof(cpus));
	printf("%s: %s, program %u, CPU%s %s, ports %u-%u\n", s->name, fs_steer_mode_name(&s->found), s->found.prog_id,
	       s->found.ncpus == 1 ? "" : "s", cpus, s->found.ports.low, s->found.ports.high);
	printf("  %5s", "CPU");
	for (size_t c = 0; c < FS_COUNT(columns); c++)
		printf(" %12s", columns[c].title);
	putchar('\n');
	for (unsigned cpu = 0; cpu < s->ncpus; cpu++) {
		if (!is_shown(s, cpu))
			continue;
		snprintf(number, sizeof(number), "%u", cpu);
		print_row(number, &s->counts[cpu]);
	}
	print_row("total", &total);
	say_range_changed(s);
}

/* Numbers that are 0 are null. */
static void write_range(struct fs_json *json, const char *name, const struct port_steer_range *ports)
{
	fs_json_open(json, name, '{');
	fs_json_number_or_null(json, "low", ports->low ? ports->low : -1);
	fs_json_number_or_null(json, "high", ports->high ? ports->high : -1);
	fs_json_close(json, '}');
}

static void write_counts(struct fs_json *json, struct port_steer_counts *counts)
{
	for (size_t c = 0; c < FS_COUNT(columns); c++)
		fs_json_number(json, columns[c].key, *counter(counts, &columns[c]));
}

static void write_json(struct fs_json *json, const struct steered *s)
{
	struct port_steer_counts total = total_of(s);

	fs_json_open(json, NULL, '{');
	fs_json_string(json, "interface", s->name);
	fs_json_number(json, "ifindex", s->ifindex);
	fs_json_string(json, "mode", fs_steer_mode_name(&s->found));
	fs_json_number(json, "program", s->found.prog_id);
	fs_json_open(json, "cpus", '[');
	for (uint32_t i = 0; i < s->found.ncpus; i++)
		fs_json_number(json, NULL, s->found.cpu[i]);
	fs_json_close(json, ']');
	write_range(json, "port_range", &s->found.ports);
	write_range(json, "kernel_port_range", &s->kernel);
	fs_json_open(json, "counters", '[');
	for (unsigned cpu = 0; cpu < s->ncpus; cpu++) {
		if (!is_shown(s, cpu))
			continue;
		fs_json_open(json, NULL, '{');
		fs_json_number(json, "cpu", cpu);
		write_counts(json, &s->counts[cpu]);
		fs_json_close(json, '}');
	}
	fs_json_close(json, ']');
	fs_json_open(json, "total", '{');
	write_counts(json, &total);
	fs_json_close(json, '}');
	fs_json_close(json, '}');
}

/* Shows one that fs_steer_look() found to be ours. */
static int show(struct steered *s, struct fs_json *json)
{
	struct fs_portsteer_note note = {.ifindex = s->ifindex, .netns = fs_portsteer_netns()};
	int err;

	if (!s->found.ncpus) {
		fs_cli_error("steer: %s is steered by another version of fastsock (program %u): detach it and attach it again",
			     s->name, s->found.prog_id);
		return FS_EXIT_FAILED;
	}
	note.steer.prog_id = s->found.prog_id;
	note.steer.ncpus = s->found.ncpus;
	memcpy(note.steer.cpu, s->found.cpu, sizeof(note.steer.cpu));
	fs_note_repair(&note);
	if (fs_steer_read_range(&s->kernel))
		s->kernel = (struct port_steer_range){0};
	s->ncpus = fs_steer_possible_cpus();
	s->counts = fs_cli_grow(NULL, s->ncpus, sizeof(*s->counts));
	err = fs_steer_counts(s->found.prog_id, s->counts, s->ncpus);
	if (err)
		fs_cli_error("steer: cannot read the counters of %s: %s", s->name, strerror(-err));
	else if (json)
		write_json(json, s);
	else
		print_text(s);
	free(s->counts);
	return err ? FS_EXIT_FAILED : FS_EXIT_OK;
}

static int show_one(const char *name, struct fs_json *json)
{
	struct steered s = {.name = name, .ifindex = fs_steer_interface("show", name)};

	if (!s.ifindex || !fs_steer_look("status", name, s.ifindex, &s.found))
		return FS_EXIT_FAILED;
	fs_note_remove_stale();
	if (s.found.ours)
		return show(&s, json);
	if (s.found.mode == FS_STEER_NONE)
		fs_cli_error("steer: %s is not steered: attach it with fastsock steer attach %s", name, name);
	else
		fs_cli_error("steer: %s is not steered: it has another XDP program (%s, program %u, \"%s\")", name,
			     fs_steer_mode_name(&s.found), s.found.prog_id, s.found.name);
	return FS_EXIT_FAILED;
}

static int show_all(struct fs_json *json)
{
	struct if_nameindex *interface = if_nameindex();
	int status = FS_EXIT_OK;
	bool any = false;

	if (!interface) {
		fs_cli_error("steer: cannot read the list of interfaces: %s", strerror(errno));
		return FS_EXIT_FAILED;
	}
	for (size_t i = 0; interface[i].if_index && status == FS_EXIT_OK; i++) {
		struct steered s = {.name = interface[i].if_name, .ifindex = interface[i].if_index};

		if (!fs_steer_look("status", s.name, s.ifindex, &s.found)) {
			status = FS_EXIT_FAILED;
		} else if (s.found.ours) {
			any = true;
			status = show(&s, json);
		}
	}
	if_freenameindex(interface);
	fs_note_remove_stale();
	if (status == FS_EXIT_OK && !any) {
		fs_cli_error("steer: no interface of this network namespace is steered: attach one with fastsock steer attach");
		status = FS_EXIT_FAILED;
	}
	return status;
}

int fs_steer_do_status(const struct fs_steer_request *request)
{
	struct fs_json json = {0}, *out = request->json ? &json : NULL;
	int status;

	/* JSON is complete even when there is nothing to show, so that whoever reads it need not know why. */
	if (out) {
		fs_json_open(out, NULL, '{');
		fs_json_string(out, "version", FS_VERSION_TEXT);
		fs_json_open(out, "interfaces", '[');
	}
	status = request->interface ? show_one(request->interface, out) : show_all(out);
	if (out) {
		fs_json_close(out, ']');
		fs_json_close(out, '}');
	}
	return fs_cli_finish(status);
}
