/*
 * What the files of `fastsock top` share: top.c has the loop and the keys, top_rows.c
 * makes rows of samples, top_layout.c puts them into a grid of characters (both pure),
 * top_screen.c brings the grid to the terminal.
 */
#ifndef FS_CLI_TOP_H
#define FS_CLI_TOP_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/tree/rates.h"

enum fs_top_sort {
	FS_TOP_BY_CPU,
	FS_TOP_BY_RATE,
	FS_TOP_BY_QUEUE,
	FS_TOP_BY_OPEN,
	FS_TOP_BY_LOCALITY, /* the worst first */
	FS_TOP_SORTS
};

/* The kinds of accepts, in the order in which bars show them. */
enum fs_top_kind { FS_TOP_LOCAL, FS_TOP_GLOBAL, FS_TOP_STOLEN, FS_TOP_KINDS };

/* A core, or all of them. Rates are per second, shares 0 to 1; below 0: unknown. */
struct fs_top_row {
	unsigned cpu;
	double accepts[FS_TOP_KINDS];
	double rate;          /* of all kinds */
	int64_t queue;        /* connections that wait, -1 where it is not known */
	uint64_t open;
	double locality;      /* of the connections that were looked at meanwhile */
	double busy;
	double connects;
	double steered;       /* share of the connects */
	enum fs_help help;
	bool out;
	uint32_t away;        /* flow groups that others take */
};

#define FS_TOP_ALL (-1) /* all groups */

/* The rows of a tree in the order of its cores; `group` is one of rates->now, or FS_TOP_ALL. */
void fs_top_rows(struct fs_top_row *rows, const struct fs_rates *rates, int group);
/* Their sums, and the shares of the sums. */
void fs_top_total(struct fs_top_row *total, const struct fs_rates *rates, int group);
/* Stable with regard to the CPU's number. */
void fs_top_sort(struct fs_top_row *rows, unsigned n, enum fs_top_sort sort);
const char *fs_top_sort_name(enum fs_top_sort sort);

enum fs_style {
	FS_STYLE_PLAIN,
	FS_STYLE_TITLE,
	FS_STYLE_HEADER,
	FS_STYLE_LOCAL,
	FS_STYLE_GLOBAL,
	FS_STYLE_STOLEN,
	FS_STYLE_WARNING,
	FS_STYLES
};

/* Printable ASCII alone. */
struct fs_cell {
	char c;
	unsigned char style; /* enum fs_style */
};

struct fs_grid {
	unsigned width, height;
	struct fs_cell *cell; /* height rows of width */
};

/* What the user chose, and where in the list of things to choose from it is. */
struct fs_top_screen {
	const struct fs_rates *rates; /* of the tree that is shown */
	size_t tree, ntrees;
	int group; /* of rates->now, or FS_TOP_ALL */
	enum fs_top_sort sort;
	unsigned scroll; /* rows above the first one that is shown */
	double interval; /* seconds */
	bool paused;
	bool help;
	const char *message; /* why nothing moves any more, or NULL */
};

/* Blanks, with memory for that size; fs_grid_free() frees it. */
void fs_grid_make(struct fs_grid *grid, unsigned width, unsigned height);
void fs_grid_free(struct fs_grid *grid);
/* Fills the grid, whatever its size. */
void fs_top_layout(struct fs_grid *grid, const struct fs_top_screen *screen);
/* Rows of cores that a grid of that height has room for. */
unsigned fs_top_page(unsigned height);

/* Keys beyond the characters. */
enum fs_key {
	FS_KEY_NONE = 0,
	FS_KEY_UP = 0x100,
	FS_KEY_DOWN,
	FS_KEY_PAGE_UP,
	FS_KEY_PAGE_DOWN,
	FS_KEY_HOME,
	FS_KEY_END,
	FS_KEY_OTHER, /* the size of the terminal changed, or nothing that has a meaning */
};

/* Takes the terminal over. NULL, or why it cannot. */
const char *fs_screen_begin(void);
/* Gives it back as it was. */
void fs_screen_end(void);
void fs_screen_size(unsigned *width, unsigned *height);
void fs_screen_draw(const struct fs_grid *grid);
/* The next key that waits, or FS_KEY_NONE. */
int fs_screen_key(void);

/* The loop, until the user quits. The exit status, after a message when it is not 0. */
int fs_top_run(int pid);

#endif
