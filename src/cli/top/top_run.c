/*
 * The loop of `fastsock top`: looks at the trees once an interval, draws at each key
 * and each look. What was seen last stays on the screen when the server is gone.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "cli/tree/find.h"
#include "cli/tree/sample.h"
#include "cli/stop.h"
#include "top.h"

static const double intervals[] = {0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60};
#define INTERVAL_FIRST 3 /* a second */

struct top {
	int pid; /* 0: all trees */
	struct fs_samples now, before;
	struct fs_scans scans;
	struct fs_rates rates; /* of the tree that is shown */
	struct fs_top_screen screen;
	unsigned interval;
	/* What is shown, by what it is known again. */
	dev_t dev;
	ino_t ino;
	struct fs_sample_group group;
	bool all_groups;
	bool other_tree; /* the next look may show another tree, because this one is gone */
	char message[160];
};

static uint64_t clock_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void choose_group(struct top *top, int group)
{
	top->screen.group = group;
	top->all_groups = group == FS_TOP_ALL;
	if (group != FS_TOP_ALL)
		top->group = top->rates.now->group[group];
}

/* The group that was chosen may have moved, or be gone; then all are shown. */
static void find_group(struct top *top)
{
	const struct fs_sample *now = top->rates.now;
	int found = FS_TOP_ALL;

	for (unsigned i = 0; i < now->ngroups && !top->all_groups; i++) {
		if (now->group[i].slot == top->group.slot && !strcmp(now->group[i].address, top->group.address))
			found = (int)i;
	}
	top->all_groups = found == FS_TOP_ALL;
	/* "All 1 listeners" would say less than the one does. */
	top->screen.group = now->ngroups == 1 ? 0 : found;
}

static void show_tree(struct top *top, size_t tree)
{
	const struct fs_sample *now = &top->now.sample[tree];

	top->dev = now->dev;
	top->ino = now->ino;
	top->screen.tree = tree;
	top->screen.ntrees = top->now.n;
	fs_rates_set(&top->rates, now, fs_sample_find(top->before.sample, top->before.n, now->dev, now->ino));
	find_group(top);
}

static void read_samples(struct fs_samples *samples, const struct fs_trees *trees, const char **why)
{
	struct fs_queues queues = {0};

	samples->sample = fs_cli_grow(NULL, trees->ntrees + 1, sizeof(*samples->sample));
	samples->n = 0;
	if (trees->ntrees)
		fs_queues_read(&queues);
	for (size_t i = 0; i < trees->ntrees; i++) {
		struct fs_view view;

		if (fs_view_read(&view, &trees->tree[i], &queues, why) < 0)
			continue;
		fs_sample_take(&samples->sample[samples->n++], &view);
		fs_view_free(&view);
	}
	fs_queues_free(&queues);
}

/* Puts new samples into place, if the tree that is shown is among them. */
static bool replace(struct top *top, struct fs_samples *fresh)
{
	const struct fs_sample *found = fs_sample_find(fresh->sample, fresh->n, top->dev, top->ino);

	if (!found && top->other_tree && fresh->n)
		found = &fresh->sample[0];
	if (!found)
		return false;
	top->other_tree = false;
	fs_samples_free(&top->before);
	top->before = top->now;
	top->now = *fresh;
	show_tree(top, (size_t)(found - fresh->sample));
	return true;
}

static void look(struct top *top)
{
	struct fs_samples fresh = {0};
	struct fs_trees trees = {0};
	const char *why = NULL;
	int err = fs_find_again(&trees, top->pid, &top->scans);

	top->screen.message = NULL;
	if (!err)
		read_samples(&fresh, &trees, &why);
	fs_trees_free(&trees);
	if (!err && replace(top, &fresh))
		return;
	if (why)
		snprintf(top->message, sizeof(top->message), "the region cannot be read any more: %s. q quits", why);
	else if (top->pid)
		snprintf(top->message, sizeof(top->message), "process %d is gone, or has no listener any more. q quits", top->pid);
	else
		snprintf(top->message, sizeof(top->message), "%s (pid %d) is gone. %sq quits", top->rates.now->command,
			 top->rates.now->pid, fresh.n ? "t shows another one, " : "");
	top->screen.message = top->message;
	fs_samples_free(&fresh);
}

static void next_tree(struct top *top)
{
	/* Gone: what is there now is not known here. */
	if (top->screen.message) {
		top->other_tree = true;
		look(top);
		return;
	}
	if (top->now.n < 2)
		return;
	top->all_groups = true;
	top->screen.scroll = 0;
	show_tree(top, (top->screen.tree + 1) % top->now.n);
}

