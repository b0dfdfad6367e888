# Where bash-completion looks, for any prefix that is in XDG_DATA_DIRS.
bashcompletiondir = $(datadir)/bash-completion/completions
dist_bashcompletion_DATA = completions/fastsock
