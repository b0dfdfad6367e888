/*
 * Writing to standard output what is written hundreds of thousands of times: a
 * server with 256 CPUs and 100 listeners has a quarter of a million counters, and
 * printf() takes longer to find out what is meant than to write it. Errors stay in
 * the stream, for fs_cli_finish().
 */
#ifndef FS_CLI_PUT_H
#define FS_CLI_PUT_H

#include <stddef.h>
#include <stdint.h>

/* A number needs so many digits at most, and a NUL. */
#define FS_DIGITS_MAX 21

/* The decimal digits at the end of `text`; returns where they start. */
char *fs_format_number(char text[FS_DIGITS_MAX], uint64_t value);

void fs_put_text(const char *text);
void fs_put_bytes(const char *text, size_t len);
void fs_put_number(uint64_t value);
/* 1234567 as "1234.567". */
void fs_put_thousandths(uint64_t value);
/* Right-aligned in a column of that width; what is longer is not cut, and one space stands before it. Width 0: as it is. */
void fs_put_column(const char *text, unsigned width);
void fs_put_number_column(uint64_t value, unsigned width);
void fs_put_spaces(unsigned n);

#endif
