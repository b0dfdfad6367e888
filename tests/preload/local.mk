# The preload runner and its stories: each program runs without and with the
# library, as a test of its own.

TEST_EXTENSIONS = .test .pre
PRE_LOG_COMPILER = $(SHELL) $(top_srcdir)/tests/preload/run-preload.sh

STORIES = \
	tests/preload/accept_args.pre \
	tests/preload/before_main.pre \
	tests/preload/beyond_limit.pre \
	tests/preload/cancel.pre \
	tests/preload/child_closes.pre \
	tests/preload/children_affinity.pre \
	tests/preload/close_all.pre \
	tests/preload/cpus_subset.pre \
	tests/preload/defer_accept.pre \
	tests/preload/dup.pre \
	tests/preload/dup2_onto_ours.pre \
	tests/preload/eintr.pre \
	tests/preload/epoll_edge.pre \
	tests/preload/epoll_errors.pre \
	tests/preload/epoll_exclusive.pre \
	tests/preload/epoll_nested.pre \
	tests/preload/exec_fds.pre \
	tests/preload/exec_upgrade.pre \
	tests/preload/families.pre \
	tests/preload/few_descriptors.pre \
	tests/preload/fortified.pre \
	tests/preload/global_turn.pre \
	tests/preload/hidden_ioctl.pre \
	tests/preload/listen_filter.pre \
	tests/preload/listen_filter_address.pre \
	tests/preload/many_epoll_workers.pre \
	tests/preload/many_workers.pre \
	tests/preload/nonblock.pre \
	tests/preload/odd_option.pre \
	tests/preload/off.pre \
	tests/preload/one_cpu.pre \
	tests/preload/options.pre \
	tests/preload/other_sockets.pre \
	tests/preload/other_thread_accepts.pre \
	tests/preload/own_steering.pre \
	tests/preload/parked.pre \
	tests/preload/passed_listener.pre \
	tests/preload/pin_app.pre \
	tests/preload/pin_off.pre \
	tests/preload/pinned_workers.pre \
	tests/preload/poll_many.pre \
	tests/preload/prefork_accept.pre \
	tests/preload/prefork_epoll.pre \
	tests/preload/prefork_poll.pre \
	tests/preload/prefork_pselect.pre \
	tests/preload/prefork_select.pre \
	tests/preload/rcvtimeo.pre \
	tests/preload/relisten.pre \
	tests/preload/reopen.pre \
	tests/preload/reuseport_adopted.pre \
	tests/preload/reuseport_shared.pre \
	tests/preload/sandbox_attach.pre \
	tests/preload/sandbox_memfd.pre \
	tests/preload/second_reuseport.pre \
	tests/preload/select_details.pre \
	tests/preload/shared_active.pre \
	tests/preload/dup2_in_worker.pre \
	tests/preload/shared_epoll.pre \
	tests/preload/shutdown_listener.pre \
	tests/preload/signal_handler.pre \
	tests/preload/single_acceptor.pre \
	tests/preload/stale_fd.pre \
	tests/preload/start_twice.pre \
	tests/preload/stderr_closed.pre \
	tests/preload/steer_hash.pre \
	tests/preload/steer_off.pre \
	tests/preload/stops_waiting.pre \
	tests/preload/strangers.pre \
	tests/preload/takes_over.pre \
	tests/preload/threads_accept.pre \
	tests/preload/threads_epoll.pre \
	tests/preload/threads_poll.pre \
	tests/preload/threads_ppoll.pre \
	tests/preload/unspec.pre \
	tests/preload/worker_replaced.pre

include tests/preload/local_steal.mk
include tests/preload/local_handover.mk

# The same interposition by linking: no LD_PRELOAD there.
STORIES_LINKED = tests/preload/prefork_epoll.linked.pre

PRELOAD_TESTS = \
	tests/preload/bad_values.test \
	tests/preload/messages.test \
	tests/preload/symbols.test

check_LTLIBRARIES += tests/preload/libharness.la
check_PROGRAMS += $(STORIES) $(STORIES_LINKED)
TESTS += $(STORIES) $(STORIES_LINKED) $(PRELOAD_TESTS)
EXTRA_DIST += $(PRELOAD_TESTS) tests/preload/run-preload.sh

# bad_values.test runs one of the stories itself.
tests/preload/bad_values.log: tests/preload/single_acceptor.pre
# So does messages.test.
tests/preload/messages.log: tests/preload/odd_option.pre tests/preload/prefork_epoll.pre

