# For servers with a single acceptor: that the library leaves them alone, as
# strace and /proc see it.
# shellcheck shell=sh

need strace

# What may be compared of a trace: which calls on the listener are made at all.
# How often a wake-up finds nothing is chance, and so is who interrupts whom.
digest() {
	grep -o '^[0-9]* *accept4\{0,1\}(.*' "$1.strace" |
		sed -e 's/^[0-9]* *//' -e 's/0x[0-9a-f]*\|NULL\|{sa_family[^}]*}/ADDRESS/g' \
			-e 's/ <unfinished.*//' -e 's/) *= .*//' -e 's/\[[0-9]*\( => [0-9]*\)\{0,1\}\]/LENGTH/' |
		cut -d, -f1 | sort -u >"$1.accept"
	grep -c 'accept4\{0,1\}\((\| resumed>\).*) *= [0-9]' "$1.strace" >"$1.accepted"
	# Once the listener is registered, only connections are added, and those differ in number alone.
	grep -o 'epoll_ctl([0-9]*, EPOLL_CTL_[A-Z]*, [0-9]*, {events=[A-Z|]*' "$1.strace" |
		sed 's/, [0-9]*, {/, CONNECTION, {/' | sort -u >"$1.epoll_ctl"
	grep -oE '(sched_setaffinity|listen|bind)\(.*|SO_ATTACH[A-Z_]*|SO_INCOMING_CPU|TCP_INFO' "$1.strace" >"$1.other"
	# The library asks for a listener's identity when it is registered or removed: never for a connection.
	grep -c SO_COOKIE "$1.strace" >"$1.cookies"
}

# untouched NAME SEND WANT: the function start_server MODE starts it on $port.
untouched() {
	for mode in stock fastsock; do
		port=$(free_port)
		trace=$dir/$1-$mode
		start_server "$mode"
		wait_port "$port" "$pid"
		# From here on, not at listen(): that part is allowed to differ.
		strace -f -qq -e trace=epoll_ctl,accept,accept4,sched_setaffinity,setsockopt,getsockopt,listen,bind \
			-o "$trace.strace" -p "$pid" 2>"$trace.strace.err" &
		tracer=$!
		pids="$pids $tracer"
		tries=0
		# All its threads, that is.
		while grep -q '^TracerPid:[[:space:]]*0$' /proc/"$pid"/task/*/status; do
			tries=$((tries + 1))
			alive "$tracer" && [ $tries -lt 100 ] || skip "strace that may attach: $(cat "$trace.strace.err")"
			sleep 0.1
		done
		load "$port" 50 1 "$2" "$3"
		load "$port" 50 10 "$2" "$3"
		expect_free_cpus "$pid"
		if [ "$mode" = fastsock ]; then
			grep -q "$lib" "/proc/$pid/maps" || fail "$1: the library is not in the process"
			expect_passive "$pid" "$port"
			ok "$1: the group is passive and no thread is pinned"
		fi
		stop "$pid"
		stop "$tracer"
		digest "$trace"
		[ "$(cat "$trace.accepted")" = 200 ] || fail "$1, $mode: strace saw $(cat "$trace.accepted") of 200 accepts"
	done
	for what in accept epoll_ctl other; do
		diff -u "$dir/$1-stock.$what" "$dir/$1-fastsock.$what" ||
			fail "$1: other system calls than without the library ($what)"
	done
	[ "$(cat "$dir/$1-fastsock.cookies")" -le 4 ] || fail "$1: SO_COOKIE is asked for again and again"
	ok "$1: the same epoll_ctl and accept calls as without the library"
	expect_no_complaint
}
