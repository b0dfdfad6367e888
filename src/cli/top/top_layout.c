/*
 * The screen of `fastsock top` as a grid of characters. Everything is clipped to the
 * grid, and columns that do not fit are left out, the least important first.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "top.h"

/* Lines above the rows, and below them. */
#define HEAD 5
#define FOOT 1
/* Below this, a bar tells nothing. */
#define BAR_MIN 8

static const struct {
	char c;
	enum fs_style style;
} bars[FS_TOP_KINDS] = {
	[FS_TOP_LOCAL] = {'#', FS_STYLE_LOCAL},
	[FS_TOP_GLOBAL] = {'+', FS_STYLE_GLOBAL},
	[FS_TOP_STOLEN] = {'!', FS_STYLE_STOLEN},
};

/* In the order in which they stand. */
enum column { CPU, RATE, BAR, QUEUE, OPEN, LOCALITY, BUSY, CONNECTS, STEERED, STATE, COLUMNS };

static const struct {
	const char *title;
	unsigned width; /* with the space before it */
} columns[COLUMNS] = {
	[CPU] = {"CPU", 5},
	[RATE] = {"ACCEPT/S", 10},
	[BAR] = {"", 0}, /* what is left */
	[QUEUE] = {"QUEUE", 7},
	[OPEN] = {"OPEN", 8},
	[LOCALITY] = {"RX-LOCAL", 9},
	[BUSY] = {"BUSY", 6},
	[CONNECTS] = {"CONN/S", 8},
	[STEERED] = {"STEERED", 8},
	[STATE] = {"STATE", 20},
};

/* Which go first where there is not enough room. CPU and RATE stay. */
static const enum column dispensable[] = {STEERED, BUSY, CONNECTS, OPEN, STATE, LOCALITY, QUEUE, BAR};

struct plan {
	unsigned width[COLUMNS]; /* 0: left out */
};

void fs_grid_make(struct fs_grid *grid, unsigned width, unsigned height)
{
	*grid = (struct fs_grid){.width = width, .height = height};
	grid->cell = fs_cli_grow(NULL, (size_t)width * height + 1, sizeof(*grid->cell));
	for (size_t i = 0; i < (size_t)width * height; i++)
		grid->cell[i] = (struct fs_cell){' ', FS_STYLE_PLAIN};
}

void fs_grid_free(struct fs_grid *grid)
{
	free(grid->cell);
	*grid = (struct fs_grid){0};
}

static void put(struct fs_grid *grid, unsigned y, unsigned x, char c, enum fs_style style)
{
	/* Names come from processes and may hold anything. */
	if (y < grid->height && x < grid->width)
		grid->cell[(size_t)y * grid->width + x] = (struct fs_cell){isascii(c) && isprint(c) ? c : '?', style};
}

/* The column behind it. */
__attribute__((format(printf, 5, 6)))
static unsigned text(struct fs_grid *grid, unsigned y, unsigned x, enum fs_style style, const char *format, ...)
{
	char line[512];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	for (const char *c = line; *c; c++)
		put(grid, y, x++, *c, style);
	return x;
}

static void fill(struct fs_grid *grid, unsigned y, enum fs_style style)
{
	for (unsigned x = 0; x < grid->width; x++)
		put(grid, y, x, ' ', style);
}

/* Ends at column `end`; what is longer than its column shows its end cut off. */
static void right(struct fs_grid *grid, unsigned y, unsigned end, unsigned width, enum fs_style style, const char *what)
{
	unsigned len = (unsigned)strlen(what);

	if (len >= width)
		len = width - 1;
	for (unsigned i = 0; i < len; i++)
		put(grid, y, end - len + i, what[i], style);
}

static struct plan make_plan(unsigned width, bool connects)
{
	struct plan plan;
	unsigned sum = BAR_MIN;

	for (unsigned i = 0; i < COLUMNS; i++) {
		plan.width[i] = columns[i].width;
		if (!connects && (i == CONNECTS || i == STEERED))
			plan.width[i] = 0;
		sum += plan.width[i];
	}
	plan.width[BAR] = BAR_MIN;
	for (unsigned i = 0; i < FS_COUNT(dispensable) && sum > width; i++) {
		sum -= plan.width[dispensable[i]];
		plan.width[dispensable[i]] = 0;
	}
	if (plan.width[BAR] && width > sum)
		plan.width[BAR] += width - sum;
	return plan;
}

