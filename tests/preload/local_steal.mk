# Stories about stealing: workers that do not serve, and who serves in their stead.

STORIES += \
	tests/preload/lingering.pre \
	tests/preload/no_more_processes.pre \
	tests/preload/one_wakeup.pre \
	tests/preload/open_balance.pre \
	tests/preload/open_balance_off.pre \
	tests/preload/open_count.pre \
	tests/preload/open_slots.pre \
	tests/preload/parked_asleep.pre \
	tests/preload/steal_idle.pre \
	tests/preload/steal_turn.pre \
	tests/preload/stealing_children.pre \
	tests/preload/stealing_thread.pre \
	tests/preload/stuck_back.pre \
	tests/preload/stuck_dead.pre \
	tests/preload/stuck_epoll.pre \
	tests/preload/stuck_epoll_modes.pre \
	tests/preload/stuck_epoll_nested.pre \
	tests/preload/stuck_first_wait.pre \
	tests/preload/stuck_herd.pre \
	tests/preload/stuck_no_stealing.pre \
	tests/preload/stuck_poll_accept.pre \
	tests/preload/stuck_shared.pre \
	tests/preload/stuck_stopped.pre \
	tests/preload/stuck_takeover.pre \
	tests/preload/stuck_unheard.pre \
	tests/preload/threads_no_more.pre \
	tests/preload/threads_stuck_accept.pre \
	tests/preload/threads_stuck_epoll.pre \
	tests/preload/threads_stuck_poll.pre \
	tests/preload/two_listeners.pre

