# The XDP program and its loader, where there are clang and libbpf. The command and the tests share them.
EXTRA_DIST += src/bpf/port_steer.bpf.c

if STEER
noinst_LTLIBRARIES += libfastsock_bpf.la
libfastsock_bpf_la_SOURCES = \
	src/bpf/inspect.c \
	src/bpf/loader.c \
	src/bpf/loader.h \
	src/bpf/object.c \
	src/bpf/object.h \
	src/bpf/port_steer.h
libfastsock_bpf_la_CFLAGS = $(AM_CFLAGS) $(LIBBPF_CFLAGS)
libfastsock_bpf_la_LIBADD = $(LIBBPF_LIBS)

# -g makes the BTF that libbpf reads the maps' definitions from.
src/bpf/port_steer.bpf.o: src/bpf/port_steer.bpf.c src/bpf/port_steer.h
	$(AM_V_GEN)$(MKDIR_P) src/bpf && $(BPF_CLANG) -target $(BPF_TARGET) -std=gnu11 -O2 -g -fdebug-compilation-dir=. \
		-Wall -Wextra $(WERROR) -I$(srcdir)/src/bpf $(BPF_CPPFLAGS) \
		-c -o $@ $(srcdir)/src/bpf/port_steer.bpf.c
CLEANFILES += src/bpf/port_steer.bpf.o

# object.c assembles it in by name, which the compiler's own list of dependencies does not show.
$(libfastsock_bpf_la_OBJECTS): src/bpf/port_steer.bpf.o
endif