static void format_rate(char *to, size_t len, double rate)
{
	if (rate < 0)
		snprintf(to, len, "-");
	else if (rate < 10 && rate > 0)
		snprintf(to, len, "%.1f", rate);
	else
		snprintf(to, len, "%.0f", rate);
}

static void format_share(char *to, size_t len, double share)
{
	if (share < 0)
		snprintf(to, len, "-");
	else if (share > 0.9995 || share == 0)
		snprintf(to, len, "%.0f%%", 100 * share);
	else
		snprintf(to, len, "%.1f%%", 100 * share);
}

static void format_state(char *to, size_t len, const struct fs_top_row *row)
{
	char moved[32] = "";

	if (row->away)
		snprintf(moved, sizeof(moved), " -%.0f%%", 100.0 * row->away / 4096);
	snprintf(to, len, "%s%s%s", row->help ? fs_help_name(row->help) : row->out || row->away ? "" : "-",
		 row->out ? " out" : "", moved);
}

static void format_column(char *to, size_t len, const struct fs_top_row *row, enum column column)
{
	*to = '\0';
	switch (column) {
	case CPU:
		snprintf(to, len, "%u", row->cpu);
		break;
	case RATE:
		format_rate(to, len, row->rate);
		break;
	case QUEUE:
		if (row->queue < 0)
			snprintf(to, len, "-");
		else
			snprintf(to, len, "%" PRId64, row->queue);
		break;
	case OPEN:
		snprintf(to, len, "%" PRIu64, row->open);
		break;
	case LOCALITY:
		format_share(to, len, row->locality);
		break;
	case BUSY:
		format_share(to, len, row->busy > 1 ? 1 : row->busy);
		break;
	case CONNECTS:
		format_rate(to, len, row->connects);
		break;
	case STEERED:
		format_share(to, len, row->steered);
		break;
	case STATE:
		format_state(to, len, row);
		break;
	case BAR:
	case COLUMNS:
		break;
	}
}

/* The kinds one behind the other; each ends where the sum so far ends, so that roundings do not add up. */
static void draw_bar(struct fs_grid *grid, unsigned y, unsigned x, unsigned width, const struct fs_top_row *row, double most)
{
	double sum = 0;
	unsigned at = 0;

	for (unsigned kind = 0; kind < FS_TOP_KINDS; kind++) {
		if (row->accepts[kind] <= 0 || most <= 0)
			continue;
		sum += row->accepts[kind];
		for (unsigned end = (unsigned)(sum / most * width + 0.5); at < end && at < width; at++)
			put(grid, y, x + at, bars[kind].c, bars[kind].style);
	}
}

static void draw_row(struct fs_grid *grid, unsigned y, const struct plan *plan, const struct fs_top_row *row, double most)
{
	enum fs_style style = row->help || row->out ? FS_STYLE_WARNING : FS_STYLE_PLAIN;
	char field[64];
	unsigned x = 0;

	for (unsigned i = 0; i < COLUMNS; i++) {
		if (!plan->width[i])
			continue;
		format_column(field, sizeof(field), row, i);
		if (i == BAR)
			draw_bar(grid, y, x + 1, plan->width[i] - 1, row, most);
		else if (i == STATE)
			text(grid, y, x + 1, style, "%.*s", (int)plan->width[i] - 1, *field == ' ' ? field + 1 : field);
		else
			right(grid, y, x + plan->width[i], plan->width[i], i == QUEUE || i == LOCALITY ? FS_STYLE_PLAIN : style, field);
		x += plan->width[i];
	}
}

static void draw_header(struct fs_grid *grid, unsigned y, const struct plan *plan)
{
	unsigned x = 0;

	fill(grid, y, FS_STYLE_HEADER);
	for (unsigned i = 0; i < COLUMNS; i++) {
		if (!plan->width[i])
			continue;
		if (i == BAR && plan->width[i] > 28)
			text(grid, y, x + 1, FS_STYLE_HEADER, "# local  + global  ! stolen");
		else if (i == STATE)
			text(grid, y, x + 1, FS_STYLE_HEADER, "%s", columns[i].title);
		else
			right(grid, y, x + plan->width[i], plan->width[i], FS_STYLE_HEADER, columns[i].title);
		x += plan->width[i];
	}
}

