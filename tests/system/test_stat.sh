#!/bin/sh
# `fastsock stat` again and again, and for Prometheus: --watch prints what it has while
# there is somebody to read it, and ends in order; the exposition is what promtool
# takes, whatever the trees call themselves; all keys and metrics are in the manual.
set -u

top_builddir=$(cd "${top_builddir:-.}" && pwd)
top_srcdir=$(cd "${top_srcdir:-$(dirname "$0")/../..}" && pwd)
make_region=${MAKE_REGION:-$top_builddir/tests/lib/make_region}
fastsock=$top_builddir/fastsock
[ -x "$top_builddir/.libs/fastsock" ] && fastsock=$top_builddir/.libs/fastsock

for tool in jq timeout; do
	command -v $tool >/dev/null || { echo "SKIP: $tool is missing"; exit 77; }
done
for file in "$fastsock" "$make_region"; do
	[ -e "$file" ] || { echo "$file was not built"; exit 1; }
done

tmp=$(mktemp -d) || exit 1
background=
trap '[ -z "$background" ] || kill $background 2>/dev/null; rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM

failures=0
fail()
{
	echo "FAIL: $*"
	head -c 2000 "$tmp/out" | sed 's/^/    out: /'
	head -c 2000 "$tmp/err" | sed 's/^/    err: /'
	failures=$((failures + 1))
}

# try STATUS WHAT COMMAND...: runs it, keeps its output in $tmp/out and $tmp/err.
try()
{
	expected=$1 what=$2
	shift 2
	status=0
	timeout -k 5 60 "$@" >"$tmp/out" 2>"$tmp/err" || status=$?
	[ "$status" -eq "$expected" ] || fail "$what: status $status, expected $expected"
}

err_has() { grep -qF -e "$1" "$tmp/err" || fail "$what: \"$1\" is not on standard error"; }
err_none() { [ ! -s "$tmp/err" ] || fail "$what: something on standard error"; }
out_none() { [ ! -s "$tmp/out" ] || fail "$what: something on standard output"; }
json_is() { jq -es "$1" "$tmp/out" >/dev/null || fail "$what: JSON does not satisfy $1"; }

# lines_come N FILE: until it has so many lines.
lines_come()
{
	tries=0
	until [ "$(wc -l <"$2")" -ge "$1" ]; do
		tries=$((tries + 1))
		[ $tries -lt 300 ] || return 1
		sleep 0.1
	done
}

### Usage

for wrong in "--watch" "--watch x" "--watch 0" "--watch -1" "--watch nan" "--watch inf" "--watch 1s" "--watch 1e9" \
	"--json --prometheus" "--prometheus --json" "--prometheus --watch 1" "--details 1 2"; do
	# shellcheck disable=SC2086 # words
	try 2 "stat $wrong" "$fastsock" stat $wrong
	out_none
	err_has "--help"
done

### --watch

# The region stays as long as the tree: a tree of our own, which a reader of the FIFO ends.
mkfifo "$tmp/ids" "$tmp/end"
"$make_region" valid sh -c "echo \$REGION_PID >$tmp/ids; read -r end <$tmp/end" &
tree_job=$!
background=$tree_job
read -r pid <"$tmp/ids"

# watch SIGNAL ARGUMENT...: until three lines have come, then the signal; sets status.
watch()
{
	signal=$1
	shift
	: >"$tmp/out"
	"$fastsock" stat --watch 0.05 "$@" >"$tmp/out" 2>"$tmp/err" &
	job=$!
	background="$background $job"
	lines_come 3 "$tmp/out" || fail "$what: no three lines"
	kill -"$signal" $job
	status=0
	wait $job || status=$?
	background=$tree_job
	[ "$status" -eq 0 ] || fail "$what: status $status"
}

