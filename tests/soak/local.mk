# Hours rather than seconds, so no part of `check`: make soak SOAK_SECONDS=3600

EXTRA_PROGRAMS += tests/soak/prefork
tests_soak_prefork_SOURCES = tests/soak/prefork.c
CLEANFILES += tests/soak/prefork
EXTRA_DIST += tests/soak/soak.sh

soak: all tests/soak/prefork tests/lib/pinned_client bench/pinned_client
	$(AM_TESTS_ENVIRONMENT) srcdir='$(srcdir)' \
		SOAK_SECONDS='$(or $(SOAK_SECONDS),600)' bash $(srcdir)/tests/soak/soak.sh

.PHONY: soak
