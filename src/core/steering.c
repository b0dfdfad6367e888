#define _GNU_SOURCE
#include "steering.h"

#include <errno.h>
#include <sys/socket.h>

#include "log.h"
#include "steer.h"
#include "sys/sys.h"
#include "worker_rec.h"

/* The kernel's own limit for one program (BPF_MAXINSNS). */
#define PROGRAM_MAX 4096

/*
 * Large, rarely used, guarded by the process lock: pages that a process without an
 * active group never touches.
 */
static struct fs_topology topology;
static struct fs_steer_table table;
static struct sock_filter program[PROGRAM_MAX];
static struct fs_steer_target targets[FS_WORKERS_MAX];
static bool topology_known;

/* Any socket of the group that this process holds; the program belongs to the group, not to the socket. */
static int any_socket(unsigned group)
{
	if (fs_groups[group].global)
		return fs_groups[group].global;
	for (unsigned i = 0; i < FS_TAG_INDEX_MAX; i++)
		if (fs_listeners[i].refs && fs_listeners[i].group == group && fs_listeners[i].fd >= 0)
			return fs_listeners[i].fd;
	return -1;
}

static int attach(unsigned group, const struct sock_filter *prog, unsigned len)
{
	struct sock_fprog f = { .len = (unsigned short)len, .filter = (struct sock_filter *)prog };

	return fs_sys_setsockopt(any_socket(group), SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &f, sizeof(f));
}

static struct fs_steer_target target(unsigned core, uint32_t member)
{
	uint32_t away = atomic_load_explicit(&fs_core_load(core)->away, memory_order_relaxed);
	uint32_t gain = atomic_load_explicit(&fs_core_load(core)->gain, memory_order_relaxed);

	return (struct fs_steer_target){
		.cpu = fs_proc.cpu[core],
		.listener = (uint16_t)member,
		.away = (uint16_t)(away > FS_FLOW_GROUPS ? FS_FLOW_GROUPS : away),
		.gain = (uint16_t)(gain > FS_FLOW_GROUPS ? FS_FLOW_GROUPS : gain),
	};
}

static unsigned collect_adopted(unsigned group)
{
	unsigned n = 0;

	for (unsigned m = 0; m < fs_group_members(group); m++) {
		struct fs_member_rec *rec = &fs_group_rec(group)->member[m];
		uint32_t core = atomic_load_explicit(&rec->core, memory_order_relaxed);

		if (atomic_load_explicit(&rec->worker, memory_order_relaxed) && core < fs_proc.ncores)
			targets[n++] = (struct fs_steer_target){ .cpu = fs_proc.cpu[core], .listener = (uint16_t)m };
	}
	return n;
}

/* `stuck`: with the cores that steering passes by. */
static unsigned collect_own(unsigned group, bool stuck)
{
	uint32_t members = fs_group_members(group);
	unsigned n = 0;

	for (unsigned c = 0; c < fs_proc.ncores; c++) {
		struct fs_core_rec *rec = fs_core_rec(group, c);
		uint32_t m = atomic_load_explicit(&rec->member, memory_order_relaxed);

		if (m && m < members && fs_workers_serving(group, c)) {
			if (stuck || !atomic_load_explicit(&rec->out, memory_order_relaxed))
				targets[n++] = target(c, m);
			/* Another worker of the core, still in its first wait: a share of it all, until that wakes it. */
			if (fs_worker_plain(group, c))
				targets[n++] = (struct fs_steer_target){ .cpu = fs_proc.cpu[c] };
		} else if (fs_worker_announced(group, c)) {
			/*
			 * A worker that does not serve its local listener yet sits on the global one: its
			 * CPU's connections go there.
			 */
			targets[n++] = target(c, 0);
		}
	}
	return n;
}

/*
 * Who takes connections on which CPU. `homeless` tells whether some worker waits
 * without a core, on the global listener.
 */
