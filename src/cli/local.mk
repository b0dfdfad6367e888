# The fastsock command. It looks for the library where this installation puts libraries.
bin_PROGRAMS += fastsock
fastsock_SOURCES = \
	src/cli/cli.h \
	src/cli/command.c \
	src/cli/command.h \
	src/cli/cpu_list.c \
	src/cli/cpu_list.h \
	src/cli/error.c \
	src/cli/json.c \
	src/cli/json.h \
	src/cli/library.c \
	src/cli/library.h \
	src/cli/main.c \
	src/cli/pool.c \
	src/cli/pool.h \
	src/cli/put.c \
	src/cli/put.h \
	src/cli/run.c \
	src/cli/rundir.c \
	src/cli/rundir.h \
	src/cli/stop.c \
	src/cli/stop.h \
	src/cli/utf8.c \
	src/cli/utf8.h \
	src/cli/doctor/doctor.c \
	src/cli/doctor/doctor.h \
	src/cli/doctor/doctor_groups.c \
	src/cli/doctor/doctor_io_uring.c \
	src/cli/doctor/doctor_library.c \
	src/cli/doctor/doctor_machine.c \
	src/cli/doctor/doctor_network.c \
	src/cli/doctor/doctor_parse.c \
	src/cli/doctor/doctor_parse.h \
	src/cli/doctor/doctor_prefix.c \
	src/cli/doctor/doctor_process.c \
	src/cli/doctor/doctor_program.c \
	src/cli/doctor/doctor_report.c \
	src/cli/doctor/elf.c \
	src/cli/doctor/elf.h \
	src/cli/nic/nic.c \
	src/cli/nic/nic.h \
	src/cli/nic/nic_change.c \
	src/cli/nic/nic_files.h \
	src/cli/nic/nic_mask.c \
	src/cli/nic/nic_plan.c \
	src/cli/nic/nic_plan.h \
	src/cli/nic/nic_plan_lines.c \
	src/cli/nic/nic_plan_masks.c \
	src/cli/nic/nic_print.c \
	src/cli/nic/nic_read.c \
	src/cli/nic/nic_record.c \
	src/cli/nic/nic_settings.c \
	src/cli/stat/report.h \
	src/cli/stat/report_json.c \
	src/cli/stat/report_prometheus.c \
	src/cli/stat/report_text.c \
	src/cli/stat/stat.c \
	src/cli/stat/stat.h \
	src/cli/stat/stat_report.c \
	src/cli/stat/stat_watch.c \
	src/cli/steer/steer.c \
	src/cli/steer/steer.h \
	src/cli/top/top.c \
	src/cli/top/top.h \
	src/cli/tree/counters.c \
	src/cli/tree/counters.h \
	src/cli/tree/find.c \
	src/cli/tree/find.h \
	src/cli/tree/proc.c \
	src/cli/tree/proc.h \
	src/cli/tree/queues.c \
	src/cli/tree/queues.h \
	src/cli/tree/rates.c \
	src/cli/tree/rates.h \
	src/cli/tree/sample.c \
	src/cli/tree/sample.h \
	src/cli/tree/view.c \
	src/cli/tree/view.h
fastsock_CPPFLAGS = $(AM_CPPFLAGS) -DFS_BINDIR='"$(bindir)"' -DFS_LIBDIR='"$(libdir)"'
fastsock_LDADD = libfastsock_core.la
if STEER
fastsock_SOURCES += \
	src/cli/steer/steer_attach.c \
	src/cli/steer/steer_common.c \
	src/cli/steer/steer_note.c \
	src/cli/steer/steer_offload.c \
	src/cli/steer/steer_status.c
fastsock_LDADD += libfastsock_bpf.la
endif
if TOP
fastsock_SOURCES += \
	src/cli/top/top_layout.c \
	src/cli/top/top_rows.c \
	src/cli/top/top_run.c \
	src/cli/top/top_screen.c
fastsock_CPPFLAGS += $(NCURSES_CFLAGS)
fastsock_LDADD += $(NCURSES_LIBS)
endif