# A shell ignores SIGINT for what it starts in the background; that is to be honoured, and tested elsewhere.
for signal in TERM HUP; do
	what="--watch --json and SIG$signal"
	watch $signal --json "$pid"
	err_none
	json_is 'length >= 3 and all(.[]; .trees | length == 1)'
	[ "$(wc -l <"$tmp/out")" -eq "$(jq -c . "$tmp/out" | wc -l)" ] || fail "$what: not one document a line"
	[ "$(tail -c 1 "$tmp/out" | od -An -c | tr -d ' ')" = '\n' ] || fail "$what: the last line is cut off"
	json_is '[.[].time] | . == sort'
	json_is '.[0].trees[0] | .interval == null and .groups[0].cores[0].rates.accepted_local == null'
	json_is '.[1].trees[0] | .interval > 0 and .groups[0].cores[0].rates.accepted_local == 0'
	json_is '.[1].trees[0].connect[0].rates | .calls == 0 and .fallback.route == 0'
	json_is '.[1].trees[0].groups[0].cores[0].accepted_local == 1000'
done
# Bit 2 of the signals that we ignore: whoever is started with SIGINT ignored (nohup) leaves it so.
case $(awk '/^SigIgn/ { print $2 }' /proc/$$/status) in
*[2367abef]) echo "not tested, SIGINT: it is ignored here" ;;
*)
	try 0 "--watch and SIGINT" timeout --preserve-status -s INT 1 "$fastsock" stat --watch 0.05 --json "$pid"
	err_none
	json_is 'length >= 2'
	;;
esac

what="--watch as text"
watch TERM --details "$pid"
grep -q '^--- [0-9-]* [0-9:]*$' "$tmp/out" || fail "$what: no time"
grep -q 'LOCAL/S GLOBAL/S STOLEN/S  GIVEN/S   BUSY STATE$' "$tmp/out" || fail "$what: no rates"

# A reader that has enough is no error, and is noticed although nothing is to be written for a minute.
what="--watch into a pipe that is closed"
: >"$tmp/out"
timeout -k 5 60 "$fastsock" stat --watch 300 --json "$pid" 2>"$tmp/err" | head -c 1 >"$tmp/out"
err_none
{ timeout -k 5 60 "$fastsock" stat --watch 0.01 --json "$pid" 2>"$tmp/err"; echo $? >"$tmp/status"; } | head -n 2 >"$tmp/out"
[ "$(cat "$tmp/status")" = 0 ] || fail "$what: status $(cat "$tmp/status")"
err_none

what="--watch of a process that ends"
"$fastsock" stat --watch 0.05 --json "$pid" >"$tmp/out" 2>"$tmp/err" &
job=$!
background="$background $job"
lines_come 1 "$tmp/out" || fail "$what: no line"
echo >"$tmp/end"
wait $tree_job
status=0
wait $job || status=$?
background=
[ "$status" -eq 0 ] || fail "$what: status $status"
err_has "process $pid is gone"
json_is 'length >= 1'

what="--watch of a region that cannot be read"
status=0
"$make_region" version sh -c "exec timeout --preserve-status -k 5 1 $fastsock stat --watch 0.05 --json \$REGION_PID" >"$tmp/out" 2>"$tmp/err" || status=$?
[ "$status" -eq 1 ] || fail "$what: status $status"
[ "$(wc -l <"$tmp/err")" -eq 1 ] || fail "$what: told more than once, or not at all"
json_is 'length >= 2 and all(.[]; .trees == [])'

try 1 "--watch of nothing" "$fastsock" stat --watch 1 4194305
err_has "there is no process 4194305"
if [ -w /dev/full ]; then
	what="--watch onto a full disk"
	status=0
	"$make_region" valid sh -c "exec timeout -k 5 60 $fastsock stat --watch 0.01 \$REGION_PID" >/dev/full 2>"$tmp/err" || status=$?
	[ "$status" -eq 1 ] || fail "$what: status $status"
	err_has "cannot write"
fi

### Somebody who makes more regions than any server

if command -v python3 >/dev/null; then
	what="many regions"
	mkfifo "$tmp/many"
	python3 -c '
