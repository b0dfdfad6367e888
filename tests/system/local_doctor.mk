# What `fastsock doctor` finds.
DOCTOR_TESTS = \
	tests/system/doctor_machine.test \
	tests/system/doctor_process.test \
	tests/system/doctor_program.test

TESTS += $(DOCTOR_TESTS)
EXTRA_DIST += $(DOCTOR_TESTS) tests/system/doctor.sh

check_PROGRAMS += tests/lib/doctor_server tests/lib/refuse
tests_lib_refuse_SOURCES = tests/lib/refuse.c
tests_lib_doctor_server_SOURCES = tests/lib/doctor_server.c
