# Shell functions of the tests with real servers. Sourced, not run; POSIX sh.
#
# Each test starts unmodified servers in a directory of its own, on free ports
# of the loopback address, bound to the first two CPUs that it may use, and loads them with clients
# that stay on one CPU each (tests/lib/pinned_client.c): on loopback a
# connection's packets arrive on the CPU of the client. What the library made
# of it is read from the outside, with `fastsock stat --json`.
#
# FASTSOCK_LIB and FASTSOCK_CMD name what was built, PINNED_CLIENT the client if it is not in the current build tree.
# A test prints "ok: ..." lines, or "FAILED: ..." and what the servers said.
# shellcheck shell=sh

set -u

# shellcheck source=environment.sh
. "${srcdir:-.}/tests/system/environment.sh"

FASTSOCK_LIB=${FASTSOCK_LIB:?must name libfastsock.so}
FASTSOCK_CMD=${FASTSOCK_CMD:?must name the fastsock command}
PINNED_CLIENT=${PINNED_CLIENT:-$PWD/tests/lib/pinned_client}

# Connections per CPU that are looked at, and how many of 100 must have gone the way that is promised.
MEASURED=${MEASURED:-200}
PROMISED=99

dir=
pids=

skip() {
	echo "SKIP: needs $*"
	exit 77
}

fail() {
	echo "FAILED: $*"
	for log in "$dir"/*.err "$dir"/*/error.log; do
		[ -s "$log" ] || continue
		echo "--- ${log#"$dir"/}"
		tail -c 4000 "$log"
	done
	exit 1
}

ok() {
	echo "ok: $*"
}

need() {
	for tool; do
		PATH=$PATH:/usr/sbin:/sbin command -v "$tool" >/dev/null || skip "$tool"
	done
}