import ctypes, sys
make = ctypes.CDLL(None).memfd_create
fds = [make(b"fastsock", 0) for _ in range(300)]
sys.stdin.read()' <"$tmp/many" &
	many=$!
	background="$background $many"
	exec 8>"$tmp/many"
	for _ in $(seq 100); do
		[ "$(find "/proc/$many/fd" 2>/dev/null | wc -l)" -gt 300 ] && break
		sleep 0.05
	done
	status=0
	timeout -k 5 60 "$fastsock" stat "$many" >"$tmp/out" 2>"$tmp/err" || status=$?
	[ "$status" -eq 1 ] || fail "$what: status $status"
	err_has "regions were left out"
	[ "$(grep -c "cannot be read" "$tmp/err")" -le 4 ] || fail "$what: all of them were read"
	exec 8>&-
	wait "$many" || :
	background=
fi

### --prometheus

metric_is() { grep -qxF -e "$1" "$tmp/out" || fail "$what: no line \"$1\""; }
check_metrics()
{
	if command -v promtool >/dev/null; then
		promtool check metrics <"$tmp/out" >"$tmp/promtool" 2>&1 || fail "$what: promtool: $(cat "$tmp/promtool")"
	fi
	# promtool takes duplicates of series.
	grep -v '^#' "$tmp/out" | sed 's/ [^ ]*$//' | sort | uniq -d >"$tmp/twice"
	[ ! -s "$tmp/twice" ] || fail "$what: twice: $(head -n 3 "$tmp/twice")"
}

try 0 "--prometheus" "$make_region" valid sh -c "$fastsock stat --prometheus \$REGION_PID && echo \$REGION_PID \$REGION_PORT >$tmp/ids2"
read -r pid port <"$tmp/ids2"
err_none
check_metrics
group="pid=\"$pid\",listener=\"127.0.0.1:$port\""
metric_is "fastsock_tree_processes{pid=\"$pid\",command=\"make_region\"} 2"
metric_is "fastsock_listener_active{$group} 1"
metric_is "fastsock_listener_active{pid=\"$pid\",listener=\"[::]:443\"} 0"
metric_is "fastsock_listener_workers{$group} 2"
metric_is "fastsock_global_queue_connections{$group} 2"
metric_is "# TYPE fastsock_accepted_connections_total counter"
metric_is "fastsock_accepted_connections_total{$group,cpu=\"0\",kind=\"local\"} 1000"
metric_is "fastsock_accepted_connections_total{$group,cpu=\"0\",kind=\"global\"} 20"
metric_is "fastsock_accepted_connections_total{$group,cpu=\"0\",kind=\"stolen\"} 3"
metric_is "fastsock_accepted_connections_total{$group,cpu=\"3\",kind=\"local\"} 9007199254740993"
metric_is "fastsock_given_connections_total{$group,cpu=\"0\"} 4"
metric_is "fastsock_rescued_connections_total{$group,cpu=\"0\"} 5"
metric_is "fastsock_parked_connections_total{$group,cpu=\"0\"} 6"
metric_is "fastsock_wakeups_total{$group,cpu=\"0\"} 7"
metric_is "fastsock_rx_sampled_connections_total{$group,cpu=\"0\"} 400"
metric_is "fastsock_rx_local_connections_total{$group,cpu=\"0\"} 399"
metric_is "fastsock_queue_connections{$group,cpu=\"0\"} 3"
grep -q "^fastsock_queue_connections{$group,cpu=\"3\"}" "$tmp/out" && fail "$what: a queue that nobody knows"
metric_is "fastsock_core_help{$group,cpu=\"0\",reason=\"stuck\"} 1"
metric_is "fastsock_core_help{$group,cpu=\"0\",reason=\"busy\"} 0"
metric_is "fastsock_core_passed_by{$group,cpu=\"0\"} 1"
metric_is "# TYPE fastsock_open_connections gauge"
metric_is "fastsock_open_connections{pid=\"$pid\",cpu=\"0\"} 22"
metric_is "fastsock_busy_seconds_total{pid=\"$pid\",cpu=\"0\"} 0.000012"
metric_is "fastsock_flow_groups_moved_total{pid=\"$pid\",cpu=\"0\",direction=\"out\"} 8"
metric_is "fastsock_flow_groups_moved_total{pid=\"$pid\",cpu=\"0\",direction=\"in\"} 9"
metric_is "fastsock_flow_groups_away{pid=\"$pid\",cpu=\"0\"} 1024"
metric_is "fastsock_connect_calls_total{pid=\"$pid\",cpu=\"0\"} 0"
metric_is "fastsock_connect_fallbacks_total{pid=\"$pid\",cpu=\"3\",reason=\"wrong\"} 0"
# What every counter of the JSON is called there.
cp "$tmp/out" "$tmp/metrics"

