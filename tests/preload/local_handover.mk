# Stories about what goes from one process to another: through execve(), to a second
# process of the server, and to those who stay when a worker ends.

STORIES += \
	tests/preload/exec_fails.pre \
	tests/preload/exec_forged.pre \
	tests/preload/exec_forged_tree.pre \
	tests/preload/exit_last.pre \
	tests/preload/exit_recount.pre \
	tests/preload/heir_joins.pre \
	tests/preload/heir_squatted.pre \
	tests/preload/heir_stranger.pre

tests_preload_exec_fails_pre_SOURCES = tests/preload/exec_fails.c
tests_preload_exec_fails_pre_LDADD = $(STORY_LDADD)
tests_preload_exec_forged_pre_SOURCES = tests/preload/exec_forged.c tests/preload/exec_forged.h tests/preload/exec_seen.h
tests_preload_exec_forged_pre_LDADD = $(STORY_LDADD)
tests_preload_exec_forged_tree_pre_SOURCES = tests/preload/exec_forged_tree.c tests/preload/exec_forged.h tests/preload/exec_seen.h
tests_preload_exec_forged_tree_pre_LDADD = $(STORY_LDADD)
tests_preload_exit_last_pre_SOURCES = tests/preload/exit_last.c
tests_preload_exit_last_pre_LDADD = $(STORY_LDADD)
tests_preload_exit_recount_pre_SOURCES = tests/preload/exit_recount.c
tests_preload_exit_recount_pre_LDADD = $(STORY_LDADD)
tests_preload_heir_joins_pre_SOURCES = tests/preload/heir_joins.c tests/preload/heir_peer.h
tests_preload_heir_joins_pre_LDADD = $(STORY_LDADD)
tests_preload_heir_squatted_pre_SOURCES = tests/preload/heir_squatted.c tests/preload/heir_peer.h
tests_preload_heir_squatted_pre_LDADD = $(STORY_LDADD)
tests_preload_heir_stranger_pre_SOURCES = tests/preload/heir_stranger.c tests/preload/heir_peer.h
tests_preload_heir_stranger_pre_LDADD = $(STORY_LDADD)