tests_preload_lingering_pre_SOURCES = tests/preload/lingering.c tests/preload/asleep.h
tests_preload_lingering_pre_LDADD = $(STORY_LDADD)
tests_preload_no_more_processes_pre_SOURCES = tests/preload/no_more_processes.c tests/preload/no_more.h
tests_preload_no_more_processes_pre_LDADD = $(STORY_LDADD)
tests_preload_one_wakeup_pre_SOURCES = tests/preload/one_wakeup.c
tests_preload_one_wakeup_pre_LDADD = $(STORY_LDADD)
tests_preload_open_balance_pre_SOURCES = tests/preload/open_balance.c
tests_preload_open_balance_pre_LDADD = $(STORY_LDADD)
tests_preload_open_balance_pre_CPPFLAGS = $(AM_CPPFLAGS) -DSTEAL='"on"' -DBALANCE='"on"' -DEXPECT='"spread"'
tests_preload_open_balance_off_pre_SOURCES = tests/preload/open_balance.c
tests_preload_open_balance_off_pre_LDADD = $(STORY_LDADD)
tests_preload_open_balance_off_pre_CPPFLAGS = $(AM_CPPFLAGS) -DSTEAL='"off"' -DBALANCE='"off"' -DEXPECT='"all at one worker"'
tests_preload_open_count_pre_SOURCES = tests/preload/open_count.c
tests_preload_open_count_pre_LDADD = $(STORY_LDADD)
tests_preload_open_slots_pre_SOURCES = tests/preload/open_slots.c
tests_preload_open_slots_pre_LDADD = $(STORY_LDADD)
tests_preload_parked_asleep_pre_SOURCES = tests/preload/parked_asleep.c
tests_preload_parked_asleep_pre_LDADD = $(STORY_LDADD)
tests_preload_steal_idle_pre_SOURCES = tests/preload/steal_idle.c
tests_preload_steal_idle_pre_LDADD = $(STORY_LDADD)
tests_preload_steal_turn_pre_SOURCES = tests/preload/steal_turn.c
tests_preload_steal_turn_pre_LDADD = $(STORY_LDADD)
tests_preload_stealing_children_pre_SOURCES = tests/preload/stealing_children.c
tests_preload_stealing_children_pre_LDADD = $(STORY_LDADD)
tests_preload_stealing_thread_pre_SOURCES = tests/preload/stealing_thread.c
tests_preload_stealing_thread_pre_LDADD = $(STORY_LDADD)
tests_preload_stuck_back_pre_SOURCES = tests/preload/stuck_back.c tests/preload/freeze.h
tests_preload_stuck_back_pre_LDADD = $(STORY_LDADD)
tests_preload_stuck_dead_pre_SOURCES = tests/preload/stuck_dead.c
tests_preload_stuck_dead_pre_LDADD = $(STORY_LDADD)
tests_preload_stuck_epoll_pre_SOURCES = tests/preload/stuck_epoll.c tests/preload/stuck.h
tests_preload_stuck_epoll_pre_LDADD = $(STORY_LDADD)
tests_preload_stuck_epoll_modes_pre_SOURCES = tests/preload/stuck_epoll_modes.c tests/preload/stuck.h
tests_preload_stuck_epoll_modes_pre_LDADD = $(STORY_LDADD)
tests_preload_stuck_epoll_nested_pre_SOURCES = tests/preload/stuck_epoll_nested.c tests/preload/stuck.h
tests_preload_stuck_epoll_nested_pre_LDADD = $(STORY_LDADD)
tests_preload_stuck_first_wait_pre_SOURCES = tests/preload/stuck_first_wait.c
tests_preload_stuck_first_wait_pre_LDADD = $(STORY_LDADD)
tests_preload_stuck_herd_pre_SOURCES = tests/preload/stuck_herd.c
tests_preload_stuck_herd_pre_LDADD = $(STORY_LDADD)
tests_preload_stuck_no_stealing_pre_SOURCES = tests/preload/stuck_no_stealing.c
tests_preload_stuck_no_stealing_pre_LDADD = $(STORY_LDADD)
tests_preload_stuck_poll_accept_pre_SOURCES = tests/preload/stuck_poll_accept.c tests/preload/stuck.h
tests_preload_stuck_poll_accept_pre_LDADD = $(STORY_LDADD)
tests_preload_stuck_shared_pre_SOURCES = tests/preload/stuck_shared.c
tests_preload_stuck_shared_pre_LDADD = $(STORY_LDADD)
tests_preload_stuck_stopped_pre_SOURCES = tests/preload/stuck_stopped.c
tests_preload_stuck_stopped_pre_LDADD = $(STORY_LDADD)
tests_preload_stuck_takeover_pre_SOURCES = tests/preload/stuck_takeover.c
tests_preload_stuck_takeover_pre_LDADD = $(STORY_LDADD)
tests_preload_stuck_unheard_pre_SOURCES = tests/preload/stuck_unheard.c
tests_preload_stuck_unheard_pre_LDADD = $(STORY_LDADD)
tests_preload_threads_no_more_pre_SOURCES = tests/preload/threads_no_more.c tests/preload/no_more.h
tests_preload_threads_no_more_pre_LDADD = $(STORY_LDADD)
tests_preload_threads_stuck_accept_pre_SOURCES = tests/preload/threads_stuck.c tests/preload/stuck.h
tests_preload_threads_stuck_accept_pre_LDADD = $(STORY_LDADD)
tests_preload_threads_stuck_accept_pre_CPPFLAGS = $(AM_CPPFLAGS) -DLOOP=H_LOOP_ACCEPT
tests_preload_threads_stuck_epoll_pre_SOURCES = tests/preload/threads_stuck.c tests/preload/stuck.h
tests_preload_threads_stuck_epoll_pre_LDADD = $(STORY_LDADD)
tests_preload_threads_stuck_epoll_pre_CPPFLAGS = $(AM_CPPFLAGS) -DLOOP=H_LOOP_EPOLL
tests_preload_threads_stuck_poll_pre_SOURCES = tests/preload/threads_stuck.c tests/preload/stuck.h
tests_preload_threads_stuck_poll_pre_LDADD = $(STORY_LDADD)
tests_preload_threads_stuck_poll_pre_CPPFLAGS = $(AM_CPPFLAGS) -DLOOP=H_LOOP_POLL
tests_preload_two_listeners_pre_SOURCES = tests/preload/two_listeners.c
tests_preload_two_listeners_pre_LDADD = $(STORY_LDADD)
