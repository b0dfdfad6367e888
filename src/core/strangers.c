#define _GNU_SOURCE
#include "strangers.h"

#include <string.h>
#include <sys/socket.h>

#include "netdiag.h"

struct search {
	const struct fs_group_rec *rec;
	unsigned members;
	unsigned listening; /* of the members */
	bool found;         /* one that is no member */
};

static bool search_one(const struct fs_netdiag_listener *l, void *arg)
{
	struct search *s = arg;

	if (l->family != s->rec->family || l->port != s->rec->port ||
	    memcmp(l->address, s->rec->address, sizeof(l->address)) != 0)
		return true;
	if (l->family == AF_INET6 && l->v6only != !!s->rec->v6only)
		return true;
	for (unsigned i = 0; i < s->members; i++)
		if (atomic_load_explicit(&s->rec->member[i].cookie, memory_order_relaxed) == l->cookie) {
			s->listening++;
			return true;
		}
	s->found = true;
	return true;
}

int fs_strangers(const struct fs_group_rec *rec, unsigned members)
{
	struct search s = { .rec = rec, .members = members };
	int rc = fs_netdiag_listeners((uint16_t)rec->port, search_one, &s);

	return rc < 0 ? rc : s.found;
}

int fs_listeners_missing(const struct fs_group_rec *rec, unsigned members)
{
	struct search s = { .rec = rec, .members = members };

	if (fs_netdiag_listeners((uint16_t)rec->port, search_one, &s) < 0 || s.listening >= members)
		return 0;
	return (int)(members - s.listening);
}
