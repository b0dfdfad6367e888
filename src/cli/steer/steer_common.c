/* What attach, detach and status of fastsock steer have in common. */
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

unsigned fs_steer_interface(const char *action, const char *name)
{
	unsigned ifindex = if_nametoindex(name);

	if (!ifindex)
		fs_cli_error("steer: cannot %s: there is no interface %s in this network namespace; `ip link` lists them", action, name);
	return ifindex;
}

const char *fs_steer_mode_name(const struct fs_steer_found *found)
{
	static const char *const name[] = {"none", "native", "generic", "offloaded"};

	return name[found->mode];
}

const char *fs_steer_reason(int err, const struct fs_steer_why *why)
{
	static char text[sizeof(why->text) + 128];

	snprintf(text, sizeof(text), "%s%s%s%s", strerror(-err), *why->text ? " (" : "", why->text, *why->text ? ")" : "");
	return text;
}

bool fs_steer_denied(const char *action, const char *capabilities, int err)
{
	if (err != -EPERM && err != -EACCES)
		return false;
	if (geteuid() != 0)
		fs_cli_error("steer %s: needs root (%s): run this as root", action, capabilities);
	else
		fs_cli_error("steer %s: needs %s, which this root lacks: run this outside the container, or let that have them",
			     action, capabilities);
	return true;
}

bool fs_steer_look(const char *action, const char *name, unsigned ifindex, struct fs_steer_found *found)
{
	struct fs_steer_why why;
	int err = fs_steer_find(ifindex, found, &why);

	if (err && !fs_steer_denied(action, "CAP_SYS_ADMIN to look at XDP programs", err))
		fs_cli_error("steer %s: cannot look at %s: %s", action, name, fs_steer_reason(err, &why));
	return !err;
}

int fs_steer_read_range(struct port_steer_range *ports)
{
	struct fs_ports read;
	int err = fs_ports_read(&read);

	if (!err)
		*ports = (struct port_steer_range){.low = (uint16_t)read.low, .high = (uint16_t)read.high};
	return err;
}

void fs_steer_format_cpus(const uint16_t *cpu, uint32_t ncpus, char *text, size_t len)
{
	size_t used = 0;

	*text = '\0';
	for (uint32_t i = 0, next; i < ncpus && used < len; i = next) {
		for (next = i + 1; next < ncpus && cpu[next] == cpu[next - 1] + 1; next++)
			;
		used += (size_t)snprintf(text + used, len - used, "%s%u", i ? "," : "", cpu[i]);
		if (next > i + 1 && used < len)
			used += (size_t)snprintf(text + used, len - used, "-%u", cpu[next - 1]);
	}
}
