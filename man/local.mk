# Manual pages. The tables of options and reasons in libfastsock(7) are made of the rows that the code is made of.
dist_man_MANS = \
	man/fastsock.1 \
	man/fastsock_active.3 \
	man/fastsock_core_counters.3 \
	man/fastsock_cores.3 \
	man/fastsock_version.3
nodist_man_MANS = man/libfastsock.7

EXTRA_DIST += man/libfastsock.7.in man/options.awk
CLEANFILES += man/libfastsock.7

man/libfastsock.7: man/libfastsock.7.in man/options.awk src/core/options.def src/core/reasons.def
	$(AM_V_GEN)$(MKDIR_P) man && \
	$(AWK) -f $(srcdir)/man/options.awk $(srcdir)/src/core/options.def $(srcdir)/src/core/reasons.def \
		$(srcdir)/man/libfastsock.7.in >$@.tmp && \
	mv $@.tmp $@
