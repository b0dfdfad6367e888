/*
 * The terminal of `fastsock top`, and the only user of ncurses. Signals that end the
 * command are the caller's (stop.h); ncurses itself handles being stopped (SIGTSTP)
 * and new sizes (SIGWINCH).
 */
#include "config.h"

#include <curses.h>
#include <stdlib.h>
#include <unistd.h>

#include "top.h"

static SCREEN *terminal;
static attr_t attributes[FS_STYLES];

/* Monochrome: what differs by more than colour on all terminals. */
static void set_styles(void)
{
	static const short colours[FS_STYLES] = {
		[FS_STYLE_LOCAL] = COLOR_GREEN,
		[FS_STYLE_GLOBAL] = COLOR_YELLOW,
		[FS_STYLE_STOLEN] = COLOR_RED,
		[FS_STYLE_WARNING] = COLOR_RED,
	};
	const char *no_color = getenv("NO_COLOR");

	attributes[FS_STYLE_TITLE] = A_BOLD;
	attributes[FS_STYLE_HEADER] = A_REVERSE;
	attributes[FS_STYLE_WARNING] = A_BOLD;
	if ((no_color && *no_color) || !has_colors() || start_color() == ERR)
		return;
	use_default_colors();
	for (short i = 0; i < FS_STYLES; i++) {
		if (colours[i] && init_pair(i, colours[i], -1) == OK)
			attributes[i] |= COLOR_PAIR(i);
	}
}

const char *fs_screen_begin(void)
{
	terminal = newterm(NULL, stdout, stdin);
	if (!terminal)
		return "its kind is not known: TERM has to name one that terminfo(5) knows";
	set_term(terminal);
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	/* A lone escape is no key here; to wait long for what follows one would only delay. */
	set_escdelay(25);
	curs_set(0);
	set_styles();
	return NULL;
}

void fs_screen_end(void)
{
	endwin();
	delscreen(terminal);
	terminal = NULL;
}

void fs_screen_size(unsigned *width, unsigned *height)
{
	int y, x;

	getmaxyx(stdscr, y, x);
	*width = x > 0 ? (unsigned)x : 0;
	*height = y > 0 ? (unsigned)y : 0;
}

void fs_screen_draw(const struct fs_grid *grid)
{
	erase();
	for (unsigned y = 0; y < grid->height; y++) {
		for (unsigned x = 0; x < grid->width; x++) {
			const struct fs_cell *cell = &grid->cell[(size_t)y * grid->width + x];

			if (cell->c != ' ' || cell->style != FS_STYLE_PLAIN)
				mvaddch((int)y, (int)x, (chtype)(unsigned char)cell->c | attributes[cell->style]);
		}
	}
	refresh();
}

int fs_screen_key(void)
{
	int key = getch();

	switch (key) {
	case ERR:
		return FS_KEY_NONE;
	case KEY_UP:
		return FS_KEY_UP;
	case KEY_DOWN:
		return FS_KEY_DOWN;
	case KEY_PPAGE:
		return FS_KEY_PAGE_UP;
	case KEY_NPAGE:
		return FS_KEY_PAGE_DOWN;
	case KEY_HOME:
		return FS_KEY_HOME;
	case KEY_END:
		return FS_KEY_END;
	}
	return key > 0 && key < 0x100 ? key : FS_KEY_OTHER;
}
