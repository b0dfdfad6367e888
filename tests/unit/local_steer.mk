# Units of the XDP program, where it can be compiled. They need root, or skip.
EXTRA_DIST += tests/unit/frame.h tests/unit/port_steer_check.h

if STEER
UNIT_STEER = \
	tests/unit/test_port_steer \
	tests/unit/test_port_steer_fuzz
check_PROGRAMS += $(UNIT_STEER)
TESTS += $(UNIT_STEER)

tests_unit_test_port_steer_SOURCES = tests/unit/test_port_steer.c
tests_unit_test_port_steer_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_port_steer_CFLAGS = $(UNIT_CFLAGS) $(LIBBPF_CFLAGS) -fno-strict-aliasing
tests_unit_test_port_steer_LDADD = libfastsock_bpf.la $(UNIT_LDADD)

tests_unit_test_port_steer_fuzz_SOURCES = tests/unit/test_port_steer_fuzz.c
tests_unit_test_port_steer_fuzz_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_port_steer_fuzz_CFLAGS = $(UNIT_CFLAGS) $(LIBBPF_CFLAGS) -fno-strict-aliasing
tests_unit_test_port_steer_fuzz_LDADD = libfastsock_bpf.la $(UNIT_LDADD)
endif
