# What `fastsock nic` decides.
check_PROGRAMS += tests/unit/test_nic_plan
TESTS += tests/unit/test_nic_plan
tests_unit_test_nic_plan_SOURCES = tests/unit/test_nic_plan.c tests/lib/unit.h \
	src/cli/nic/nic.h src/cli/nic/nic_mask.c src/cli/nic/nic_plan.c src/cli/nic/nic_plan.h src/cli/nic/nic_plan_lines.c src/cli/nic/nic_plan_masks.c \
	src/cli/nic/nic_settings.c src/cli/pool.c src/cli/pool.h
tests_unit_test_nic_plan_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_nic_plan_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_nic_plan_LDADD = $(UNIT_LDADD)
