#!/bin/bash
#
# nginx and a prefork server under load for a long time, while their workers are
# killed, stopped for a while and replaced, at random. Every outcome is counted: none may
# be refused, and what is reset or times out has to be explained by a death or a stop.
# In the end nothing may be left over: connections in a queue, descriptors, processes.
#
# SOAK_SECONDS: how long (default 600). SOAK_SEED: which random numbers (default: the
# time's; printed first).
# shellcheck source-path=SCRIPTDIR/../.. disable=SC1091
. "${srcdir:-.}/tests/system/lib.sh"
setup
. "${srcdir:-.}/tests/system/nginx.sh"
. "${srcdir:-.}/tests/system/outcomes.sh"

SOAK_SECONDS=${SOAK_SECONDS:-600}
SOAK_SEED=${SOAK_SEED:-$(($(date +%s) % 32768))}
PREFORK=${PREFORK:-$PWD/tests/soak/prefork}
# A load lasts so many events; what a client gives up after, and what a stop lasts at the most.
EVENTS=8
TIMEOUT_MS=1000
STOP_MAX_MS=1500
# A worker has at most all clients' connections in hand.
BOTH=$((2 * AT_ONCE))

RANDOM=$SOAK_SEED
echo "seed $SOAK_SEED, $SOAK_SECONDS s"

kills=0 stops=0 events=0

# random MAX: sets `number`, below MAX. Not in a subshell, whose numbers would repeat.
random() {
	number=$((RANDOM % $1))
}

workers() {
	local p

	for p in $(descendants "$pid"); do
		case $({ tr '\0' ' ' <"/proc/$p/cmdline"; } 2>/dev/null) in
		*"is shutting down"*) ;;
		?*) echo "$p" ;;
		esac
	done
}

some_worker() {
	local list

	mapfile -t list < <(workers)
	[ ${#list[@]} -gt 0 ] || fail "no worker is left"
	random ${#list[@]}
	worker=${list[number]}
}

settled() {
	[ "$(descendants "$pid" | wc -l)" = "$1" ]
}

pause_ms() {
	sleep "$(($1 / 1000)).$(printf '%03d' $(($1 % 1000)))"
}

reload() {
	[ ! -e "$conf" ] || sed -i "s/^worker_processes .*/worker_processes $1;/" "$conf"
	kill -HUP "$pid"
}

event() {
	random 10
	events=$((events + 1))
	case $number in
	0 | 1 | 2)
		some_worker
		kill -KILL "$worker" 2>/dev/null && kills=$((kills + 1))
		;;
	3 | 4 | 5)
		some_worker
		random $STOP_MAX_MS
		kill -STOP "$worker" 2>/dev/null && stops=$((stops + 1))
		pause_ms "$number"
		kill -CONT "$worker" 2>/dev/null
		;;
	6 | 7 | 8)
		random 4
		reload $((number + 1))
		;;
	*) ;; # a while without any
	esac
	random 400
	pause_ms "$number"
}

# But for files of /proc: a stealing thread keeps those of the workers that it was in doubt about.
descriptors() {
	local p

	for p in "$pid" $(descendants "$pid"); do
		find "/proc/$p/fd" -mindepth 1 ! -lname '/proc/*stat' 2>/dev/null | wc -l
	done | sort -n | tr '\n' ' '
}

no_queue() {
	[ "$(group_get "$pid" "$port" '[.[] | (.cores[].queue // 0), (.global_queue // 0)] | add')" = 0 ]
}

# Back to where it began: two workers, all of them warm, nothing else.
quiet() {
	kill -HUP "$pid"
	[ ! -e "$conf" ] || reload 2
	until_true 300 settled 2 || fail "not two workers in the end: $(descendants "$pid" | tr '\n' ' ')"
	warm_up "$pid" "$port"
	load "$port" 200 8
	until_true 100 no_queue || fail "connections wait in a queue for ever: $(stat_json "$pid")"
}

soak() {
	local before after end=$((SECONDS + $2))

	quiet
	before=$(descriptors)
	while [ $SECONDS -lt $end ]; do
		kills=0 stops=0
		outcomes_begin "$port" $TIMEOUT_MS
		for ((i = 0; i < EVENTS; i++)); do
			event
		done
		# What is under way when the load ends is waited for.
		outcomes_end
		[ "$(outcome refused)" = 0 ] || fail "$1: refused: $(tr '\n' ' ' <"$dir/load.out")"
		[ "$(outcome other)" = 0 ] || fail "$1: $(tr '\n' ' ' <"$dir/load.out")"
		[ "$(outcome timed_out)" -le $((stops * BOTH)) ] ||
			fail "$1: more timed out than $stops stops explain: $(tr '\n' ' ' <"$dir/load.out")"
		[ $(($(outcome reset) + $(outcome cut))) -le $((kills * BOTH)) ] ||
			fail "$1: more were reset than $kills deaths explain: $(tr '\n' ' ' <"$dir/load.out")"
		echo "$1: $(outcome requests) answered, $(outcome timed_out) timed out in $stops stops, $(($(outcome reset) + $(outcome cut))) reset in $kills deaths"
	done
	quiet
	after=$(descriptors)
	[ "$before" = "$after" ] || fail "$1: descriptors of each process before: $before, after: $after"
	stop "$pid"
	ok "$1: $events events"
	events=0
}

conf=/nonexistent
port=$(free_port)
start prefork "$(id -un)" fastsock "$PREFORK" "$port" 2
wait_port "$port" "$pid"
soak prefork $((SOAK_SECONDS / 2))
nginx_start nginx root fastsock 2
soak nginx $((SOAK_SECONDS / 2))
expect_no_complaint
