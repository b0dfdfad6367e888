/*
 * The machine's CPUs, last-level caches and NUMA nodes, from sysfs
 * (Documentation/ABI/testing/sysfs-devices-system-cpu). An offline CPU has no
 * cache and no node there: it keeps FS_TOPOLOGY_UNKNOWN, so that it is near
 * nothing that is known, and near everything where nothing is.
 */
#include "topology.h"

#include <string.h>

#include "sys/sys.h"

/* A CPU list is a line of a few ranges; one that fills this is not used, because its end may be missing. */
#define LIST_MAX 4096
#define PATH_LEN 256
/* cacheinfo numbers the leaves of a CPU densely; x86 has 4 of them, POWER and s390 up to 8. */
#define CACHE_LEAVES_MAX 16

/* A path under construction. `ok` goes false, and stays, when it does not fit. */
struct path {
	char text[PATH_LEN];
	size_t len;
	bool ok;
};

static void path_add(struct path *p, const char *part)
{
	size_t n = strlen(part);

	if (!p->ok || n >= sizeof(p->text) - p->len) {
		p->ok = false;
		return;
	}
	memcpy(p->text + p->len, part, n + 1);
	p->len += n;
}

static void path_add_number(struct path *p, unsigned n)
{
	char digits[11];
	char *at = digits + sizeof(digits) - 1;

	*at = '\0';
	do {
		*--at = (char)('0' + n % 10);
		n /= 10;
	} while (n);
	path_add(p, at);
}

static void path_start(struct path *p, const char *root, const char *below)
{
	p->len = 0;
	p->ok = true;
	path_add(p, root);
	path_add(p, below);
}

static bool read_list(const struct path *p, struct fs_cpus *out)
{
	char text[LIST_MAX];
	long n = p->ok ? fs_sys_read_file(p->text, text, sizeof(text)) : -1;

	return n > 0 && n < LIST_MAX - 1 && fs_cpus_parse(text, out) == 0;
}

/* A number below 256, 0 when there is none: cache levels start at 1. */
static unsigned read_level(const struct path *p)
{
	char text[16];
	unsigned n = 0;

	if (!p->ok || fs_sys_read_file(p->text, text, sizeof(text)) <= 0)
		return 0;
	for (const char *at = text; *at >= '0' && *at <= '9' && n < 256; at++)
		n = n * 10 + (unsigned)(*at - '0');
	return n < 256 ? n : 0;
}

/* The CPUs behind the same last-level cache as `cpu`. */
static bool read_cache(const char *root, unsigned cpu, struct fs_cpus *shared)
{
	unsigned best_level = 0, best_leaf = 0;
	struct path p;
	size_t leaf_at, at;

	path_start(&p, root, "/cpu/cpu");
	path_add_number(&p, cpu);
	path_add(&p, "/cache/index");
	leaf_at = p.len;
	for (unsigned leaf = 0; leaf < CACHE_LEAVES_MAX && p.ok; leaf++) {
		unsigned level;

		p.len = leaf_at;
		path_add_number(&p, leaf);
		path_add(&p, "/level");
		level = read_level(&p);
		if (!level)
			break;
		if (level > best_level) {
			best_level = level;
			best_leaf = leaf;
		}
	}
	if (!best_level)
		return false;
	at = p.len = leaf_at;
	path_add_number(&p, best_leaf);
	path_add(&p, "/shared_cpu_list");
	return p.len > at && read_list(&p, shared) && fs_cpus_has(shared, cpu);
}

static void read_caches(struct fs_topology *topo, const char *root, const struct fs_cpus *possible)
{
	for (unsigned cpu = fs_cpus_next(possible, 0); cpu < FS_CPUS_MAX; cpu = fs_cpus_next(possible, cpu + 1)) {
		struct fs_cpus shared;
		unsigned id;

		/*
		 * One answer serves all the CPUs that it names: 256 CPUs behind 32 caches cost 32
		 * times five files.
		 */
		if (topo->cache[cpu] != FS_TOPOLOGY_UNKNOWN || !read_cache(root, cpu, &shared))
			continue;
		id = fs_cpus_next(&shared, 0);
		for (unsigned c = id; c < FS_CPUS_MAX; c = fs_cpus_next(&shared, c + 1))
			topo->cache[c] = (uint16_t)id;
	}
}

static void read_nodes(struct fs_topology *topo, const char *root)
{
	struct fs_cpus nodes, members; /* node numbers come in the same list format */
	struct path p;
	size_t node_at;

	path_start(&p, root, "/node/online");
	if (!read_list(&p, &nodes))
		return;
	path_start(&p, root, "/node/node");
	node_at = p.len;
	for (unsigned node = fs_cpus_next(&nodes, 0); node < FS_CPUS_MAX; node = fs_cpus_next(&nodes, node + 1)) {
		p.len = node_at;
		path_add_number(&p, node);
		path_add(&p, "/cpulist");
		if (!read_list(&p, &members)) /* a node of memory alone has an empty list */
			continue;
		for (unsigned c = fs_cpus_next(&members, 0); c < FS_CPUS_MAX; c = fs_cpus_next(&members, c + 1))
			topo->node[c] = (uint16_t)node;
	}
}

void fs_topology_read_from(struct fs_topology *topo, const struct fs_cpus *known, const char *root)
{
	struct fs_cpus possible;
	struct path p;

	memset(topo, 0, sizeof(*topo));
	for (unsigned cpu = 0; cpu < FS_CPUS_MAX; cpu++)
		topo->cache[cpu] = topo->node[cpu] = FS_TOPOLOGY_UNKNOWN;

	path_start(&p, root, "/cpu/possible");
	if (!read_list(&p, &possible))
		memset(&possible, 0, sizeof(possible));
	/* What the caller may run on exists, whatever a container's /sys says. */
	for (unsigned i = 0; i < FS_COUNT(possible.bits); i++)
		possible.bits[i] |= known->bits[i];
	for (unsigned cpu = fs_cpus_next(&possible, 0); cpu < FS_CPUS_MAX; cpu = fs_cpus_next(&possible, cpu + 1)) {
		topo->possible[cpu] = 1;
		topo->ncpus = cpu + 1;
	}
	read_caches(topo, root, &possible);
	read_nodes(topo, root);
}

void fs_topology_read(struct fs_topology *topo, const struct fs_cpus *known)
{
	fs_topology_read_from(topo, known, "/sys/devices/system");
}
