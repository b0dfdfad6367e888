/* See view.h. The check happens once, on the copy, so that the writer cannot change what was checked. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "counters.h"
#include "view.h"

/* No worker, or no member, follows. */
#define END UINT16_MAX

/*
 * Who belongs to a core, so that asking for all cores of all groups does not look at
 * all workers and members each time.
 */
struct fs_view_index {
	uint16_t worker[FS_CORES_MAX]; /* the core's first living worker */
	uint16_t next_worker[FS_WORKERS_MAX];
	uint64_t open[FS_CORES_MAX];
	struct {
		uint16_t member[FS_CORES_MAX]; /* adopted groups: the first one that the core's worker serves */
		uint16_t next_member[FS_MEMBERS_MAX];
	} group[FS_GROUPS_MAX];
};

static const char *const state_name[] = {
	[FS_GROUP_PASSIVE] = "passive",
	[FS_GROUP_ACTIVE] = "active",
	[FS_GROUP_ABANDONED] = "abandoned",
};

static const char *const mode_name[] = {
	[FS_GROUP_OWN] = "own",
	[FS_GROUP_ADOPTED] = "adopted",
};

static bool core_is_good(const struct fs_view *view, unsigned core)
{
	return core < view->ncores || core == FS_NO_CORE;
}

static const char *check_group(const struct fs_view *view, const struct fs_group_rec *g)
{
	if (g->state == FS_GROUP_FREE)
		return NULL;
	if (g->state >= FS_COUNT(state_name))
		return "a group is in no known state";
	if (g->mode >= FS_COUNT(mode_name))
		return "a group is of no known mode";
	if (g->why >= FS_ABANDONS)
		return "a group is abandoned for no known reason";
	if (g->nmembers > FS_MEMBERS_MAX)
		return "a group has too many members";
	if ((g->family != AF_INET && g->family != AF_INET6) || g->port > UINT16_MAX)
		return "a group has no valid address";
	for (unsigned i = 0; i < g->nmembers; i++) {
		if (!core_is_good(view, g->member[i].core))
			return "a listener belongs to a core that does not exist";
	}
	return NULL;
}

static const char *check(const struct fs_view *view)
{
	bool seen[FS_CPUS_MAX] = {false};

	for (unsigned i = 0; i < view->ncores; i++) {
		unsigned cpu = view->head->cpu[i];

		if (cpu >= FS_CPUS_MAX)
			return "a core has an impossible CPU number";
		if (seen[cpu])
			return "two cores have the same CPU number";
		seen[cpu] = true;
	}
	for (unsigned i = 0; i < FS_WORKERS_MAX; i++) {
		if (view->worker[i].state == FS_WORKER_LIVE && !core_is_good(view, view->worker[i].core))
			return "a worker owns a core that does not exist";
	}
	for (unsigned i = 0; i < FS_GROUPS_MAX; i++) {
		const char *why = check_group(view, &view->group[i]);

		if (why)
			return why;
	}
	return NULL;
}

/* All `len` bytes of the region from its start, or false: it may shrink while it is read. */
static bool read_all(int fd, unsigned char *to, uint64_t len)
{
	for (uint64_t done = 0; done < len;) {
		ssize_t n = pread(fd, to + done, len - done, (off_t)done);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		done += (uint64_t)n;
	}
	return true;
}

static const char *copy(struct fs_view *view, int fd)
{
	struct fs_region_head head;
	struct stat st;
	const char *why;

	if (fstat(fd, &st) < 0)
		return strerror(errno);
	if (!read_all(fd, (unsigned char *)&head, sizeof(head)))
		return "it is cut short";
	why = fs_region_check(&head, (uint64_t)st.st_size);
	if (why)
		return why;
	view->ncores = head.ncores;
	if (!view->ncores || view->ncores > FS_CORES_MAX)
		return "its number of cores is impossible";

	/* Its records are aligned to cachelines, and so are they to be read. */
	view->region = aligned_alloc(FS_CACHELINE, fs_region_size(view->ncores));
	if (!view->region)
		return "there is no memory to copy it to";
	if (!read_all(fd, view->region, fs_region_size(view->ncores)))
		return "it is cut short";
	/*
	 * The second reading of the head may differ from what was checked; nothing of it
	 * but the CPU numbers is used.
	 */
	view->head = (const void *)view->region;
	view->worker = (const void *)(view->region + fs_region_workers_at());
	view->group = (const void *)(view->region + fs_region_groups_at());
	return check(view);
}

/*
 * A worker is alive with its process, which normally holds the region; one that
 * closed all its descriptors does not.
 */
