# shellcheck shell=bash
#
# For tests of connect() with chosen source ports, between the two network namespaces of
# netns.sh: programs of the near one connect to the far one, with the library or without. A test
# sources this and calls connect_begin first.
# shellcheck source-path=SCRIPTDIR/../..
. "${top_srcdir:-.}/tests/system/netns.sh"

library=${FASTSOCK_LIB:?must name libfastsock.so}
fastsock=${FASTSOCK_CMD:?must name the fastsock command}
calls=${top_builddir:-.}/tests/lib/connect_calls
# Of 100 replies, so many must arrive on the calling CPU.
PROMISED=99

# connect_begin [TOOL...]: with a server on port 80 of the far namespace.
# shellcheck disable=SC2120 # most need no more tools
connect_begin()
{
	case $("$fastsock" steer status 2>&1) in
	*"was built without"*) skip "libbpf and clang in the build" ;;
	esac
	netns_begin jq taskset "$@"
	connect_serve 80
}

# connect_serve PORT: a server of the far namespace.
connect_serve()
{
	netns_start "$far" "server$1" "$calls" --serve "$1"
	await ready "server$1"
}

# with CPU COMMAND...: in the near namespace, on one CPU, with the library. What the library says goes to with.log.
with()
{
	local cpu=$1

	shift
	in_near taskset -c "$cpu0,$cpu1" env LD_PRELOAD="$library" taskset -c "$cpu" "$@" 2>>"$dir/with.log"
}

# serving CPU PROGRAM ARGUMENT...: the same for a program that may run on both CPUs, as servers may, and binds itself
# to the one that it is told.
serving()
{
	local cpu=$1 program=$2

	shift 2
	in_near timeout -k 5 50 taskset -c "$cpu0,$cpu1" env LD_PRELOAD="$library" "$program" --cpu "$cpu" "$@" 2>>"$dir/with.log"
}

# The same without it.
without()
{
	local cpu=$1

	shift
	in_near taskset -c "$cpu" "$@"
}

steer()
{
	in_near "$fastsock" steer "$@" 2>>"$dir/steer.log"
}

steer_attach()
{
	steer attach veth0 --cpus "$cpu0,$cpu1" >/dev/null || fail "cannot attach"
}

# looks_the_same TO FROM WHEN: a program sees of connect() what it sees without the library.
looks_the_same()
{
	without "$cpu0" "$calls" "$1" 80 81 "$2" >"$dir/without.out" 2>&1 || fail "without the library: $(cat "$dir/without.out")"
	with "$cpu0" "$calls" "$1" 80 81 "$2" >"$dir/with.out" 2>&1
	diff "$dir/without.out" "$dir/with.out" || fail "$1, $3: the program sees something else"
}

# measure RUNNER CPU COUNT TO FROM: one line for each kind of socket, "KIND LOCAL of COUNT", into RUNNER.out.
measure()
{
	"$1" "$2" "$calls" --locality "$3" "$4" 80 81 "$5" </dev/null >"$dir/$1.out" || fail "$*"
	[ "$(wc -l <"$dir/$1.out")" -eq 5 ] || fail "not all kinds: $(cat "$dir/$1.out")"
}

# all_local WHAT: by what measure() has told of `with`.
all_local()
{
	local kind here count

	while read -r kind here _ count; do
		[ $((here * 100)) -ge $((count * PROMISED)) ] || fail "$1, $kind: $here of $count replies arrive there"
	done <"$dir/with.out"
}
