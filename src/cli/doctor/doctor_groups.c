/*
 * What the region of a process tree tells about its listener groups: active or not and why, and how
 * evenly and locally they are served.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "doctor.h"
#include "cli/tree/view.h"

/* Below these numbers a share says nothing. */
#define SAMPLES_LEAST 32
#define CONNECTIONS_LEAST 1000
/* Shares in percent: below them, or above them, something is worth a look. */
#define LOCAL_LEAST 80
#define STOLEN_MOST 20
/* A core's share of the connections against the mean, in percent: with two cores, 87.5 of 100 on one of them. */
#define SKEW_MOST 175
#define QUEUE_FULL 75

static const char *const mends[FS_ABANDONS] = {
#define FS_ABANDON(name, word, sentence, mend) [FS_ABANDON_##name] = mend,
#define FS_PLAIN(name, sentence, mend)
#include "core/reasons.def"
#undef FS_ABANDON
#undef FS_PLAIN
};

/* The group in hand, and who speaks of it. */
struct patient {
	struct fs_findings *f;
	const struct fs_view *view;
	unsigned group;
	char address[80];
};

static void found_subject(const struct patient *p)
{
	fs_found_subject(p->f, p->address);
}

static void check_state(const struct patient *p)
{
	unsigned workers = fs_view_workers(p->view, p->group);
	const char *text, *reason;
	int err;

	reason = fs_view_reason(p->view, p->group, &text, &err);
	if (!reason) {
		fs_found(p->f, "group", FS_LEVEL_OK, "active (%s), %u workers on %u CPUs", fs_view_mode(p->view, p->group), workers,
			 p->view->ncores);
		found_subject(p);
		return;
	}
	fs_found(p->f, "group", p->view->group[p->group].state == FS_GROUP_ABANDONED ? FS_LEVEL_PROBLEM : FS_LEVEL_ADVICE,
		 "%s: it works as without libfastsock", fs_view_state(p->view, p->group));
	found_subject(p);
	fs_found_why(p->f, "%s%s%s%s", text, err ? " (" : "", err ? strerror(err) : "", err ? ")" : "");
	if (p->view->group[p->group].state == FS_GROUP_ABANDONED)
		fs_found_mend(p->f, "%s", mends[p->view->group[p->group].why] ? mends[p->view->group[p->group].why] :
			      "restart the server");
	else if (!strcmp(reason, "one worker"))
		fs_found_mend(p->f, "configure %u workers (nginx: worker_processes auto)", p->view->ncores);
	else if (!strcmp(reason, "no core"))
		fs_found_mend(p->f, "take FASTSOCK_PIN=app away, or let the program bind its workers to a CPU each");
	else if (!strcmp(reason, "no worker"))
		fs_found_mend(p->f, "see that its workers run, and that they wait by epoll, poll, select or accept()");
}

static void check_workers(const struct patient *p)
{
	unsigned workers = fs_view_workers(p->view, p->group);

	if (workers >= p->view->ncores)
		return;
	fs_found(p->f, "group_workers", FS_LEVEL_ADVICE, "%u workers for %u CPUs", workers, p->view->ncores);
	found_subject(p);
	fs_found_why(p->f, "connections that arrive on the other CPUs are served on one of these");
	fs_found_mend(p->f, "configure %u workers, or name the CPUs to use in FASTSOCK_CPUS", p->view->ncores);
}

/*
 * A worker's thread by the number that this command knows it by, or 0: those of an epoll instance that
 * several threads wait on are not bound, and have no beat.
 */
static int bound_thread(const struct fs_view *view, unsigned slot)
{
	const struct fs_worker_rec *w = &view->worker[slot];

	if (!view->pid[slot] || (unsigned)view->pid[slot] != w->pid || w->core >= view->ncores || !w->beat || w->tid > INT32_MAX)
		return 0;
	return (int)w->tid;
}

static bool serves(const struct fs_worker_rec *w, unsigned group)
{
	return w->serving[group / 64] >> (group % 64) & 1;
}

static void check_pinning(const struct patient *p)
{
	unsigned bound = 0, astray = 0;
	char list[256] = "";
	int first = 0;

	for (unsigned s = 0; s < FS_WORKERS_MAX; s++) {
		const struct fs_worker_rec *w = &p->view->worker[s];
		struct fs_cpus cpus;
		int tid = bound_thread(p->view, s);

		if (!tid || !serves(w, p->group) || fs_cpus_allowed(tid, &cpus) < 0)
			continue;
		if (fs_cpus_count(&cpus) == 1 && fs_cpus_has(&cpus, p->view->head->cpu[w->core])) {
			bound++;
		} else if (!astray++) {
			fs_cpus_format(&cpus, list, sizeof(list));
			first = tid;
		}
	}
	if (!astray) {
		if (bound)
			fs_found(p->f, "pinning", FS_LEVEL_OK, "%u worker%s bound to the CPU of %s core", bound,
				 bound == 1 ? " is" : "s are", bound == 1 ? "its" : "their");
	} else {
		fs_found(p->f, "pinning", FS_LEVEL_ADVICE, "%u worker%s not bound to the CPU of %s core: thread %d may run on %s", astray,
			 astray == 1 ? " is" : "s are", astray == 1 ? "its" : "their", first, list);
		fs_found_why(p->f, "FASTSOCK_PIN says so, or somebody changed it since (taskset, a cpuset), so connections are"
			     " served on another CPU than the one that they arrive on");
		fs_found_mend(p->f, "restart the server, without FASTSOCK_PIN=off, in a cpuset that has all its CPUs");
	}
	if (bound || astray)
		found_subject(p);
}

/* Sums over the group's cores; what the tree wrote may be anything, so nothing may overflow into a crash. */
struct sums {
	uint64_t taken, stolen, sampled, local, most;
	unsigned cores, busiest;
};