static int living_pid(const struct fs_view *view, const struct fs_worker_rec *worker)
{
	const struct fs_tree_process *process = fs_tree_process(view->tree, worker->pid);
	unsigned pid = worker->pid;

	if (process)
		return process->pid;
	if (!pid || pid > INT32_MAX)
		return 0;
	for (size_t i = 0; i < view->tree->nprocesses; i++) {
		/* The number is of another PID namespace and means nothing here. */
		if (view->tree->process[i].own_pid != view->tree->process[i].pid)
			return 0;
	}
	return kill((pid_t)pid, 0) == 0 || errno == EPERM ? (int)pid : 0;
}

/* From the last to the first, so that each list is in the order of the slots. */
static void index_workers(struct fs_view *view, struct fs_view_index *index)
{
	memset(index->worker, 0xff, sizeof(index->worker));
	for (unsigned i = FS_WORKERS_MAX; i-- > 0;) {
		uint32_t core = view->worker[i].core, open = view->worker[i].open;

		if (!view->pid[i] || core >= view->ncores)
			continue;
		index->next_worker[i] = index->worker[core];
		index->worker[core] = (uint16_t)i;
		/* Below 0 for a moment, when one thread accepts and another one closes. */
		if (open < UINT32_MAX / 2)
			index->open[core] += open;
	}
}

static void index_members(const struct fs_view *view, struct fs_view_index *index, unsigned group)
{
	const struct fs_group_rec *g = &view->group[group];

	memset(index->group[group].member, 0xff, sizeof(index->group[group].member));
	for (unsigned i = g->nmembers; i-- > 0;) {
		uint32_t core = g->member[i].core;

		if (core >= view->ncores)
			continue;
		index->group[group].next_member[i] = index->group[group].member[core];
		index->group[group].member[core] = (uint16_t)i;
	}
}

static void make_index(struct fs_view *view)
{
	view->index = fs_cli_grow(NULL, 1, sizeof(*view->index));
	memset(view->index->open, 0, sizeof(view->index->open));
	index_workers(view, view->index);
	for (unsigned i = 0; i < FS_GROUPS_MAX; i++) {
		if (view->group[i].state != FS_GROUP_FREE && view->group[i].mode == FS_GROUP_ADOPTED)
			index_members(view, view->index, i);
	}
}

int fs_view_read(struct fs_view *view, const struct fs_tree *tree, const struct fs_queues *queues, const char **why)
{
	int fd = fs_tree_open(tree);
	struct timespec now;

	*view = (struct fs_view){.tree = tree, .queues = queues};
	if (fd < 0) {
		*why = strerror(-fd);
		return -1;
	}
	*why = copy(view, fd);
	close(fd);
	if (*why) {
		fs_view_free(view);
		return -1;
	}
	clock_gettime(CLOCK_MONOTONIC, &now);
	view->time_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
	for (unsigned i = 0; i < FS_WORKERS_MAX; i++) {
		if (view->worker[i].state == FS_WORKER_LIVE)
			view->pid[i] = living_pid(view, &view->worker[i]);
	}
	make_index(view);
	if (!fs_tree_same_network(tree))
		view->queues = NULL;
	return 0;
}

void fs_view_free(struct fs_view *view)
{
	free(view->region);
	free(view->index);
	view->region = NULL;
	view->index = NULL;
}

int fs_view_tree_pid(const struct fs_view *view)
{
	const struct fs_tree_process *creator = fs_tree_process(view->tree, view->head->creator);

	return creator ? creator->pid : view->tree->process[0].pid;
}

bool fs_view_active(const struct fs_view *view)
{
	for (unsigned i = 0; i < FS_GROUPS_MAX; i++) {
		if (view->group[i].state == FS_GROUP_ACTIVE)
			return true;
	}
	return false;
}

bool fs_view_has_group(const struct fs_view *view, unsigned group)
{
	return view->group[group].state != FS_GROUP_FREE;
}

const struct fs_core_rec *fs_view_core(const struct fs_view *view, unsigned group, unsigned core)
{
	return (const void *)(view->region + fs_region_core_at(view->ncores, group, core));
}

const struct fs_core_load *fs_view_load(const struct fs_view *view, unsigned core)
{
	return (const struct fs_core_load *)(view->region + fs_region_loads_at()) + core;
}

const struct fs_core_active *fs_view_connect(const struct fs_view *view, unsigned core)
{
	return (const struct fs_core_active *)(view->region + fs_region_actives_at()) + core;
}

uint64_t fs_view_open(const struct fs_view *view, unsigned core)
{
	return view->index->open[core];
}

