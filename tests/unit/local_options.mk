# Units of the configuration and of messages; local.mk says what UNIT_PURE and the others are.
UNIT_PURE += \
	tests/unit/test_listen_filter \
	tests/unit/test_log \
	tests/unit/test_options

tests_unit_test_log_SOURCES = tests/unit/test_log.c tests/lib/unit.h
tests_unit_test_log_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_log_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_log_LDADD = $(UNIT_LDADD)
tests_unit_test_log_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=fs_sys_now_us

tests_unit_test_options_SOURCES = tests/unit/test_options.c tests/unit/options_check.h tests/lib/unit.h
tests_unit_test_options_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_options_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_options_LDADD = $(UNIT_LDADD)

tests_unit_test_listen_filter_SOURCES = tests/unit/test_listen_filter.c tests/unit/options_check.h tests/lib/unit.h
tests_unit_test_listen_filter_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_listen_filter_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_listen_filter_LDADD = $(UNIT_LDADD)

TESTS += tests/unit/messages.test
EXTRA_DIST += tests/unit/messages.test