static void draw_title(struct fs_grid *grid, const struct fs_top_screen *screen)
{
	const struct fs_sample *now = screen->rates->now;
	char state[64];
	unsigned x;

	fill(grid, 0, FS_STYLE_TITLE);
	x = text(grid, 0, 0, FS_STYLE_TITLE, "%s (pid %d, %zu process%s)", now->command, now->pid, now->nprocesses,
		 now->nprocesses == 1 ? "" : "es");
	if (screen->ntrees > 1)
		x = text(grid, 0, x, FS_STYLE_TITLE, "  tree %zu/%zu", screen->tree + 1, screen->ntrees);
	snprintf(state, sizeof(state), "%severy %g s, by %s", screen->paused ? "PAUSED, " : "", screen->interval,
		 fs_top_sort_name(screen->sort));
	if (x + strlen(state) + 1 < grid->width)
		text(grid, 0, grid->width - (unsigned)strlen(state), FS_STYLE_TITLE, "%s", state);
	else if (screen->paused)
		text(grid, 0, grid->width > 6 ? grid->width - 6 : 0, FS_STYLE_TITLE, "PAUSED");
}

static void draw_group(struct fs_grid *grid, unsigned y, const struct fs_top_screen *screen)
{
	const struct fs_sample *now = screen->rates->now;
	const struct fs_sample_group *group;
	unsigned x;

	if (screen->group == FS_TOP_ALL) {
		text(grid, y, 0, FS_STYLE_PLAIN, "all %u listeners", now->ngroups);
		return;
	}
	group = &now->group[screen->group];
	x = text(grid, y, 0, FS_STYLE_PLAIN, "%s  %s (%s), %u worker%s", group->address, group->state, group->mode,
		 group->workers, group->workers == 1 ? "" : "s");
	if (group->queue >= 0)
		x = text(grid, y, x, FS_STYLE_PLAIN, ", global queue %" PRId64, group->queue);
	text(grid, y, x, FS_STYLE_PLAIN, "  listener %d/%u", screen->group + 1, now->ngroups);
}

static unsigned put_kind(struct fs_grid *grid, unsigned y, unsigned x, const struct fs_top_row *total, enum fs_top_kind kind)
{
	static const char *const names[FS_TOP_KINDS] = {"local", "global", "stolen"};
	char share[32];

	format_share(share, sizeof(share), fs_rate_share(total->accepts[kind], total->rate));
	x = text(grid, y, x, FS_STYLE_PLAIN, "  ");
	x = text(grid, y, x, bars[kind].style, "%c", bars[kind].c);
	return text(grid, y, x, FS_STYLE_PLAIN, " %s %s", names[kind], share);
}

static void draw_totals(struct fs_grid *grid, unsigned y, const struct fs_top_row *total, bool connects)
{
	char field[64];
	unsigned x;

	format_rate(field, sizeof(field), total->rate);
	x = text(grid, y, 0, FS_STYLE_PLAIN, "accepts/s %s", field);
	for (unsigned kind = 0; kind < FS_TOP_KINDS; kind++)
		x = put_kind(grid, y, x, total, kind);
	format_column(field, sizeof(field), total, QUEUE);
	x = text(grid, y + 1, 0, FS_STYLE_PLAIN, "queue %s  open %" PRIu64, field, total->open);
	format_share(field, sizeof(field), total->locality);
	x = text(grid, y + 1, x, FS_STYLE_PLAIN, "  rx-local %s", field);
	format_share(field, sizeof(field), total->busy);
	x = text(grid, y + 1, x, FS_STYLE_PLAIN, "  busy %s", field);
	if (!connects)
		return;
	format_rate(field, sizeof(field), total->connects);
	x = text(grid, y + 1, x, FS_STYLE_PLAIN, "  connect/s %s", field);
	format_share(field, sizeof(field), total->steered);
	text(grid, y + 1, x, FS_STYLE_PLAIN, " steered %s", field);
}