/* Through "all" and each one; with one listener there is nothing to choose. */
static void next_group(struct top *top, int step)
{
	int n = (int)top->rates.now->ngroups;

	if (n > 1)
		choose_group(top, (top->screen.group + 1 + step + n + 1) % (n + 1) - 1);
}

static void change_interval(struct top *top, bool longer)
{
	if (longer && top->interval + 1 < FS_COUNT(intervals))
		top->interval++;
	else if (!longer && top->interval)
		top->interval--;
	top->screen.interval = intervals[top->interval];
}

static void scroll(struct top *top, int key)
{
	unsigned width, height, page, end;

	fs_screen_size(&width, &height);
	page = fs_top_page(height);
	end = top->rates.now->ncores > page ? top->rates.now->ncores - page : 0;
	if (key == FS_KEY_DOWN)
		top->screen.scroll++;
	else if (key == FS_KEY_PAGE_DOWN)
		top->screen.scroll += page;
	else if (key == FS_KEY_END)
		top->screen.scroll = end;
	else if (key == FS_KEY_HOME)
		top->screen.scroll = 0;
	else if (key == FS_KEY_UP)
		top->screen.scroll -= top->screen.scroll > 0;
	else if (key == FS_KEY_PAGE_UP)
		top->screen.scroll -= top->screen.scroll < page ? top->screen.scroll : page;
	/* Also after the terminal grew. */
	if (top->screen.scroll > end)
		top->screen.scroll = end;
}

/* False for the one that quits. */
static bool take_key(struct top *top, int key)
{
	switch (key) {
	case 'q':
		return false;
	case 's':
		top->screen.sort = (top->screen.sort + 1) % FS_TOP_SORTS;
		break;
	case '1': case '2': case '3': case '4': case '5':
		top->screen.sort = (enum fs_top_sort)(key - '1');
		break;
	case 'g':
		next_group(top, 1);
		break;
	case 'G':
		next_group(top, -1);
		break;
	case 't':
		next_tree(top);
		break;
	case 'p': case ' ':
		top->screen.paused = !top->screen.paused;
		break;
	case '+': case '-':
		change_interval(top, key == '+');
		break;
	case 'h': case '?':
		top->screen.help = !top->screen.help;
		break;
	default:
		break;
	}
	scroll(top, key);
	return true;
}

static void draw(const struct top *top)
{
	unsigned width, height;
	struct fs_grid grid;

	fs_screen_size(&width, &height);
	fs_grid_make(&grid, width, height);
	fs_top_layout(&grid, &top->screen);
	fs_screen_draw(&grid);
	fs_grid_free(&grid);
}

static void loop(struct top *top)
{
	uint64_t last = clock_us();

	for (;;) {
		uint64_t next = last + (uint64_t)(intervals[top->interval] * 1e6);
		int key;

		draw(top);
		/* A terminal that hung up has neither keys nor eyes. */
		if ((fs_stop_wait(next, STDIN_FILENO, POLLIN) & (POLLHUP | POLLERR | POLLNVAL)) || fs_stop_signal())
			return;
		while ((key = fs_screen_key()) != FS_KEY_NONE) {
			if (!take_key(top, key))
				return;
		}
		if (clock_us() < last + (uint64_t)(intervals[top->interval] * 1e6))
			continue;
		last = clock_us();
		if (!top->screen.paused)
			look(top);
	}
}

/* The first look, before the terminal is taken over, so that errors are seen as of every command. */
static int first_look(struct top *top)
{
	struct fs_trees trees = {0};
	const char *why = NULL;
	int status = fs_find("top", &trees, top->pid, &top->scans);

	if (status == FS_EXIT_OK) {
		read_samples(&top->now, &trees, &why);
		if (!top->now.n) {
			fs_cli_error("top: the counters of process %d cannot be read: %s; restart that program, with the"
				     " libfastsock that belongs to this command", trees.tree[0].process[0].pid, why);
			status = FS_EXIT_FAILED;
		} else {
			show_tree(top, 0);
		}
	}
	fs_trees_free(&trees);
	return status;
}

int fs_top_run(int pid)
{
	struct top top = {.pid = pid, .all_groups = true, .interval = INTERVAL_FIRST};
	int status = first_look(&top);
	const char *why;

	if (status == FS_EXIT_OK) {
		top.screen.rates = &top.rates;
		top.screen.interval = intervals[top.interval];
		fs_stop_catch();
		why = fs_screen_begin();
		if (why) {
			fs_cli_error("top: the terminal cannot be used: %s; fastsock stat --watch 1 needs none", why);
			status = FS_EXIT_FAILED;
		} else {
			loop(&top);
			fs_screen_end();
		}
	}
	fs_samples_free(&top.now);
	fs_samples_free(&top.before);
	fs_scans_free(&top.scans);
	return status;
}
