# The benchmark's programs are built only when somebody measures: `make bench`.

bench_programs = \
	bench/pinned_client \
	bench/epoll_server \
	bench/hook_cost \
	bench/accept_cost \
	bench/connect_cost \
	bench/queue_watch \
	bench/startup \
	bench/steer_cpu \
	bench/tick_cost

EXTRA_PROGRAMS += $(bench_programs)

bench_pinned_client_SOURCES = \
	bench/pinned_client.c \
	bench/client.c bench/client.h \
	bench/hold.c bench/hold.h \
	bench/request.c bench/request.h \
	bench/histogram.h bench/bench.h
bench_pinned_client_CFLAGS = $(AM_CFLAGS) -pthread
bench_pinned_client_LDADD = -lm
bench_epoll_server_SOURCES = bench/epoll_server.c bench/bench.h
bench_hook_cost_SOURCES = bench/hook_cost.c bench/bench.h
bench_accept_cost_SOURCES = bench/accept_cost.c bench/bench.h
bench_accept_cost_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/include
bench_queue_watch_SOURCES = bench/queue_watch.c bench/listeners.h bench/bench.h
bench_steer_cpu_SOURCES = bench/steer_cpu.c bench/listeners.h
bench_tick_cost_SOURCES = bench/tick_cost.c bench/bench.h
bench_tick_cost_CPPFLAGS = $(AM_CPPFLAGS) -I$(top_srcdir)/src
bench_tick_cost_LDADD = libfastsock_core.la
bench_connect_cost_SOURCES = bench/connect_cost.c bench/bench.h
bench_startup_SOURCES = bench/startup.c bench/bench.h

EXTRA_DIST += \
	bench/run \
	bench/stat \
	bench/steal \
	bench/connect \
	bench/connect_report.py \
	bench/lib.sh \
	bench/rounds.sh \
	bench/charts.py \
	bench/plot.py \
	bench/wrk_percentiles.lua \
	bench/report.py \
	bench/steal_report.py

CLEANFILES += $(bench_programs)

bench-programs: $(bench_programs)

# make bench BENCHFLAGS='--rounds 3 --scenario nginx-close'
bench: all bench-programs
	$(top_srcdir)/bench/run --build $(abs_top_builddir) $(BENCHFLAGS)

# make bench-steal BENCHFLAGS='--quick --scenario stop kill'
bench-steal: all bench-programs
	$(top_srcdir)/bench/steal --build $(abs_top_builddir) $(BENCHFLAGS)

# Milliseconds of fastsock stat with 256 CPUs and 100 listeners.
bench-stat: all tests/lib/make_region
	$(top_srcdir)/bench/stat

# make bench-connect BENCHFLAGS='--scenario proxy', as root
bench-connect: all bench-programs
	$(top_srcdir)/bench/connect --build $(abs_top_builddir) $(BENCHFLAGS)

# The charts of docs/, in the source: for an hour in which the machine does nothing else; needs gnuplot.
bench-charts: all bench-programs
	$(MKDIR_P) bench/results
	$(top_srcdir)/bench/run --build $(abs_top_builddir) --scenario nginx-close nginx-keepalive proxy c-server \
		--json bench/results/charts.json --plots bench/results/charts $(BENCHFLAGS)
	$(top_srcdir)/bench/steal --build $(abs_top_builddir) --scenario stop stall-300 \
		--json bench/results/charts-steal.json --plots bench/results/charts $(BENCHFLAGS)
	cd bench/results/charts && cp rate.png latency.png accepts.png $(abs_top_srcdir)/docs/
	cp bench/results/charts/queue-stall-300.png $(top_srcdir)/docs/stall.png
	cp bench/results/charts/queue-stop.png $(top_srcdir)/docs/stop.png

.PHONY: bench bench-programs bench-charts bench-stat bench-steal bench-connect
