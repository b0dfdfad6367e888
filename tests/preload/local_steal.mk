# Stories about stealing: workers that do not serve, and who serves in their stead.

STORIES += \
	tests/preload/stuck_epoll.pre \
	tests/preload/stuck_epoll_modes.pre \
	tests/preload/stuck_poll_accept.pre \
	tests/preload/threads_stuck_accept.pre \
	tests/preload/threads_stuck_epoll.pre \
	tests/preload/threads_stuck_poll.pre

tests_preload_stuck_epoll_pre_SOURCES = tests/preload/stuck_epoll.c tests/preload/stuck.h
tests_preload_stuck_epoll_pre_LDADD = $(STORY_LDADD)
tests_preload_stuck_epoll_modes_pre_SOURCES = tests/preload/stuck_epoll_modes.c tests/preload/stuck.h
tests_preload_stuck_epoll_modes_pre_LDADD = $(STORY_LDADD)
tests_preload_stuck_poll_accept_pre_SOURCES = tests/preload/stuck_poll_accept.c tests/preload/stuck.h
tests_preload_stuck_poll_accept_pre_LDADD = $(STORY_LDADD)
tests_preload_threads_stuck_accept_pre_SOURCES = tests/preload/threads_stuck.c tests/preload/stuck.h
tests_preload_threads_stuck_accept_pre_LDADD = $(STORY_LDADD)
tests_preload_threads_stuck_accept_pre_CPPFLAGS = $(AM_CPPFLAGS) -DLOOP=H_LOOP_ACCEPT
tests_preload_threads_stuck_epoll_pre_SOURCES = tests/preload/threads_stuck.c tests/preload/stuck.h
tests_preload_threads_stuck_epoll_pre_LDADD = $(STORY_LDADD)
tests_preload_threads_stuck_epoll_pre_CPPFLAGS = $(AM_CPPFLAGS) -DLOOP=H_LOOP_EPOLL
tests_preload_threads_stuck_poll_pre_SOURCES = tests/preload/threads_stuck.c tests/preload/stuck.h
tests_preload_threads_stuck_poll_pre_LDADD = $(STORY_LDADD)
tests_preload_threads_stuck_poll_pre_CPPFLAGS = $(AM_CPPFLAGS) -DLOOP=H_LOOP_POLL