static const char *const help_lines[] = {
	"q       quit                      h ?    this help, on and off",
	"s       sort by the next column   1-5    by cpu, rate, queue, open, locality",
	"g G     next, previous listener   t      next process tree",
	"p       pause, go on              + -    longer, shorter interval",
	"up down page-up page-down home end      scroll",
	"",
	"Bars: accepted connections per second, # from the CPU's local listener,",
	"+ from the global one, ! stolen from other CPUs' local listeners.",
	"QUEUE: waiting now. OPEN: accepted and open, of all listeners. RX-LOCAL: packets",
	"arrive on the CPU that accepted. BUSY: time of its workers outside their waits.",
	"CONN/S: connections that it opened. STEERED: with a source port of the library's.",
	"STATE: why others help it; out: steering passes it by; -25%: so much of its",
	"traffic goes elsewhere.",
};

static void draw_help(struct fs_grid *grid)
{
	for (unsigned i = 0; i < FS_COUNT(help_lines); i++)
		text(grid, HEAD + i, 0, FS_STYLE_PLAIN, "%s", help_lines[i]);
	for (unsigned y = HEAD - 1; y < HEAD; y++)
		fill(grid, y, FS_STYLE_HEADER);
}

static void draw_foot(struct fs_grid *grid, const struct fs_top_screen *screen, unsigned shown)
{
	unsigned y = grid->height - 1, ncores = screen->rates->now->ncores, x;

	if (screen->message) {
		text(grid, y, 0, FS_STYLE_WARNING, "%s", screen->message);
		return;
	}
	x = text(grid, y, 0, FS_STYLE_PLAIN, "q quit  s sort  g listener  t tree  p pause  +- interval  h help");
	if (shown < ncores && !screen->help)
		text(grid, y, x, FS_STYLE_PLAIN, "  CPUs %u-%u of %u", screen->scroll + 1, screen->scroll + shown, ncores);
}

static void draw_rows(struct fs_grid *grid, const struct fs_top_screen *screen, const struct plan *plan, unsigned shown)
{
	unsigned ncores = screen->rates->now->ncores;
	struct fs_top_row *rows = fs_cli_grow(NULL, ncores, sizeof(*rows));
	double most = 0;

	fs_top_rows(rows, screen->rates, screen->group);
	fs_top_sort(rows, ncores, screen->sort);
	for (unsigned i = 0; i < ncores; i++)
		most = rows[i].rate > most ? rows[i].rate : most;
	for (unsigned i = 0; i < shown; i++)
		draw_row(grid, HEAD + i, plan, &rows[screen->scroll + i], most);
	free(rows);
}

unsigned fs_top_page(unsigned height)
{
	return height > HEAD + FOOT ? height - HEAD - FOOT : 0;
}

static bool any_connects(const struct fs_sample *now)
{
	for (unsigned core = 0; core < now->ncores; core++) {
		if (now->load[core].connect[FS_CONNECT_calls])
			return true;
	}
	return false;
}

void fs_top_layout(struct fs_grid *grid, const struct fs_top_screen *screen)
{
	const struct fs_sample *now = screen->rates->now;
	bool connects = any_connects(now);
	struct plan plan = make_plan(grid->width, connects);
	unsigned shown = fs_top_page(grid->height);
	struct fs_top_row total;

	if (!grid->height || !grid->width)
		return;
	/* The caller scrolls within what there is; the tree may have become another one meanwhile. */
	if (screen->scroll >= now->ncores)
		shown = 0;
	else if (shown > now->ncores - screen->scroll)
		shown = now->ncores - screen->scroll;
	fs_top_total(&total, screen->rates, screen->group);
	draw_title(grid, screen);
	draw_group(grid, 1, screen);
	draw_totals(grid, 2, &total, connects);
	if (screen->help) {
		draw_help(grid);
	} else {
		draw_header(grid, HEAD - 1, &plan);
		draw_rows(grid, screen, &plan, shown);
	}
	/* What is below the foot is nobody's; in a grid too small for all, the foot is what stays. */
	fill(grid, grid->height - 1, FS_STYLE_PLAIN);
	draw_foot(grid, screen, shown);
}
