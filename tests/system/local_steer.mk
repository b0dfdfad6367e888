# Steering by port: the command, and connections between network namespaces.
STEER_TESTS = \
	tests/system/steer_cli.test \
	tests/system/steer_veth.test

TESTS += $(STEER_TESTS)
EXTRA_DIST += $(STEER_TESTS)

if STEER
check_PROGRAMS += tests/lib/steer_ports
tests_lib_steer_ports_SOURCES = tests/lib/steer_ports.c
tests_lib_steer_ports_CFLAGS = $(AM_CFLAGS) $(LIBBPF_CFLAGS)
tests_lib_steer_ports_LDADD = $(LIBBPF_LIBS)
endif