const char *fs_view_help(const struct fs_core_rec *rec)
{
	return fs_help_name(rec->help);
}

static bool has_bit(const _Atomic uint64_t *bits, unsigned group)
{
	return bits[group / 64] >> (group % 64) & 1;
}

unsigned fs_view_workers(const struct fs_view *view, unsigned group)
{
	unsigned n = 0;

	for (unsigned i = 0; i < FS_WORKERS_MAX; i++)
		n += view->pid[i] && has_bit(view->worker[i].announced, group);
	return n;
}

unsigned fs_view_owners(const struct fs_view *view, unsigned group, unsigned core, int pids[FS_WORKERS_MAX])
{
	unsigned n = 0;

	for (unsigned i = view->index->worker[core]; i != END; i = view->index->next_worker[i]) {
		unsigned known = 0;

		if (!has_bit(view->worker[i].serving, group))
			continue;
		while (known < n && pids[known] != view->pid[i])
			known++;
		if (known == n)
			pids[n++] = view->pid[i];
	}
	return n;
}

/* The sum, where -1 means that nothing is known so far. */
static int64_t add_queue(const struct fs_view *view, int64_t sum, const struct fs_member_rec *member)
{
	int64_t length = fs_queues_length(view->queues, member->cookie);

	if (length < 0)
		return sum;
	return sum < 0 ? length : sum + length;
}

int64_t fs_view_queue(const struct fs_view *view, unsigned group, unsigned core)
{
	const struct fs_group_rec *g = &view->group[group];
	int64_t sum = -1;

	if (!view->queues)
		return -1;
	if (g->mode == FS_GROUP_OWN) {
		/* Ours listens once the core's record points to it, and the kernel does not know it before. */
		unsigned own = fs_view_core(view, group, core)->member;

		return own && own < g->nmembers && g->member[own].core == core ? add_queue(view, sum, &g->member[own]) : -1;
	}
	for (unsigned i = view->index->group[group].member[core]; i != END; i = view->index->group[group].next_member[i])
		sum = add_queue(view, sum, &g->member[i]);
	return sum;
}

int64_t fs_view_global_queue(const struct fs_view *view, unsigned group)
{
	const struct fs_group_rec *g = &view->group[group];
	int64_t sum = -1;

	if (!view->queues)
		return -1;
	for (unsigned i = 0; i < g->nmembers; i++) {
		if (g->member[i].core == FS_NO_CORE)
			sum = add_queue(view, sum, &g->member[i]);
	}
	return sum;
}

void fs_view_address(const struct fs_view *view, unsigned group, char *text, size_t len)
{
	const struct fs_group_rec *g = &view->group[group];
	char address[INET6_ADDRSTRLEN];

	inet_ntop((int)g->family, g->address, address, sizeof(address));
	if (g->family == AF_INET)
		snprintf(text, len, "%s:%u", address, g->port);
	else if (g->scope)
		snprintf(text, len, "[%s%%%u]:%u", address, g->scope, g->port);
	else
		snprintf(text, len, "[%s]:%u", address, g->port);
}

const char *fs_view_state(const struct fs_view *view, unsigned group)
{
	return state_name[view->group[group].state];
}

const char *fs_view_mode(const struct fs_view *view, unsigned group)
{
	return mode_name[view->group[group].mode];
}

const char *fs_view_reason(const struct fs_view *view, unsigned group, const char **text, int *err)
{
	static const struct {
		const char *word;
		const char *text;
	} abandoned[] = {
		[FS_ABANDON_NONE] = {"unknown", "it was abandoned, for what reason is not recorded"},
#define FS_ABANDON(name, word, sentence, mend) [FS_ABANDON_##name] = {word, sentence},
#define FS_PLAIN(name, sentence, mend)
#include "core/reasons.def"
#undef FS_ABANDON
#undef FS_PLAIN
	};
	const struct fs_group_rec *g = &view->group[group];

	*err = 0;
	*text = "";
	if (g->state == FS_GROUP_ACTIVE)
		return NULL;
	if (g->state == FS_GROUP_ABANDONED) {
		*err = g->why_errno <= INT32_MAX ? (int)g->why_errno : 0;
		*text = abandoned[g->why].text;
		return abandoned[g->why].word;
	}
	if (g->stopped) {
		*text = "the application stopped listening on it";
		return "shutdown";
	}
	switch (fs_view_workers(view, group)) {
	case 0:
		*text = "no worker has waited for its connections yet";
		return "no worker";
	case 1:
		*text = "it has one worker, and a single acceptor is left alone";
		return "one worker";
	default:
		*text = "none of its workers has a CPU of its own yet";
		return "no core";
	}
}
