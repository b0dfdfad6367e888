#define _GNU_SOURCE
#include "binding.h"

#include <string.h>

#include "log.h"
#include "sys/sys.h"
#include "worker.h"
#include "worker_rec.h"

unsigned fs_binding_choose(void)
{
	struct fs_cpus allowed;
	bool any = fs_proc.options.pin == FS_PIN_OFF || fs_cpus_allowed(0, &allowed) < 0;
	bool bound = !any && fs_cpus_count(&allowed) == 1;
	unsigned best = FS_NO_CORE, fewest = FS_WORKERS_MAX + 1;

	if (fs_proc.options.pin == FS_PIN_APP && !bound)
		return FS_NO_CORE;
	for (unsigned c = 0; c < fs_proc.ncores; c++) {
		unsigned n;

		if (!any && !fs_cpus_has(&allowed, fs_proc.cpu[c]))
			continue;
		n = fs_workers_on(c);
		if (n < fewest) {
			best = c;
			fewest = n;
		}
	}
	return best;
}

static bool only(const struct fs_cpus *set, unsigned cpu)
{
	return fs_cpus_has(set, cpu) && fs_cpus_count(set) == 1;
}

static int bind_to(unsigned cpu)
{
	struct fs_cpus one = { 0 };

	fs_cpus_add(&one, cpu);
	return fs_sys_setaffinity(0, one.bits, sizeof(one.bits));
}

void fs_binding_begin(void)
{
	static bool said; /* the process lock guards it */
	unsigned cpu;
	int rc;

	if (fs_self.pinned || fs_proc.options.pin != FS_PIN_AUTO || fs_self.core >= fs_proc.ncores)
		return;
	cpu = fs_proc.cpu[fs_self.core];
	if (fs_cpus_allowed(0, &fs_self.affinity) < 0 || only(&fs_self.affinity, cpu))
		return;
	rc = bind_to(cpu);
	if (rc == 0)
		fs_self.pinned = true;
	else if (!said)
		fs_log(FS_LOG_WARN, "worker thread %d cannot be bound to CPU %u (%s), so its connections may be handled elsewhere; allow"
				    " sched_setaffinity() in the sandbox, or set FASTSOCK_PIN=off (said once)", fs_sys_gettid(), cpu,
		       fs_errtext(-rc));
	said |= rc < 0;
	fs_self.bound_second = 0;
}

bool fs_worker_unbind(void)
{
	struct fs_cpus now;

	/* An application that set another affinity since meant it. */
	return fs_self.pinned && fs_cpus_allowed(0, &now) == 0 && only(&now, fs_proc.cpu[fs_self.core]) &&
	       fs_sys_setaffinity(0, fs_self.affinity.bits, sizeof(fs_self.affinity.bits)) >= 0;
}

void fs_worker_rebind(void)
{
	bind_to(fs_proc.cpu[fs_self.core]);
}

void fs_binding_end(void)
{
	fs_worker_unbind();
	fs_self.pinned = false;
	fs_self.bound_second = 0;
}
