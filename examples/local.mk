# Compiled with the tests, so that it stays true.
check_PROGRAMS += examples/counters
examples_counters_SOURCES = examples/counters.c
examples_counters_CFLAGS = $(AM_CFLAGS) -pthread
examples_counters_LDADD = libfastsock.la

EXTRA_DIST += examples/demo.sh