name=$(printf 'a"\\\n\377\303\251')
cp "$(command -v "$make_region")" "$tmp/$name"
try 0 "--prometheus of a strange name" "$tmp/$name" valid sh -c "$fastsock stat --prometheus \$REGION_PID"
check_metrics
grep -qF 'command="a\"\\\n'"$(printf '\357\277\275\303\251')"'"}' "$tmp/out" || fail "$what: not escaped"

# Trees whose regions are lies, and corrupted ones: the exposition stays one that can be read.
try 0 "--prometheus of lies" "$make_region" liar sh -c "$fastsock stat --prometheus \$REGION_PID"
check_metrics
seed=1
while [ $seed -lt 40 ]; do
	what="--prometheus of a corrupted region, seed $seed"
	status=0
	"$make_region" random $seed sh -c "exec $fastsock stat --prometheus \$REGION_PID" >"$tmp/out" 2>"$tmp/err" || status=$?
	[ $status -le 1 ] || fail "$what: status $status"
	check_metrics
	seed=$((seed + 1))
done
# Others' trees may be there, too, and be of another version.
try 0 "--prometheus of two trees" "$make_region" valid "$make_region" valid sh -c "$fastsock stat --prometheus || :"
check_metrics
[ "$(grep -c '^fastsock_tree_processes' "$tmp/out")" -ge 2 ] || fail "$what: not both"
try 0 "--prometheus of a listener that is there twice" "$make_region" twice sh -c "$fastsock stat --prometheus \$REGION_PID"
check_metrics
grep -qF 'listener="[::]:443#2"' "$tmp/out" || fail "$what: not told apart"
try 1 "--prometheus of nothing" "$fastsock" stat --prometheus $$
check_metrics
grep -q '^fastsock_build_info{version="[0-9.]*"} 1$' "$tmp/out" || fail "$what: no build_info"
command -v promtool >/dev/null || echo "not tested with promtool, which is missing"

### The names of all of it are in the manual

# Roff's escapes away.
sed 's/\\-/-/g; s/\\&//g' "$top_srcdir/man/fastsock.1" | tr -cs 'A-Za-z0-9_' '\n' | sort -u >"$tmp/words"
try 0 "names" "$make_region" valid sh -c "timeout 0.3 $fastsock stat --watch 0.1 --json \$REGION_PID; :"
{
	jq -r '[paths | .[] | strings] | unique[]' "$tmp/out"
	sed -n 's/^# TYPE \([^ ]*\) .*/\1/p' "$tmp/metrics"
	grep -v '^#' "$tmp/metrics" | grep -o '[a-z]*="' | tr -d '="'
} | sort -u >"$tmp/names"
[ "$(wc -l <"$tmp/names")" -gt 60 ] || fail "names: only $(wc -l <"$tmp/names") of them"
comm -23 "$tmp/names" "$tmp/words" >"$tmp/missing"
[ ! -s "$tmp/missing" ] || fail "names that fastsock(1) does not have: $(tr '\n' ' ' <"$tmp/missing")"

[ $failures -eq 0 ] || { echo "$failures failed"; exit 1; }
echo "all passed"
