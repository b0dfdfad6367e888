/*
 * fastsock nic --apply and --undo. What was there is on record before the first change, so that even
 * a command that is killed can be undone; a change that fails takes all of this command's changes with it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/nicinfo.h"
#include "cli/cli.h"
#include "nic.h"

/* The number of queues first, then what depends on it. */
#define ROUNDS 2
/* An interrupt that is just being moved cannot be moved again before it has come once or the kernel has given up: 100 x 10 ms. */
#define BUSY_TRIES 100

struct job {
	struct fs_pool *pool;
	const struct fs_nic_request *request;
	struct fs_nic_identity identity;
	int lock;
	bool found;                     /* there was a record before */
	struct fs_nic_settings record;  /* as it is to be written */
	struct fs_nic_settings earlier; /* as this command found things: what it puts back when it fails */
	size_t changed, kept;           /* kept: what nobody can change */
};

static bool has_channels(const struct fs_nic_settings *settings)
{
	for (size_t i = 0; i < settings->count; i++)
		if (settings->setting[i].kind == FS_NIC_CHANNELS)
			return true;
	return false;
}

static void append(struct fs_pool *pool, struct fs_nic_settings *to, const struct fs_nic_setting *setting, bool made)
{
	struct fs_nic_setting *all;

	for (size_t i = 0; i < to->count; i++) {
		const struct fs_nic_setting *there = &to->setting[i];

		/* What was there first counts. */
		if (there->kind == setting->kind && there->number == setting->number && !strcmp(there->name, setting->name))
			return;
	}
	all = fs_pool_alloc(pool, to->count + 1, sizeof(*all));
	if (to->count)
		memcpy(all, to->setting, to->count * sizeof(*all));
	all[to->count] = *setting;
	all[to->count++].made = made;
	to->setting = all;
}

static int set(const char *interface, const struct fs_nic_setting *setting)
{
	const struct timespec pause = {.tv_nsec = 10 * 1000 * 1000};
	int err = fs_nic_set(interface, setting);

	for (int tries = 0; err == -EBUSY && setting->kind == FS_NIC_IRQ && tries < BUSY_TRIES; tries++) {
		nanosleep(&pause, NULL);
		err = fs_nic_set(interface, setting);
	}
	return err;
}

/* ---- putting back ---- */

struct search {
	const struct fs_nic_setting *wanted;
	unsigned number, count; /* of those with its name */
	bool same;
};

static void look(unsigned irq, const char *name, void *arg)
{
	struct search *search = arg;
	size_t len = strcspn(name, "\n");

	if (strlen(search->wanted->name) != len || strncmp(search->wanted->name, name, len) != 0)
		return;
	search->count++;
	if (!search->same)
		search->number = irq;
	search->same = search->same || irq == search->wanted->number;
}

/* A driver that was set up anew may have got other numbers: an interrupt is known by its name, too. */
static bool find_irq(const char *interface, struct fs_nic_setting *setting)
{
	struct search search = {.wanted = setting};

	fs_nicinfo_irqs(interface, look, &search);
	if (!search.same && search.count != 1)
		return false;
	if (!search.same)
		setting->number = search.number;
	return true;
}

static int not_back(struct fs_pool *pool, const struct fs_nic_setting *recorded, int err, const char *now, bool quiet)
{
	const char *name = fs_nic_setting_name(pool, recorded);

	if (quiet)
		return err;
	if (err == -ENOENT)
		fs_cli_error("nic: %s cannot be put back to %s: it is gone", name, recorded->value);
	else if (err)
		fs_cli_error("nic: %s cannot be put back to %s: %s", name, recorded->value, strerror(-err));
	else
		fs_cli_error("nic: %s cannot be put back to %s: the kernel makes %s of it", name, recorded->value, now);
	return err ? err : -EINVAL;
}

/*
 * 0; -ENOENT when what it is about is gone; another -errno. After a message when it is not 0, unless `quiet`, which is
 * for a first go. In the last one a table that is right already is set again: the default one may be there as
 * written, which the kernel would keep as the user's own.
 */
