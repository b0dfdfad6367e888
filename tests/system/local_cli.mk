# What `fastsock run` and `fastsock stat` do, seen from outside.
check_PROGRAMS += tests/lib/make_region
tests_lib_make_region_SOURCES = tests/lib/make_region.c

CLI_TESTS = \
	tests/system/test_cli.sh \
	tests/system/test_stat.sh \
	tests/system/top.test
TESTS += $(CLI_TESTS)
EXTRA_DIST += $(CLI_TESTS)
