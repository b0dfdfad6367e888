# What `fastsock run` and `fastsock stat` do, seen from outside.
check_PROGRAMS += tests/lib/make_region
tests_lib_make_region_SOURCES = tests/lib/make_region.c

TESTS += tests/system/test_cli.sh
EXTRA_DIST += tests/system/test_cli.sh