static int put_back(struct fs_pool *pool, const char *interface, const struct fs_nic_setting *recorded, bool quiet)
{
	struct fs_nic_setting setting = *recorded;
	const char *now;
	bool right;
	int err = 0;

	if (setting.kind == FS_NIC_IRQ && !find_irq(interface, &setting))
		return not_back(pool, recorded, -ENOENT, NULL, quiet);
	now = fs_nic_value(pool, interface, &setting, &err);
	right = now && !strcmp(now, setting.value);
	if (right && (quiet || setting.kind != FS_NIC_TABLE))
		return 0;
	if (now)
		err = set(interface, &setting);
	/* A driver that lets nobody set it has it as it was. */
	if (!err || right)
		now = fs_nic_value(pool, interface, &setting, &err);
	if (err || strcmp(now, setting.value) != 0)
		return not_back(pool, recorded, err, now, quiet);
	return 0;
}

/*
 * Puts all of them back, in the order of their kinds. But first, as far as it goes, what belongs to queues that
 * were made, while they are there, and the table, because a queue that it names cannot be taken away.
 * Returns how many it could not; those of them that are still there are in *failed.
 */
static size_t restore(struct fs_pool *pool, const char *interface, const struct fs_nic_settings *before,
		      struct fs_nic_settings *failed)
{
	size_t missing = 0;

	*failed = (struct fs_nic_settings){0};
	for (size_t i = 0; i < before->count; i++)
		if (before->setting[i].made || before->setting[i].kind == FS_NIC_TABLE)
			put_back(pool, interface, &before->setting[i], true);
	for (enum fs_nic_kind kind = FS_NIC_CHANNELS; kind <= FS_NIC_XPS; kind++) {
		for (size_t i = 0; i < before->count; i++) {
			const struct fs_nic_setting *setting = &before->setting[i];
			int err = setting->kind == kind && !setting->made ? put_back(pool, interface, setting, false) : 0;

			missing += err != 0;
			if (err && err != -ENOENT)
				append(pool, failed, setting, false);
		}
	}
	return missing;
}

/* ---- the record ---- */

static int may_change(const char *option)
{
	if (geteuid() == 0)
		return FS_EXIT_OK;
	fs_cli_error("nic: %s changes how the machine is set up: run this as root", option);
	return FS_EXIT_FAILED;
}

static void unusable(struct job *job, int err)
{
	const char *path = fs_nic_record_path(job->pool, &job->identity);
	const char *owner = err == -ESTALE ? fs_nic_record_owner(job->pool, &job->identity) : NULL;

	if (owner)
		fs_cli_error("nic: the record %s is of another device that had this name and is called %s now; first undo that: fastsock nic %s --undo",
			     path, owner, owner);
	else if (err == -ESTALE)
		fs_cli_error("nic: the record %s is of another device that had this name; if that is gone, remove the file", path);
	else
		fs_cli_error("nic: the record %s cannot be used: %s; look at it, and remove it", path,
			     err == -EPERM ? "others than root could have written it" :
			     err == -EINVAL ? "it is damaged" : strerror(-err));
}

static int begin(struct job *job, bool make)
{
	const char *path;
	int err = fs_nic_identify(job->request->interface, &job->identity);

	if (err < 0) {
		fs_cli_error("nic: cannot look at %s: %s; run this again", job->request->interface, strerror(-err));
		return FS_EXIT_FAILED;
	}
	path = fs_nic_record_path(job->pool, &job->identity);
	job->lock = fs_nic_record_lock(make);
	if (job->lock == -EBUSY) {
		fs_cli_error("nic: another fastsock nic is changing something; run this again when it has ended");
		return FS_EXIT_FAILED;
	}
	if (job->lock < 0 && (make || job->lock != -ENOENT)) {
		fs_cli_error("nic: nothing was changed: what is there now cannot be recorded in %s: %s", path,
			     job->lock == -EPERM ? "others than root may write there; take that right away" : strerror(-job->lock));
		return FS_EXIT_FAILED;
	}
	err = fs_nic_record_read(job->pool, &job->identity, &job->record);
	job->found = err == 0;
	if (err == 0 || err == -ENOENT)
		return FS_EXIT_OK;
	unusable(job, err);
	return FS_EXIT_FAILED;
}

