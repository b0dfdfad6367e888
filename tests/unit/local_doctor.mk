# What `fastsock doctor` reads; local.mk says what UNIT_PURE and the others are.
UNIT_PURE += tests/unit/test_doctor_parse tests/unit/test_elf tests/unit/test_hidden_room

tests_unit_test_doctor_parse_SOURCES = tests/unit/test_doctor_parse.c src/cli/doctor/doctor_parse.c tests/lib/unit.h
tests_unit_test_doctor_parse_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_doctor_parse_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_doctor_parse_LDADD = $(UNIT_LDADD)

tests_unit_test_elf_SOURCES = tests/unit/test_elf.c src/cli/doctor/elf.c tests/lib/unit.h
tests_unit_test_elf_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_elf_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_elf_LDADD = $(UNIT_LDADD)

tests_unit_test_hidden_room_SOURCES = tests/unit/test_hidden_room.c tests/lib/unit.h
tests_unit_test_hidden_room_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_hidden_room_CFLAGS = $(UNIT_CFLAGS)
tests_unit_test_hidden_room_LDADD = $(UNIT_LDADD)