static unsigned collect(unsigned group, bool *homeless)
{
	unsigned n;

	*homeless = false;
	if (!fs_group_own(group))
		return collect_adopted(group);
	*homeless = fs_worker_announced(group, FS_NO_CORE);
	n = collect_own(group, false);
	/* When all are stuck, it is as good to wait for one as for another. */
	return n ? n : collect_own(group, true);
}

int fs_steering_apply(unsigned group)
{
	bool homeless;
	unsigned n = collect(group, &homeless);
	/* For CPUs that no worker is near: the global listener, as long as somebody waits on it alone. */
	uint16_t otherwise = homeless || n == 0 ? 0 : targets[0].listener;
	struct fs_cpus known = { 0 };
	int rc;

	if (n == 0 && !fs_group_own(group)) {
		fs_steering_detach(group);
		return 0;
	}
	if (!topology_known) {
		for (unsigned c = 0; c < fs_proc.ncores; c++)
			fs_cpus_add(&known, fs_proc.cpu[c]);
		fs_topology_read(&topology, &known);
		topology_known = true;
	}
	if (fs_proc.options.steer == FS_STEER_HASH)
		rc = fs_steer_plan_hash(&table, targets, n, 0);
	else
		rc = fs_steer_plan(&table, &topology, targets, n, otherwise, homeless);
	if (rc == 0)
		rc = fs_steer_compile(&table, program, PROGRAM_MAX);
	if (rc > 0)
		rc = attach(group, program, (unsigned)rc);
	fs_log(FS_LOG_DEBUG, "group %u: steered to %u listeners, program %s", group, n, rc < 0 ? fs_errtext(-rc) : "attached");
	return rc;
}

void fs_steering_detach(unsigned group)
{
	/* An index beyond every group: the kernel falls back to its hash. */
	static const struct sock_filter miss = BPF_STMT(BPF_RET | BPF_K, 0xffff);
	int none = 0;

	if (fs_sys_setsockopt(any_socket(group), SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, &none, sizeof(none)) == -ENOPROTOOPT)
		attach(group, &miss, 1);
}

/*
 * In an own group: all connections to the sockets that are the application's own,
 * by flow as the kernel would.
 */
static int only_theirs(unsigned group)
{
	uint32_t members = fs_group_members(group);
	unsigned n = 0;
	int rc;

	for (unsigned m = 0; m < members; m++)
		if (atomic_load_explicit(&fs_group_rec(group)->member[m].core, memory_order_relaxed) == FS_NO_CORE)
			targets[n++] = (struct fs_steer_target){ .listener = (uint16_t)m };
	rc = fs_steer_plan_hash(&table, targets, n, 0);
	if (rc == 0)
		rc = fs_steer_compile(&table, program, PROGRAM_MAX);
	return rc < 0 ? rc : attach(group, program, (unsigned)rc);
}

void fs_steering_abandon(unsigned group, enum fs_abandon why, int err)
{
	struct fs_group_rec *rec = fs_group_rec(group);
	int rc;

	if (fs_group_state(group) == FS_GROUP_ABANDONED)
		return;
	atomic_store_explicit(&rec->why, why, memory_order_relaxed);
	atomic_store_explicit(&rec->why_errno, (uint32_t)err, memory_order_relaxed);
	atomic_store_explicit(&rec->state, FS_GROUP_ABANDONED, memory_order_relaxed);
	/*
	 * Local listeners stay in the kernel's group, so its hash must not reach them:
	 * later workers do not watch them.
	 */
	if (!fs_group_own(group) || fs_group_members(group) == 1) {
		fs_steering_detach(group);
	} else {
		rc = only_theirs(group);
		if (rc < 0)
			fs_log(FS_LOG_ERROR, "connections to port %u may wait in vain: the kernel goes on handing them to local"
					     " listeners that are given up (%s); restart the program with FASTSOCK=off", rec->port,
			       fs_errtext(-rc));
	}
	fs_epoch_advance();
	fs_reason_abandoned(rec->port, why, err);
}