static void end(struct job *job)
{
	if (job->lock >= 0)
		fs_nic_record_unlock(job->lock);
}

/* ---- apply ---- */

/* What the plan changes, or, when queues are made, all that this may reset. */
static int record(struct job *job, const struct fs_nic_state *state, const struct fs_nic_plan *plan)
{
	/* All that was there before queues were made is on record since then: what is new now is of the new ones. */
	bool made = has_channels(&job->record), made_now = has_channels(&job->earlier);
	struct fs_nic_settings all = {0};
	int err;

	if (plan->more)
		fs_nic_snapshot(job->pool, state, &all);
	for (size_t i = 0; i < plan->nchanges; i++) {
		struct fs_nic_setting now = plan->change[i].to;

		now.value = plan->change[i].from;
		append(job->pool, &all, &now, false);
	}
	for (size_t i = 0; i < all.count; i++) {
		append(job->pool, &job->record, &all.setting[i], made);
		append(job->pool, &job->earlier, &all.setting[i], made_now);
	}
	err = fs_nic_record_write(job->pool, &job->identity, &job->record);
	if (err < 0)
		fs_cli_error("nic: nothing was changed: what is there now cannot be recorded in %s: %s",
			     fs_nic_record_path(job->pool, &job->identity), strerror(-err));
	return err;
}

/*
 * How the kernel says that an interrupt is its own to place, which before 6.13 only an attempt tells, and that
 * a driver shows its table but does not take another one.
 */
static bool is_kept(enum fs_nic_kind kind, int err)
{
	return (kind == FS_NIC_IRQ && (err == -EIO || err == -EPERM)) || (kind == FS_NIC_TABLE && err == -EOPNOTSUPP);
}

static int change(struct job *job, const struct fs_nic_plan *plan)
{
	for (size_t i = 0; i < plan->nchanges; i++) {
		const struct fs_nic_change *c = &plan->change[i];
		int err = set(job->request->interface, &c->to);

		if (is_kept(c->to.kind, err)) {
			printf("  %s: left alone after all, because %s lets nobody change it: %s\n", c->label,
			       c->to.kind == FS_NIC_IRQ ? "the kernel places this interrupt and" : "the driver", c->what);
			job->kept++;
			continue;
		}
		if (err < 0) {
			fs_cli_error("nic: %s: %s: the kernel refuses: %s", c->label, c->what, strerror(-err));
			return err;
		}
		printf("  %s: %s: %s\n", c->label, c->what, c->why);
		job->changed++;
	}
	return 0;
}

/* Puts back what this command has changed, and the record as it was. */
static int give_up(struct job *job, const struct fs_nic_settings *record_before)
{
	struct fs_nic_settings failed;
	size_t missing = restore(job->pool, job->request->interface, &job->earlier, &failed);
	int err = 0;

	if (missing) {
		fs_cli_error("nic: not all of it could be put back; `fastsock nic %s --undo` tries again",
			     job->request->interface);
		return FS_EXIT_FAILED;
	}
	if (!job->found)
		fs_nic_record_remove(job->pool, &job->identity);
	else
		err = fs_nic_record_write(job->pool, &job->identity, record_before);
	if (err < 0)
		fs_cli_error("nic: the record %s could not be written: %s; --undo still goes by what is in it",
			     fs_nic_record_path(job->pool, &job->identity), strerror(-err));
	fs_cli_error("nic: %s is as it was before this command", job->request->interface);
	return FS_EXIT_FAILED;
}