tests_preload_libharness_la_SOURCES = \
	tests/preload/clients.c \
	tests/preload/harness.c tests/preload/harness.h \
	tests/preload/numbers.c tests/preload/numbers.h \
	tests/preload/serve.c tests/preload/serve.h
STORY_LDADD = tests/preload/libharness.la -lpthread -ldl

tests_preload_accept_args_pre_SOURCES = tests/preload/accept_args.c
tests_preload_accept_args_pre_LDADD = $(STORY_LDADD)
tests_preload_before_main_pre_SOURCES = tests/preload/before_main.c
tests_preload_before_main_pre_LDADD = $(STORY_LDADD)
tests_preload_cancel_pre_SOURCES = tests/preload/cancel.c
tests_preload_cancel_pre_LDADD = $(STORY_LDADD)
tests_preload_child_closes_pre_SOURCES = tests/preload/child_closes.c
tests_preload_child_closes_pre_LDADD = $(STORY_LDADD)
tests_preload_children_affinity_pre_SOURCES = tests/preload/children_affinity.c
tests_preload_children_affinity_pre_LDADD = $(STORY_LDADD)
tests_preload_close_all_pre_SOURCES = tests/preload/close_all.c
tests_preload_close_all_pre_LDADD = $(STORY_LDADD)
tests_preload_cpus_subset_pre_SOURCES = tests/preload/cpus_subset.c
tests_preload_cpus_subset_pre_LDADD = $(STORY_LDADD)
tests_preload_defer_accept_pre_SOURCES = tests/preload/defer_accept.c
tests_preload_defer_accept_pre_LDADD = $(STORY_LDADD)
tests_preload_dup_pre_SOURCES = tests/preload/dup.c
tests_preload_dup_pre_LDADD = $(STORY_LDADD)
tests_preload_dup2_onto_ours_pre_SOURCES = tests/preload/dup2_onto_ours.c
tests_preload_dup2_onto_ours_pre_LDADD = $(STORY_LDADD)
tests_preload_eintr_pre_SOURCES = tests/preload/eintr.c
tests_preload_eintr_pre_LDADD = $(STORY_LDADD)
tests_preload_epoll_edge_pre_SOURCES = tests/preload/epoll_edge.c
tests_preload_epoll_edge_pre_LDADD = $(STORY_LDADD)
tests_preload_epoll_errors_pre_SOURCES = tests/preload/epoll_errors.c
tests_preload_epoll_errors_pre_LDADD = $(STORY_LDADD)
tests_preload_epoll_exclusive_pre_SOURCES = tests/preload/epoll_exclusive.c
tests_preload_epoll_exclusive_pre_LDADD = $(STORY_LDADD)
tests_preload_epoll_nested_pre_SOURCES = tests/preload/epoll_nested.c
tests_preload_epoll_nested_pre_LDADD = $(STORY_LDADD)
tests_preload_exec_fds_pre_SOURCES = tests/preload/exec_fds.c
tests_preload_exec_fds_pre_LDADD = $(STORY_LDADD)
tests_preload_exec_upgrade_pre_SOURCES = tests/preload/exec_upgrade.c
tests_preload_exec_upgrade_pre_LDADD = $(STORY_LDADD)
tests_preload_families_pre_SOURCES = tests/preload/families.c
tests_preload_families_pre_LDADD = $(STORY_LDADD)
tests_preload_beyond_limit_pre_SOURCES = tests/preload/beyond_limit.c
tests_preload_beyond_limit_pre_LDADD = $(STORY_LDADD)
tests_preload_few_descriptors_pre_SOURCES = tests/preload/few_descriptors.c
tests_preload_few_descriptors_pre_LDADD = $(STORY_LDADD)
tests_preload_fortified_pre_SOURCES = tests/preload/fortified.c
tests_preload_fortified_pre_LDADD = $(STORY_LDADD)
tests_preload_global_turn_pre_SOURCES = tests/preload/global_turn.c
tests_preload_global_turn_pre_LDADD = $(STORY_LDADD)
tests_preload_hidden_ioctl_pre_SOURCES = tests/preload/hidden_ioctl.c
tests_preload_hidden_ioctl_pre_LDADD = $(STORY_LDADD)
tests_preload_listen_filter_pre_SOURCES = tests/preload/listen_filter.c
tests_preload_listen_filter_pre_LDADD = $(STORY_LDADD)
tests_preload_listen_filter_address_pre_SOURCES = tests/preload/listen_filter_address.c
tests_preload_listen_filter_address_pre_LDADD = $(STORY_LDADD)
tests_preload_many_epoll_workers_pre_SOURCES = tests/preload/many_epoll_workers.c
tests_preload_many_epoll_workers_pre_LDADD = $(STORY_LDADD)
tests_preload_many_workers_pre_SOURCES = tests/preload/many_workers.c
tests_preload_many_workers_pre_LDADD = $(STORY_LDADD)
tests_preload_nonblock_pre_SOURCES = tests/preload/nonblock.c
tests_preload_nonblock_pre_LDADD = $(STORY_LDADD)
tests_preload_odd_option_pre_SOURCES = tests/preload/odd_option.c
tests_preload_odd_option_pre_LDADD = $(STORY_LDADD)
tests_preload_off_pre_SOURCES = tests/preload/off.c
tests_preload_off_pre_LDADD = $(STORY_LDADD)
tests_preload_one_cpu_pre_SOURCES = tests/preload/one_cpu.c
tests_preload_one_cpu_pre_LDADD = $(STORY_LDADD)
tests_preload_options_pre_SOURCES = tests/preload/options.c
tests_preload_options_pre_LDADD = $(STORY_LDADD)
tests_preload_other_sockets_pre_SOURCES = tests/preload/other_sockets.c
tests_preload_other_sockets_pre_LDADD = $(STORY_LDADD)
tests_preload_other_thread_accepts_pre_SOURCES = tests/preload/other_thread_accepts.c
tests_preload_other_thread_accepts_pre_LDADD = $(STORY_LDADD)
tests_preload_own_steering_pre_SOURCES = tests/preload/own_steering.c
tests_preload_own_steering_pre_LDADD = $(STORY_LDADD)
tests_preload_parked_pre_SOURCES = tests/preload/parked.c
tests_preload_parked_pre_LDADD = $(STORY_LDADD)
tests_preload_passed_listener_pre_SOURCES = tests/preload/passed_listener.c
tests_preload_passed_listener_pre_LDADD = $(STORY_LDADD)
tests_preload_pin_app_pre_SOURCES = tests/preload/pin_app.c
tests_preload_pin_app_pre_LDADD = $(STORY_LDADD)
tests_preload_pin_off_pre_SOURCES = tests/preload/pin_off.c
tests_preload_pin_off_pre_LDADD = $(STORY_LDADD)
tests_preload_pinned_workers_pre_SOURCES = tests/preload/pinned_workers.c
tests_preload_pinned_workers_pre_LDADD = $(STORY_LDADD)
tests_preload_poll_many_pre_SOURCES = tests/preload/poll_many.c
tests_preload_poll_many_pre_LDADD = $(STORY_LDADD)
tests_preload_prefork_accept_pre_SOURCES = tests/preload/prefork_accept.c
tests_preload_prefork_accept_pre_LDADD = $(STORY_LDADD)
tests_preload_prefork_epoll_pre_SOURCES = tests/preload/prefork_epoll.c
tests_preload_prefork_epoll_pre_LDADD = $(STORY_LDADD)
tests_preload_prefork_poll_pre_SOURCES = tests/preload/prefork_poll.c
tests_preload_prefork_poll_pre_LDADD = $(STORY_LDADD)
tests_preload_prefork_pselect_pre_SOURCES = tests/preload/prefork_pselect.c
tests_preload_prefork_pselect_pre_LDADD = $(STORY_LDADD)
tests_preload_prefork_select_pre_SOURCES = tests/preload/prefork_select.c
tests_preload_prefork_select_pre_LDADD = $(STORY_LDADD)
tests_preload_rcvtimeo_pre_SOURCES = tests/preload/rcvtimeo.c
tests_preload_rcvtimeo_pre_LDADD = $(STORY_LDADD)
tests_preload_relisten_pre_SOURCES = tests/preload/relisten.c
tests_preload_relisten_pre_LDADD = $(STORY_LDADD)
tests_preload_reopen_pre_SOURCES = tests/preload/reopen.c
tests_preload_reopen_pre_LDADD = $(STORY_LDADD)
tests_preload_reuseport_adopted_pre_SOURCES = tests/preload/reuseport_adopted.c
tests_preload_reuseport_adopted_pre_LDADD = $(STORY_LDADD)
tests_preload_reuseport_shared_pre_SOURCES = tests/preload/reuseport_shared.c
tests_preload_reuseport_shared_pre_LDADD = $(STORY_LDADD)
tests_preload_sandbox_attach_pre_SOURCES = tests/preload/sandbox_attach.c tests/preload/seccomp.h
tests_preload_sandbox_attach_pre_LDADD = $(STORY_LDADD)
tests_preload_sandbox_memfd_pre_SOURCES = tests/preload/sandbox_memfd.c tests/preload/seccomp.h
tests_preload_sandbox_memfd_pre_LDADD = $(STORY_LDADD)
tests_preload_second_reuseport_pre_SOURCES = tests/preload/second_reuseport.c
tests_preload_second_reuseport_pre_LDADD = $(STORY_LDADD)
tests_preload_shared_active_pre_SOURCES = tests/preload/shared_active.c
tests_preload_shared_active_pre_LDADD = $(STORY_LDADD)
tests_preload_dup2_in_worker_pre_SOURCES = tests/preload/dup2_in_worker.c
tests_preload_dup2_in_worker_pre_LDADD = $(STORY_LDADD)
tests_preload_select_details_pre_SOURCES = tests/preload/select_details.c
tests_preload_select_details_pre_LDADD = $(STORY_LDADD)
tests_preload_shared_epoll_pre_SOURCES = tests/preload/shared_epoll.c
tests_preload_shared_epoll_pre_LDADD = $(STORY_LDADD)
tests_preload_shutdown_listener_pre_SOURCES = tests/preload/shutdown_listener.c
tests_preload_shutdown_listener_pre_LDADD = $(STORY_LDADD)
tests_preload_signal_handler_pre_SOURCES = tests/preload/signal_handler.c
tests_preload_signal_handler_pre_LDADD = $(STORY_LDADD)
tests_preload_single_acceptor_pre_SOURCES = tests/preload/single_acceptor.c
tests_preload_single_acceptor_pre_LDADD = $(STORY_LDADD)
tests_preload_stale_fd_pre_SOURCES = tests/preload/stale_fd.c
tests_preload_stale_fd_pre_LDADD = $(STORY_LDADD)
tests_preload_start_twice_pre_SOURCES = tests/preload/start_twice.c
tests_preload_start_twice_pre_LDADD = $(STORY_LDADD)
tests_preload_stderr_closed_pre_SOURCES = tests/preload/stderr_closed.c
tests_preload_stderr_closed_pre_LDADD = $(STORY_LDADD)
tests_preload_steer_hash_pre_SOURCES = tests/preload/steer_hash.c
tests_preload_steer_hash_pre_LDADD = $(STORY_LDADD)
tests_preload_steer_off_pre_SOURCES = tests/preload/steer_off.c
tests_preload_steer_off_pre_LDADD = $(STORY_LDADD)
tests_preload_stops_waiting_pre_SOURCES = tests/preload/stops_waiting.c
tests_preload_stops_waiting_pre_LDADD = $(STORY_LDADD)
tests_preload_strangers_pre_SOURCES = tests/preload/strangers.c
tests_preload_strangers_pre_LDADD = $(STORY_LDADD)
tests_preload_takes_over_pre_SOURCES = tests/preload/takes_over.c
tests_preload_takes_over_pre_LDADD = $(STORY_LDADD)
tests_preload_threads_accept_pre_SOURCES = tests/preload/threads_accept.c
tests_preload_threads_accept_pre_LDADD = $(STORY_LDADD)
tests_preload_threads_epoll_pre_SOURCES = tests/preload/threads_epoll.c
tests_preload_threads_epoll_pre_LDADD = $(STORY_LDADD)
tests_preload_threads_poll_pre_SOURCES = tests/preload/threads_poll.c
tests_preload_threads_poll_pre_LDADD = $(STORY_LDADD)
tests_preload_threads_ppoll_pre_SOURCES = tests/preload/threads_ppoll.c
tests_preload_threads_ppoll_pre_LDADD = $(STORY_LDADD)
tests_preload_unspec_pre_SOURCES = tests/preload/unspec.c
tests_preload_unspec_pre_LDADD = $(STORY_LDADD)
tests_preload_worker_replaced_pre_SOURCES = tests/preload/worker_replaced.c
tests_preload_worker_replaced_pre_LDADD = $(STORY_LDADD)

tests_preload_prefork_epoll_linked_pre_SOURCES = tests/preload/prefork_epoll.c
tests_preload_prefork_epoll_linked_pre_LDADD = $(STORY_LDADD) libfastsock.la
tests_preload_prefork_epoll_linked_pre_LDFLAGS = -no-install
