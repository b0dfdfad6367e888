#include "ports.h"

#include <errno.h>
#include <string.h>

#include "sys/sys.h"

/*
 * Of the list of reserved ports: hundreds of ranges. What it holds beyond that, the kernel refuses itself,
 * but for a bind() (before 6.3), which may then take a reserved port.
 */
#define RESERVED_TEXT 4096

/* A number of 0 .. 65535 at *at, which moves behind it. */
static bool number(const char **at, unsigned *out)
{
	const char *start = *at;
	unsigned value = 0;

	for (; **at >= '0' && **at <= '9' && value <= 65535; ++*at)
		value = value * 10 + (unsigned)(**at - '0');
	*out = value;
	return *at > start && value <= 65535;
}

int fs_ports_parse_range(struct fs_ports *p, const char *text)
{
	unsigned low, high;

	if (!number(&text, &low))
		return -EINVAL;
	text += strspn(text, " \t");
	if (!number(&text, &high) || text[strspn(text, " \t\n")] || low < 1 || high < low)
		return -EINVAL;
	p->low = low;
	p->high = high;
	return 0;
}

/* One "N" or "N-M" at *at. */
static bool reserve(struct fs_ports *p, const char **at)
{
	unsigned first, last;

	if (!number(at, &first))
		return false;
	last = first;
	if (**at == '-') {
		++*at;
		if (!number(at, &last) || last < first)
			return false;
	}
	for (unsigned port = first; port <= last; port++)
		p->reserved[port / 64] |= UINT64_C(1) << (port % 64);
	return true;
}

int fs_ports_parse_reserved(struct fs_ports *p, const char *text)
{
	memset(p->reserved, 0, sizeof(p->reserved));
	text += strspn(text, " \t\n");
	while (*text) {
		if (!reserve(p, &text)) {
			memset(p->reserved, 0, sizeof(p->reserved));
			return -EINVAL;
		}
		text += *text == ',';
		text += strspn(text, " \t\n");
	}
	return 0;
}

/* One read, because the kernel gives no second piece; a list that does not fit is taken as far as it goes. */
static int read_reserved(struct fs_ports *p)
{
	static char text[RESERVED_TEXT]; /* not on the stack, which may be a small one */
	long n = fs_sys_read_file("/proc/sys/net/ipv4/ip_local_reserved_ports", text, sizeof(text));
	char *comma;

	memset(p->reserved, 0, sizeof(p->reserved));
	if (n < 0)
		return n == -ENOENT ? 0 : (int)n;
	comma = n == RESERVED_TEXT - 1 ? strrchr(text, ',') : NULL;
	if (comma)
		*comma = 0;
	return fs_ports_parse_reserved(p, text);
}

int fs_ports_read(struct fs_ports *p)
{
	char text[64];
	long n = fs_sys_read_file("/proc/sys/net/ipv4/ip_local_port_range", text, sizeof(text));
	int rc = n < 0 ? (int)n : fs_ports_parse_range(p, text);

	return rc < 0 ? rc : read_reserved(p);
}
