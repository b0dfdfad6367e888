# Units of the fastsock command; local.mk says what UNIT_PURE and the others are.
UNIT_PURE += \
	tests/unit/test_rates \
	tests/unit/test_top

tests_unit_test_rates_SOURCES = tests/unit/test_rates.c src/cli/tree/rates.c src/cli/tree/counters.c tests/lib/unit.h
tests_unit_test_rates_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_rates_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_rates_LDADD = $(UNIT_LDADD)

tests_unit_test_top_SOURCES = tests/unit/test_top.c src/cli/top/top_layout.c src/cli/top/top_rows.c src/cli/tree/rates.c \
	src/cli/tree/counters.c tests/lib/unit.h
tests_unit_test_top_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_top_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_top_LDADD = $(UNIT_LDADD)
