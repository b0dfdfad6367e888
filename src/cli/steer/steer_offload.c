/*
 * What a packet loses when it is sent to another CPU before the kernel has a socket buffer for it: all that the
 * card, or the other end of a veth, keeps beside the packet's bytes. The program cannot see that, so who
 * attaches it is told.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/cli.h"
#include "core/route.h"
#include "steer.h"

static bool ask_driver(const char *interface, void *question)
{
	struct ifreq request = {.ifr_data = question};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool ok;

	if (fd < 0)
		return false;
	snprintf(request.ifr_name, sizeof(request.ifr_name), "%s", interface);
	ok = ioctl(fd, SIOCETHTOOL, &request) == 0;
	close(fd);
	return ok;
}

void fs_steer_driver(const char *interface, char driver[FS_STEER_DRIVER_LEN])
{
	struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};

	*driver = '\0';
	if (ask_driver(interface, &info))
		snprintf(driver, FS_STEER_DRIVER_LEN, "%.*s", (int)sizeof(info.driver), info.driver);
}

static bool takes_tags_off(const char *interface)
{
	struct ethtool_value flags = {.cmd = ETHTOOL_GFLAGS};

	return ask_driver(interface, &flags) && flags.data & ETH_FLAG_RXVLAN;
}

static bool has_vlans(unsigned ifindex)
{
	struct if_nameindex *interface = if_nameindex();
	struct fs_link link;
	bool any = false;

	for (size_t i = 0; interface && interface[i].if_index && !any; i++)
		any = fs_link_get(interface[i].if_index, &link) == 0 && link.lower == ifindex;
	if (interface)
		if_freenameindex(interface);
	return any;
}

void fs_steer_note_offloads(const char *interface, unsigned ifindex)
{
	char driver[FS_STEER_DRIVER_LEN];
	bool vlans = has_vlans(ifindex);

	fs_steer_driver(interface, driver);
	/* The other end of a veth leaves checksums and tags to a card that is not there. */
	if (!strcmp(driver, "veth"))
		fs_cli_error("steer: note: %s is a veth: packets that are sent to another CPU are dropped as corrupt%s"
			     " unless the other end does the work of a card itself: ethtool -K PEER tx off%s", interface,
			     vlans ? ", or lose their VLAN," : "", vlans ? " txvlan off" : "");
	else if (vlans && takes_tags_off(interface))
		fs_cli_error("steer: note: %s has VLANs: packets that are sent to another CPU lose theirs, because the card takes it"
			     " off: ethtool -K %s rxvlan off", interface, interface);
}
