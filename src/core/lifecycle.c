#define _GNU_SOURCE
#include "lifecycle.h"

#include <string.h>

#include "destination.h"
#include "stealer.h"
#include "sys/sys.h"
#include "worker.h"

void fs_fork_before(void)
{
	fs_enter(&fs_self.fork_mask);
}

void fs_fork_parent(void)
{
	fs_leave(&fs_self.fork_mask);
}

void fs_fork_child(void)
{
	sigset_t mask = fs_self.fork_mask;

	fs_proc.pid = fs_sys_getpid();
	/* What the parent's thread served, its child does not; nor is it bound to a CPU for that. */
	fs_worker_unbind();
	for (unsigned g = 0; g < FS_GROUPS_MAX; g++) {
		fs_fd_close_hidden(fs_self.inner[g]);
	}
	fs_worker_forget_claims();
	fs_stealer_forget();
	fs_destination_forget();
	memset(&fs_self, 0, sizeof(fs_self));
	fs_self.views = atomic_load_explicit(&fs_proc.views, memory_order_relaxed);
	fs_leave(&mask);
}

void fs_exit(void)
{
	sigset_t old;

	if (!fs_proc.region || fs_foreign_process())
		return;
	fs_enter(&old);
	for (unsigned g = 0; g < fs_groups_end; g++)
		if (fs_groups[g].held)
			fs_worker_leave_process(g);
	fs_leave(&old);
}