# The processes below a process of ours: a master that must be killed leaves its workers behind.
descendants() {
	for task in /proc/"$1"/task/*/children; do
		for child in $(cat "$task" 2>/dev/null); do
			echo "$child"
			descendants "$child"
		done
	done
}

alive() {
	for p; do
		# A zombie has ended.
		case $(sed 's/.*) //' "/proc/$p/stat" 2>/dev/null) in
		'' | Z*) ;;
		*) return 0 ;;
		esac
	done
	return 1
}

# stop PID...: ends servers that start() started, and all that they started.
stop() {
	all=
	for p; do
		all="$all $p $(descendants "$p")"
	done
	# shellcheck disable=SC2086 # a list
	for signal in TERM KILL; do
		alive $all || break
		if [ $signal = TERM ]; then kill -TERM "$@" 2>/dev/null; else kill -KILL $all 2>/dev/null; fi
		tries=0
		while alive $all && [ $tries -lt 50 ]; do
			sleep 0.1
			tries=$((tries + 1))
		done
	done
	for p; do
		wait "$p" 2>/dev/null
		pids=$(echo " $pids " | sed "s/ $p / /")
	done
}

cleanup() {
	trap '' INT TERM HUP
	# shellcheck disable=SC2086 # a list
	[ -n "${pids# }" ] && stop $pids
	[ -n "$dir" ] && rm -rf "$dir"
}

# Makes $dir with a copy of the library in it that other users can read; sets cpu0 and cpu1.
setup() {
	need taskset setsid jq
	cpus=$("$PINNED_CLIENT" --cpus 2) || skip "two CPUs"
	cpu0=${cpus% *}
	cpu1=${cpus#* }
	dir=$(mktemp -d "${TMPDIR:-/tmp}/fs-system.XXXXXX") || exit 99
	trap cleanup EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	chmod 755 "$dir"
	lib=$dir/libfastsock.so
	cp "$FASTSOCK_LIB" "$lib" && chmod 755 "$lib" || exit 99
	# A sanitizer's runtime wants to be first.
	preload=$(ldd "$lib" 2>/dev/null | awk '$1 ~ /^lib(a|t)san/ && $3 ~ /^\// { print $3; exit }')
	if [ -n "$preload" ]; then
		ASAN_OPTIONS=detect_leaks=0${ASAN_OPTIONS:+:$ASAN_OPTIONS}
		export ASAN_OPTIONS
	fi
	preload=${preload:+$preload:}$lib
}

free_port() {
	"$PINNED_CLIENT" --free-port
}

# Whom servers can be run as from here: root and nobody, or just whoever we are.
users() {
	if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null; then
		echo "root nobody"
	else
		id -un
	fi
}

# start NAME USER MODE COMMAND...: MODE is "stock" or "fastsock". Sets `pid`.
start() {
	name=$1
	user=$2
	mode=$3
	shift 3
	[ "$mode" = fastsock ] && set -- env "LD_PRELOAD=$preload" FASTSOCK_LOG=warn "$@"
	if [ "$user" = nobody ] && [ "$(id -u)" = 0 ]; then
		set -- setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
	fi
	# A session of its own: lighttpd ends by signalling its whole process group.
	(cd "$dir" && exec setsid taskset -c "$cpu0,$cpu1" "$@") >"$dir/$name.out" 2>"$dir/$name.err" </dev/null &
	pid=$!
	pids="$pids $pid"
}

# A directory that the user may write to; prints its path.
workdir() {
	mkdir -p "$dir/$1"
	[ "$2" = nobody ] && [ "$(id -u)" = 0 ] && chown 65534:65534 "$dir/$1"
	echo "$dir/$1"
}

# wait_port PORT PID: until something listens there; the server must not end before. Makes no connection.
wait_port() {
	hex=$(printf '%04X' "$1")
	tries=0
	until grep -q "^ *[0-9]*: [0-9A-F]*:$hex [0-9A-F]*:0000 0A" /proc/net/tcp; do
		alive "$2" || fail "the server ended before it listened"
		tries=$((tries + 1))
		[ $tries -lt 200 ] || fail "nothing listens on port $1 after 20 s"
		sleep 0.1
	done
}

# load PORT N [BATCH [SEND WANT]]: from both CPUs at the same time; all must be answered.
load() {
	port=$1
	n=$2
	shift 2
	"$PINNED_CLIENT" "$cpu0" "$port" "$n" "$@" >"$dir/client0" &
	other=$!
	"$PINNED_CLIENT" "$cpu1" "$port" "$n" "$@" >"$dir/client1"
	status1=$?
	wait "$other" && [ $status1 = 0 ] ||
		fail "$(cat "$dir/client0") and $(cat "$dir/client1") of $n connections were answered"
}

# stat_json PID: prints what the command tells about the tree.
stat_json() {
	"$FASTSOCK_CMD" stat --json "$1" 2>"$dir/stat.err" || {
		echo "FAILED: fastsock stat --json $1: $(cat "$dir/stat.err")" >&2
		return 1
	}
}

# group_get PID PORT FILTER: a jq filter on the listener groups of the port.
group_get() {
	stat_json "$1" | jq -r "[.trees[].groups[] | select(.address | endswith(\":$2\"))] | $3"
}

# core_get PID PORT CPU FIELD: a counter's sum over the groups of the port.
core_get() {
	group_get "$1" "$2" "[.[].cores[] | select(.cpu == $3) | .$4] | add // 0"
}

group_active() {
	[ "$(group_get "$1" "$2" 'any(.active)')" = true ]
}

# warm_up PID PORT [SEND WANT]: connections until both local listeners take some. A worker converts after its first wake-up.
warm_up() {
	tree=$1
	at=$2
	shift 2
	[ $# -gt 0 ] && set -- 1 "$@"
	tries=0
	until group_active "$tree" "$at" && [ "$(core_get "$tree" "$at" "$cpu0" accepted_local)" -gt 0 ] &&
		[ "$(core_get "$tree" "$at" "$cpu1" accepted_local)" -gt 0 ]; do
		tries=$((tries + 1))
		[ $tries -le 100 ] || fail "no local listener on each CPU: $(stat_json "$tree")"
		load "$at" 8 "$@"
	done
}

# expect_local PID PORT [SEND WANT]: clients on each CPU are served by the worker of that CPU.
expect_local() {
	tree=$1
	at=$2
	shift 2
	[ $# -gt 0 ] && set -- 1 "$@"
	for cpu in $cpu0 $cpu1; do
		local_before=$(core_get "$tree" "$at" "$cpu" accepted_local)
		# Not from the start: what came before the steering may have been remote.
		sampled=$(core_get "$tree" "$at" "$cpu" rx_sampled)
		rx=$(core_get "$tree" "$at" "$cpu" rx_local)
		"$PINNED_CLIENT" "$cpu" "$at" "$MEASURED" "$@" >"$dir/client0" ||
			fail "CPU $cpu: $(cat "$dir/client0") of $MEASURED connections were answered"
		took=$(($(core_get "$tree" "$at" "$cpu" accepted_local) - local_before))
		[ $((took * 100)) -ge $((MEASURED * PROMISED)) ] ||
			fail "CPU $cpu: $took of $MEASURED connections were accepted locally: $(stat_json "$tree")"
		sampled=$(($(core_get "$tree" "$at" "$cpu" rx_sampled) - sampled))
		rx=$(($(core_get "$tree" "$at" "$cpu" rx_local) - rx))
		[ $sampled -gt 0 ] || fail "CPU $cpu: none of $MEASURED connections was sampled"
		[ $rx = $sampled ] || fail "CPU $cpu: packets of $rx of $sampled sampled connections arrived there"
	done
	ok "clients of each CPU are served on that CPU"
}

# expect_passive PID PORT CONNECTIONS: the group, if it was made at all, took nothing by local listeners.
expect_passive() {
	[ "$(group_get "$1" "$2" 'length')" = 1 ] || fail "the listener on port $2 is not known to the library: $(stat_json "$1")"
	[ "$(group_get "$1" "$2" 'any(.active)')" = false ] || fail "the group on port $2 is active: $(stat_json "$1")"
	[ "$(group_get "$1" "$2" '[.[].cores[].accepted_local] | add // 0')" = 0 ] ||
		fail "local listeners took connections: $(stat_json "$1")"
}

# Every thread of the server may run on both CPUs, as it was started.
expect_free_cpus() {
	for p in "$1" $(descendants "$1"); do
		for task in /proc/"$p"/task/*; do
			taskset -pc "${task##*/}" | grep -q ": .*[,-]" || fail "thread ${task##*/} of $p was pinned: $(taskset -pc "${task##*/}")"
		done
	done
}

# The library said nothing on the server's standard error, beyond the expected pattern.
expect_no_complaint() {
	grep -h '^fastsock\[' "$dir"/*.err "$dir"/*/error.log 2>/dev/null && fail "the library complained"
	return 0
}
