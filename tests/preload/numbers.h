/*
 * For programs that use descriptor numbers of their own choice, and hit on those that the
 * library hides.
 */
#ifndef NUMBERS_H
#define NUMBERS_H

#include "harness.h"

/* All that are open now are the program's own. */
void h_know_all(void);
void h_know(int fd);
/* dup2() onto every open descriptor that the program does not know; reports how that went. */
void h_take_numbers(const char *who);

#endif
