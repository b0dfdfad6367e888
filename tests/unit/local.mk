# Unit tests. They run on the Check library where configure found it, and on
# the small runner of tests/lib/unit.h elsewhere (cross builds).

UNIT_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/src -I$(top_srcdir)/tests
UNIT_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
UNIT_LDADD = libfastsock_core.la $(CHECK_LIBS)

# Without system calls worth the name: these run under user-mode emulation too.
UNIT_PURE = \
	tests/unit/test_balance \
	tests/unit/test_balance_open \
	tests/unit/test_cpus \
	tests/unit/test_destination \
	tests/unit/test_policy \
	tests/unit/test_policy_busy \
	tests/unit/test_policy_match \
	tests/unit/test_portsteer \
	tests/unit/test_ports \
	tests/unit/test_rxmap \
	tests/unit/test_steer_plan \
	tests/unit/test_steer_program \
	tests/unit/test_steer_share \
	tests/unit/test_topology \
	tests/unit/test_verdict

UNIT_KERNEL = \
	tests/unit/test_help \
	tests/unit/test_netdiag \
	tests/unit/test_steer_kernel

check_PROGRAMS += $(UNIT_PURE) $(UNIT_KERNEL)
TESTS += $(UNIT_PURE) $(UNIT_KERNEL)

tests_unit_test_balance_SOURCES = tests/unit/test_balance.c tests/unit/balance_check.h tests/lib/unit.h
tests_unit_test_balance_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_balance_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_balance_LDADD = $(UNIT_LDADD)

tests_unit_test_balance_open_SOURCES = tests/unit/test_balance_open.c tests/unit/balance_check.h tests/lib/unit.h
tests_unit_test_balance_open_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_balance_open_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_balance_open_LDADD = $(UNIT_LDADD)

tests_unit_test_cpus_SOURCES = tests/unit/test_cpus.c tests/lib/unit.h
tests_unit_test_cpus_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_cpus_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_cpus_LDADD = $(UNIT_LDADD)

tests_unit_test_destination_SOURCES = tests/unit/test_destination.c tests/lib/unit.h
tests_unit_test_destination_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_destination_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_destination_LDADD = $(UNIT_LDADD)

tests_unit_test_policy_SOURCES = tests/unit/test_policy.c tests/unit/policy_check.h tests/lib/unit.h
tests_unit_test_policy_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_policy_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_policy_LDADD = $(UNIT_LDADD)

tests_unit_test_policy_busy_SOURCES = tests/unit/test_policy_busy.c tests/unit/policy_check.h tests/lib/unit.h
tests_unit_test_policy_busy_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_policy_busy_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_policy_busy_LDADD = $(UNIT_LDADD)

tests_unit_test_policy_match_SOURCES = tests/unit/test_policy_match.c tests/lib/unit.h
tests_unit_test_policy_match_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_policy_match_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_policy_match_LDADD = $(UNIT_LDADD)

tests_unit_test_portsteer_SOURCES = tests/unit/test_portsteer.c tests/lib/unit.h
tests_unit_test_portsteer_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_portsteer_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_portsteer_LDADD = $(UNIT_LDADD)

tests_unit_test_steer_plan_SOURCES = tests/unit/test_steer_plan.c tests/unit/steer_check.h \
	tests/lib/bpf_interp.c tests/lib/bpf_interp.h tests/lib/unit.h
tests_unit_test_steer_plan_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_steer_plan_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_steer_plan_LDADD = $(UNIT_LDADD)

tests_unit_test_steer_program_SOURCES = tests/unit/test_steer_program.c tests/unit/steer_check.h \
	tests/lib/bpf_interp.c tests/lib/bpf_interp.h tests/lib/unit.h
tests_unit_test_steer_program_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_steer_program_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_steer_program_LDADD = $(UNIT_LDADD)

tests_unit_test_steer_share_SOURCES = tests/unit/test_steer_share.c tests/unit/steer_check.h \
	tests/lib/bpf_interp.c tests/lib/bpf_interp.h tests/lib/unit.h
tests_unit_test_steer_share_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_steer_share_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_steer_share_LDADD = $(UNIT_LDADD)

tests_unit_test_topology_SOURCES = tests/unit/test_topology.c tests/lib/unit.h
tests_unit_test_topology_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_topology_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_topology_LDADD = $(UNIT_LDADD)

tests_unit_test_help_SOURCES = tests/unit/test_help.c tests/lib/unit.h
tests_unit_test_help_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_help_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_help_LDADD = $(UNIT_LDADD)

tests_unit_test_netdiag_SOURCES = tests/unit/test_netdiag.c tests/lib/unit.h
tests_unit_test_netdiag_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_netdiag_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_netdiag_LDADD = $(UNIT_LDADD)

tests_unit_test_steer_kernel_SOURCES = tests/unit/test_steer_kernel.c tests/lib/unit.h
tests_unit_test_steer_kernel_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_steer_kernel_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_steer_kernel_LDADD = $(UNIT_LDADD)

tests_unit_test_ports_SOURCES = tests/unit/test_ports.c tests/lib/unit.h
tests_unit_test_ports_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_ports_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_ports_LDADD = $(UNIT_LDADD)

tests_unit_test_rxmap_SOURCES = tests/unit/test_rxmap.c tests/lib/unit.h
tests_unit_test_rxmap_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_rxmap_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_rxmap_LDADD = $(UNIT_LDADD)

tests_unit_test_verdict_SOURCES = tests/unit/test_verdict.c tests/lib/unit.h
tests_unit_test_verdict_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_verdict_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_verdict_LDADD = $(UNIT_LDADD)

# The unit tests alone, and nothing built beside them: what a package's build runs.
check-unit: $(UNIT_PURE) $(UNIT_KERNEL) $(UNIT_STEER)
	$(MAKE) $(AM_MAKEFLAGS) check-TESTS TESTS='$(UNIT_PURE) $(UNIT_KERNEL) $(UNIT_STEER)'

.PHONY: check-unit
