# Load whose every outcome is counted, for tests in which workers come and go.
# Sourced after lib.sh; POSIX sh.
# shellcheck shell=sh

LOAD_CLIENT=${LOAD_CLIENT:-$PWD/bench/pinned_client}
# Connections of each CPU's client at once.
AT_ONCE=16

# outcomes_begin PORT TIMEOUT_MS: load from both CPUs until outcomes_end.
outcomes_begin() {
	"$LOAD_CLIENT" --port "$1" --cpus "$cpu0,$cpu1" --connections $AT_ONCE --timeout "$2" --milliseconds 600000 \
		>"$dir/load.out" 2>"$dir/load.err" &
	load_pid=$!
	pids="$pids $load_pid"
	sleep 0.3
}

outcomes_end() {
	sleep 0.3
	kill -TERM "$load_pid"
	wait "$load_pid" || fail "the load generator ended with $?: $(cat "$dir/load.err")"
	pids=$(echo " $pids " | sed "s/ $load_pid / /")
	[ "$(outcome requests)" -gt 0 ] || fail "no request was answered"
}

# outcome NAME: requests, refused, reset, cut, timed_out, other, errors.
outcome() {
	sed -n "s/^$1 //p" "$dir/load.out"
}

# expect_outcomes WHAT LIMIT NAME...: of these there may be LIMIT, and none of any other.
expect_outcomes() {
	what=$1
	limit=$2
	shift 2
	allowed=0
	for name; do
		allowed=$((allowed + $(outcome "$name")))
	done
	if [ "$(outcome errors)" -gt "$allowed" ] || [ "$allowed" -gt "$limit" ]; then
		fail "$what: $(tr '\n' ' ' <"$dir/load.out")"
	fi
	ok "$what: $(outcome requests) answered, $allowed of at most $limit lost with their worker"
}

# until_true TRIES COMMAND...: every 0.1 s.
until_true() {
	tries=$1
	shift
	while ! "$@"; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		sleep 0.1
	done
}
