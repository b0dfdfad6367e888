# The simulation of stealing and balancing. Pure: it runs under user-mode emulation, too.
check_PROGRAMS += tests/sim/steal_sim
TESTS += tests/sim/steal_sim
tests_sim_steal_sim_SOURCES = \
	tests/sim/steal_sim.c \
	tests/sim/thread.c \
	tests/sim/trace.c tests/sim/trace.h \
	tests/sim/world.c tests/sim/world.h
tests_sim_steal_sim_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/tests/sim
tests_sim_steal_sim_LDADD = libfastsock_core.la -lm

EXTRA_DIST += tests/sim/plot.gp docs/steal-simulation.png

# Regenerates the figure of docs/ in the source; needs gnuplot.
plots: tests/sim/steal_sim
	tests/sim/steal_sim --plot sim-without.dat sim-with.dat
	gnuplot -e "without='sim-without.dat'; with_stealing='sim-with.dat'; \
		out='$(top_srcdir)/docs/steal-simulation.png'" $(top_srcdir)/tests/sim/plot.gp
CLEANFILES += sim-without.dat sim-with.dat

.PHONY: plots