static int apply(struct job *job)
{
	const struct fs_nic_settings record_before = job->record;
	const struct fs_nic_request *request = job->request;
	struct fs_nic_wish wish = request->wish;
	struct fs_nic_state state;
	struct fs_nic_plan plan = {.more = true};

	for (int round = 0; round < ROUNDS && plan.more; round++) {
		int status = fs_nic_read(job->pool, request->interface, request->cpu, request->ncpus, &state);

		if (status != FS_EXIT_OK)
			return job->changed ? give_up(job, &record_before) : status;
		fs_nic_plan(job->pool, &state, &wish, &plan);
		/* Once: a driver may make fewer queues than it was asked for. */
		wish.channels = false;
		if (!plan.nchanges)
			break;
		if (!job->changed)
			printf("%s:\n", request->interface);
		if (record(job, &state, &plan) < 0 || change(job, &plan) < 0)
			return give_up(job, &record_before);
	}
	if (!job->changed && !job->found)
		fs_nic_record_remove(job->pool, &job->identity);
	if (job->changed)
		printf("what was there before is kept in %s: fastsock nic %s --undo puts it back\n",
		       fs_nic_record_path(job->pool, &job->identity), request->interface);
	else
		printf("%s: nothing %sto change\n", request->interface, job->kept ? "else " : "");
	fs_nic_print_advice(&plan);
	return FS_EXIT_OK;
}

/* Ctrl-C is for between two commands: one that is under way finishes, which takes a moment. */
static void block_signals(sigset_t *before)
{
	sigset_t these;

	sigemptyset(&these);
	sigaddset(&these, SIGINT);
	sigaddset(&these, SIGTERM);
	sigaddset(&these, SIGHUP);
	sigaddset(&these, SIGPIPE);
	sigprocmask(SIG_BLOCK, &these, before);
}

int fs_nic_apply(struct fs_pool *pool, const struct fs_nic_request *request)
{
	struct job job = {.pool = pool, .request = request, .lock = -1};
	struct fs_nic_state state;
	sigset_t signals;
	int status = fs_nic_read(pool, request->interface, request->cpu, request->ncpus, &state);

	if (status == FS_EXIT_OK)
		status = may_change("--apply");
	if (status != FS_EXIT_OK)
		return status;
	block_signals(&signals);
	status = begin(&job, true);
	if (status == FS_EXIT_OK)
		status = apply(&job);
	end(&job);
	sigprocmask(SIG_SETMASK, &signals, NULL);
	return status == FS_EXIT_OK ? fs_cli_finish(status) : status;
}

/* ---- undo ---- */

static int undo(struct job *job)
{
	const char *interface = job->request->interface;
	struct fs_nic_settings failed;
	size_t missing;

	if (!job->found) {
		fs_cli_error("nic: there is nothing to undo: no change by --apply is on record for %s (no %s, nor one by a name that it had)",
			     interface, fs_nic_record_path(job->pool, &job->identity));
		return FS_EXIT_FAILED;
	}
	missing = restore(job->pool, interface, &job->record, &failed);
	if (failed.count) {
		fs_nic_record_write(job->pool, &job->identity, &failed);
		fs_cli_error("nic: the rest is as before --apply; what is not is still in %s, and --undo tries again",
			     fs_nic_record_path(job->pool, &job->identity));
		return FS_EXIT_FAILED;
	}
	fs_nic_record_remove(job->pool, &job->identity);
	if (missing) {
		fs_cli_error("nic: the rest is as before --apply");
		return FS_EXIT_FAILED;
	}
	printf("%s is as it was before --apply\n", interface);
	return FS_EXIT_OK;
}

int fs_nic_undo(struct fs_pool *pool, const struct fs_nic_request *request)
{
	struct job job = {.pool = pool, .request = request, .lock = -1};
	struct fs_nic_state state;
	sigset_t signals;
	int status = fs_nic_read(pool, request->interface, NULL, 0, &state);

	if (status == FS_EXIT_OK)
		status = may_change("--undo");
	if (status != FS_EXIT_OK)
		return status;
	block_signals(&signals);
	status = begin(&job, false);
	if (status == FS_EXIT_OK)
		status = undo(&job);
	end(&job);
	sigprocmask(SIG_SETMASK, &signals, NULL);
	return status == FS_EXIT_OK ? fs_cli_finish(status) : status;
}
