# The library. libfastsock_core is what the preload, the command and the tests share.
libfastsock_core_la_SOURCES = \
	src/sys/sys.c src/sys/sys.h \
	src/core/accept.c src/core/accept.h \
	src/core/active.c src/core/active.h \
	src/core/active_socket.c src/core/active_socket.h \
	src/core/address.c src/core/address.h \
	src/core/balance.c src/core/balance.h \
	src/core/balancing.c src/core/balancing.h \
	src/core/beat.h \
	src/core/binding.c src/core/binding.h \
	src/core/common.h \
	src/core/conn.h \
	src/core/cpus.c src/core/cpus.h \
	src/core/descriptor.c src/core/descriptor.h \
	src/core/destination.c src/core/destination.h \
	src/core/epoll.c src/core/epoll.h src/core/epoll_wait.c \
	src/core/epollinfo.c src/core/epollinfo.h \
	src/core/estate.c src/core/estate.h \
	src/core/fdtab.c src/core/fdtab.h \
	src/core/group.c src/core/group.h \
	src/core/handover.c src/core/handover.h \
	src/core/heir.c src/core/heir.h \
	src/core/help.c src/core/help.h \
	src/core/hub.c src/core/hub.h \
	src/core/inner.c src/core/inner.h \
	src/core/libc.h \
	src/core/lifecycle.c src/core/lifecycle.h \
	src/core/listen.c src/core/listen.h \
	src/core/log.c src/core/log.h \
	src/core/netdiag.c src/core/netdiag.h \
	src/core/nic.c src/core/nic.h \
	src/core/nicinfo.c src/core/nicinfo.h \
	src/core/options.c src/core/options.def src/core/options.h \
	src/core/parking.c src/core/parking.h \
	src/core/path.c src/core/path.h \
	src/core/policy.c src/core/policy.h \
	src/core/portbind.c src/core/portbind.h \
	src/core/portrange.c src/core/portrange.h \
	src/core/ports.c src/core/ports.h \
	src/core/portsteer.c src/core/portsteer.h \
	src/core/process.c src/core/process.h \
	src/core/reasons.c src/core/reasons.def src/core/reasons.h \
	src/core/reg.c src/core/reg.h \
	src/core/region.c src/core/region.h \
	src/core/region_lock.c src/core/region_lock.h \
	src/core/route.c src/core/route.h \
	src/core/rss_text.c src/core/rss_text.h \
	src/core/rxmap.c src/core/rxmap.h \
	src/core/sched.c src/core/sched.h \
	src/core/siblings.c src/core/siblings.h \
	src/core/siphash.c src/core/siphash.h \
	src/core/sockopt.c src/core/sockopt.h \
	src/core/steal.c src/core/steal.h \
	src/core/stealer.c src/core/stealer.h \
	src/core/steer.h src/core/steer_compile.c src/core/steer_plan.c \
	src/core/steering.c src/core/steering.h \
	src/core/strangers.c src/core/strangers.h \
	src/core/target.c src/core/target.h \
	src/core/tick.c src/core/tick.h \
	src/core/toeplitz.c src/core/toeplitz.h \
	src/core/topology.c src/core/topology.h \
	src/core/version.h \
	src/core/waiter.c src/core/waiter.h \
	src/core/worker.c src/core/worker.h \
	src/core/worker_rec.c src/core/worker_rec.h

libfastsock_la_SOURCES = \
	src/core/api.c \
	src/preload/hooks.def \
	src/preload/real.c src/preload/real.h \
	src/preload/descriptors.c \
	src/preload/processes.c \
	src/preload/sockets.c \
	src/preload/start.c src/preload/start.h \
	src/preload/waiting.c
libfastsock_la_LIBADD = libfastsock_core.la
libfastsock_la_LDFLAGS = -version-info 0:0:0 -Wl,--version-script=libfastsock.map -Wl,-z,defs -Wl,-z,now
libfastsock_la_DEPENDENCIES = libfastsock_core.la libfastsock.map

# The symbols that the library exports: the hooks, from their table, and the API.
libfastsock.map: src/preload/hooks.def
	$(AM_V_GEN){ echo '{ global:'; \
	$(SED) -n 's/^FS_HOOK[A-Z_]*([^,]*, \([A-Za-z0-9_]*\), .*/	\1;/p' $(top_srcdir)/src/preload/hooks.def; \
	echo '	fastsock_*;'; echo 'local: *; };'; } >$@.tmp && mv $@.tmp $@
CLEANFILES += libfastsock.map