static void sum_up(const struct patient *p, struct sums *sums)
{
	*sums = (struct sums){0};
	for (unsigned core = 0; core < p->view->ncores; core++) {
		const struct fs_core_rec *rec = fs_view_core(p->view, p->group, core);
		uint64_t taken = rec->accepted_local + rec->accepted_global + rec->stolen;
		int pids[FS_WORKERS_MAX];

		sums->taken += taken;
		sums->stolen += rec->stolen;
		sums->sampled += rec->rx_sampled;
		sums->local += rec->rx_local;
		if (taken > sums->most) {
			sums->most = taken;
			sums->busiest = p->view->head->cpu[core];
		}
		if (fs_view_owners(p->view, p->group, core, pids))
			sums->cores++;
	}
}

static double percent(uint64_t part, uint64_t all)
{
	return all ? 100.0 * (double)part / (double)all : 0;
}

static void check_shares(const struct patient *p)
{
	struct sums s;

	sum_up(p, &s);
	if (s.sampled >= SAMPLES_LEAST) {
		bool good = percent(s.local, s.sampled) >= LOCAL_LEAST;

		fs_found(p->f, "locality", good ? FS_LEVEL_OK : FS_LEVEL_ADVICE,
			 "since its start, %.0f %% of %" PRIu64 " connections were accepted on the CPU that their packets arrive on",
			 percent(s.local, s.sampled), s.sampled);
		found_subject(p);
		if (!good) {
			fs_found_why(p->f, "packets arrive on few CPUs, workers are not bound, or the load was moved to CPUs with room");
			fs_found_mend(p->f, "see rx_queues and pinning above; fastsock stat shows each CPU");
		}
	}
	if (s.taken < CONNECTIONS_LEAST || s.cores < 2)
		return;
	if (percent(s.most, s.taken) * s.cores > SKEW_MOST) {
		fs_found(p->f, "skew", FS_LEVEL_ADVICE, "since its start, CPU %u took %.0f %% of %" PRIu64 " connections", s.busiest,
			 percent(s.most, s.taken), s.taken);
		found_subject(p);
		fs_found_why(p->f, "most packets arrive there, and it copes; a CPU that does not passes connections on");
		fs_found_mend(p->f, "spread the receive queues over the CPUs: see rx_queues and irq_affinity");
	} else {
		fs_found(p->f, "skew", FS_LEVEL_OK, "since its start, the busiest of %u CPUs took %.0f %% of %" PRIu64 " connections", s.cores,
			 percent(s.most, s.taken), s.taken);
		found_subject(p);
	}
	if (percent(s.stolen, s.taken) > STOLEN_MOST) {
		fs_found(p->f, "stealing", FS_LEVEL_ADVICE, "since its start, %.0f %% of %" PRIu64 " connections were taken from another CPU's queue",
			 percent(s.stolen, s.taken), s.taken);
		found_subject(p);
		fs_found_why(p->f, "workers block or compute for long, or are stopped, and the others serve their queues");
		fs_found_mend(p->f, "look at GIVEN in fastsock stat for the CPU, and at what its worker waits for (strace -p PID)");
	}
}

static void check_core(const struct patient *p, unsigned core)
{
	const struct fs_core_rec *rec = fs_view_core(p->view, p->group, core);
	unsigned cpu = p->view->head->cpu[core], help = rec->help;
	int pids[FS_WORKERS_MAX];
	unsigned n = fs_view_owners(p->view, p->group, core, pids);
	int64_t queue = fs_view_queue(p->view, p->group, core);
	uint32_t backlog = p->view->group[p->group].backlog;

	if (help == FS_HELP_STUCK) {
		fs_found(p->f, "stuck", FS_LEVEL_ADVICE, "the worker of CPU %u is stuck (process %d)", cpu, n ? pids[0] : 0);
		found_subject(p);
		fs_found_why(p->f, "it was blocked, computing or stopped when connections came, so other CPUs serve them");
		fs_found_mend(p->f, "see what it does: grep State /proc/%d/status; strace -p %d; if it is stopped: kill -CONT %d",
			      n ? pids[0] : 0, n ? pids[0] : 0, n ? pids[0] : 0);
	} else if (help == FS_HELP_BUSY) {
		fs_found(p->f, "busy", FS_LEVEL_ADVICE, "the queue of CPU %u stands", cpu);
		found_subject(p);
		fs_found_why(p->f, "its worker is slower than connections arrive, so others take some of them");
		fs_found_mend(p->f, "spread the receive queues over the CPUs: see rx_queues and irq_affinity");
	}
	if (queue >= 0 && backlog && (uint64_t)queue * 100 >= (uint64_t)backlog * QUEUE_FULL) {
		fs_found(p->f, "queue", FS_LEVEL_PROBLEM, "%" PRId64 " connections wait on CPU %u, and its limit is %" PRIu32, queue,
			 cpu, backlog);
		found_subject(p);
		fs_found_why(p->f, "beyond the limit the kernel drops connections");
		fs_found_mend(p->f, "raise the backlog of the server and net.core.somaxconn, or give it more CPUs");
	}
}

void fs_doctor_groups(struct fs_findings *f, const struct fs_view *view)
{
	for (unsigned group = 0; group < FS_GROUPS_MAX; group++) {
		struct patient p = {.f = f, .view = view, .group = group};

		if (!fs_view_has_group(view, group))
			continue;
		fs_view_address(view, group, p.address, sizeof(p.address));
		check_state(&p);
		if (view->group[group].state != FS_GROUP_ACTIVE)
			continue;
		check_workers(&p);
		check_pinning(&p);
		check_shares(&p);
		for (unsigned core = 0; core < view->ncores; core++)
			check_core(&p, core);
	}
}
