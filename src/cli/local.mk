# The fastsock command. It looks for the library where this installation puts libraries.
bin_PROGRAMS += fastsock
fastsock_SOURCES = \
	src/cli/cli.h \
	src/cli/command.c \
	src/cli/command.h \
	src/cli/counters.c \
	src/cli/counters.h \
	src/cli/doctor.c \
	src/cli/doctor.h \
	src/cli/doctor_groups.c \
	src/cli/doctor_io_uring.c \
	src/cli/doctor_library.c \
	src/cli/doctor_machine.c \
	src/cli/doctor_network.c \
	src/cli/doctor_parse.c \
	src/cli/doctor_parse.h \
	src/cli/doctor_process.c \
	src/cli/doctor_program.c \
	src/cli/doctor_report.c \
	src/cli/elf.c \
	src/cli/elf.h \
	src/cli/find.c \
	src/cli/find.h \
	src/cli/json.c \
	src/cli/json.h \
	src/cli/library.c \
	src/cli/library.h \
	src/cli/main.c \
	src/cli/nic.c \
	src/cli/nic.h \
	src/cli/nic_change.c \
	src/cli/nic_files.h \
	src/cli/nic_mask.c \
	src/cli/nic_plan.c \
	src/cli/nic_plan.h \
	src/cli/nic_plan_masks.c \
	src/cli/nic_print.c \
	src/cli/nic_read.c \
	src/cli/nic_record.c \
	src/cli/nic_settings.c \
	src/cli/pool.c \
	src/cli/pool.h \
	src/cli/proc.c \
	src/cli/proc.h \
	src/cli/put.c \
	src/cli/put.h \
	src/cli/queues.c \
	src/cli/queues.h \
	src/cli/rates.c \
	src/cli/rates.h \
	src/cli/report.h \
	src/cli/report_json.c \
	src/cli/report_prometheus.c \
	src/cli/report_text.c \
	src/cli/run.c \
	src/cli/rundir.c \
	src/cli/rundir.h \
	src/cli/sample.c \
	src/cli/sample.h \
	src/cli/stat.c \
	src/cli/stat.h \
	src/cli/stat_watch.c \
	src/cli/steer.c \
	src/cli/steer.h \
	src/cli/stop.c \
	src/cli/stop.h \
	src/cli/top.c \
	src/cli/top.h \
	src/cli/utf8.c \
	src/cli/utf8.h \
	src/cli/version.h \
	src/cli/view.c \
	src/cli/view.h
fastsock_CPPFLAGS = $(AM_CPPFLAGS) -DFS_BINDIR='"$(bindir)"' -DFS_LIBDIR='"$(libdir)"'
fastsock_LDADD = libfastsock_core.la
if STEER
fastsock_SOURCES += \
	src/cli/steer_attach.c \
	src/cli/steer_note.c \
	src/cli/steer_offload.c \
	src/cli/steer_status.c
fastsock_LDADD += libfastsock_bpf.la
endif
if TOP
fastsock_SOURCES += \
	src/cli/top_layout.c \
	src/cli/top_rows.c \
	src/cli/top_run.c \
	src/cli/top_screen.c
fastsock_CPPFLAGS += $(NCURSES_CFLAGS)
fastsock_LDADD += $(NCURSES_LIBS)
endif
