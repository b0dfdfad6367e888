# Steering by port: the command, and connections between network namespaces.
STEER_TESTS = \
	tests/system/connect_children.test \
	tests/system/connect_interrupted.test \
	tests/system/connect_old_kernel.test \
	tests/system/connect_proxy.test \
	tests/system/connect_robust.test \
	tests/system/connect_scope.test \
	tests/system/connect_time_wait.test \
	tests/system/connect_veth.test \
	tests/system/connect_vlan.test \
	tests/system/steer_cli.test \
	tests/system/steer_range.test \
	tests/system/steer_veth.test

TESTS += $(STEER_TESTS)
EXTRA_DIST += $(STEER_TESTS) tests/system/connect.sh tests/system/netns.sh

check_PROGRAMS += tests/lib/connect_calls tests/lib/connect_children
tests_lib_connect_calls_SOURCES = tests/lib/connect_calls.c tests/lib/endpoint.h
tests_lib_connect_children_SOURCES = tests/lib/connect_children.c tests/lib/endpoint.h
check_PROGRAMS += tests/lib/two_destinations
tests_lib_two_destinations_SOURCES = tests/lib/two_destinations.c tests/lib/old_kernel.h

CONNECTING = tests/lib/connecting.c tests/lib/connecting.h tests/lib/endpoint.h
check_PROGRAMS += tests/lib/connect_interrupted tests/lib/connect_robust
tests_lib_connect_interrupted_SOURCES = tests/lib/connect_interrupted.c $(CONNECTING)
tests_lib_connect_interrupted_LDADD = -lpthread
tests_lib_connect_robust_SOURCES = tests/lib/connect_robust.c tests/lib/old_kernel.h $(CONNECTING)

if STEER
check_PROGRAMS += tests/lib/steer_ports
tests_lib_steer_ports_SOURCES = tests/lib/steer_ports.c
tests_lib_steer_ports_CFLAGS = $(AM_CFLAGS) $(LIBBPF_CFLAGS)
tests_lib_steer_ports_LDADD = $(LIBBPF_LIBS)
endif
