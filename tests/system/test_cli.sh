#!/bin/sh
# The fastsock command from outside: what `run` puts into the environment of
# what it starts, and what `stat` makes of regions, whole, damaged and hostile
# ones. The regions come from tests/lib/make_region, so that each number that is
# shown is known here, and none needs the library to work.
set -u

top_builddir=$(cd "${top_builddir:-.}" && pwd)
make_region=${MAKE_REGION:-$top_builddir/tests/lib/make_region}
library=$top_builddir/.libs/libfastsock.so
fastsock=$top_builddir/fastsock

# The library may be instrumented while the programs that are run under it here are not, and they may leak.
ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}verify_asan_link_order=0:detect_leaks=0
export ASAN_OPTIONS
unset LD_PRELOAD FASTSOCK FASTSOCK_CPUS FASTSOCK_LISTEN FASTSOCK_PIN FASTSOCK_STEER FASTSOCK_LOG

command -v jq >/dev/null || { echo "SKIP: jq is missing"; exit 77; }
for file in "$fastsock" "$make_region" "$library"; do
	[ -e "$file" ] || { echo "$file was not built"; exit 1; }
done

tmp=$(mktemp -d) || exit 1
background=
trap '[ -z "$background" ] || kill "$background"; rm -rf "$tmp"' EXIT
trap 'exit 1' HUP INT TERM
chmod 755 "$tmp"

failures=0
fail()
{
	echo "FAIL: $*"
	sed 's/^/    out: /' "$tmp/out"
	sed 's/^/    err: /' "$tmp/err"
	failures=$((failures + 1))
}

part_skipped()
{
	echo "not tested, $1: $2"
}

# try STATUS WHAT COMMAND...: runs it, expects this status (or one of these), keeps its output in $tmp/out and $tmp/err.
try()
{
	expected=$1 what=$2
	shift 2
	status=0
	"$@" >"$tmp/out" 2>"$tmp/err" || status=$?
	case " $expected " in
	*" $status "*) ;;
	*) fail "$what: status $status, expected $expected" ;;
	esac
}

out_is() { [ "$(cat "$tmp/out")" = "$1" ] || fail "$what: standard output is not \"$1\""; }
out_has() { grep -qF -e "$1" "$tmp/out" || fail "$what: \"$1\" is not on standard output"; }
out_none() { [ ! -s "$tmp/out" ] || fail "$what: something on standard output"; }
err_has() { grep -qF -e "$1" "$tmp/err" || fail "$what: \"$1\" is not on standard error"; }
err_none() { [ ! -s "$tmp/err" ] || fail "$what: something on standard error"; }
err_one_line() { [ "$(wc -l <"$tmp/err")" -eq 1 ] || fail "$what: not one line on standard error"; }
json_is() { jq -e "$1" "$tmp/out" >/dev/null || fail "$what: JSON does not satisfy $1"; }

# The real program, where libtool made a script to run it from the build tree.
program=$fastsock
[ -x "$top_builddir/.libs/fastsock" ] && program=$top_builddir/.libs/fastsock

### The command

try 0 "--version" "$fastsock" --version
grep -qE '^fastsock [0-9]+\.[0-9]+\.[0-9]+$' "$tmp/out" || fail "no version"
for help in --help -h help; do
	try 0 "$help" "$fastsock" $help
	out_has "  run "
	out_has "  stat "
	out_has "  top "
	out_has "  doctor "
	out_has "  steer "
	err_none
done
try 0 "help run" "$fastsock" help run
cp "$tmp/out" "$tmp/help"
try 0 "run --help" "$fastsock" run --help
cmp -s "$tmp/out" "$tmp/help" || fail "run --help and help run differ"
try 0 "help stat" "$fastsock" help stat
out_has "--json"

usage_error()
{
	try 2 "$*" "$fastsock" "$@"
	out_none
	err_has "--help"
	err_one_line
	grep -Eq '^fastsock: [[:print:]]+$' "$tmp/err" || fail "$*: control characters on standard error"
}
usage_error
usage_error nonsense
usage_error --nonsense
usage_error help nonsense
usage_error help run stat
usage_error run
usage_error run --
usage_error run --pin auto
usage_error run --nonsense true
usage_error run --pin
# What is wrong may not drive the terminal, nor forge a line.
usage_error run --no"$(printf '\033[31m\nred')"
usage_error run -Z true
usage_error stat --json=1
usage_error stat --nonsense
usage_error stat 1 2
usage_error stat 0
usage_error stat -- -1
usage_error stat 1x
usage_error stat 99999999999999999999
usage_error top --nonsense
usage_error top 1 2
usage_error top 1x

### run: the library

try 0 "library of the build tree" "$fastsock" run printenv LD_PRELOAD
out_is "$library"
err_none

mkdir -p "$tmp/moved/bin" "$tmp/moved/lib" "$tmp/with space/bin" "$tmp/with space/lib" "$tmp/alone/bin"
for prefix in moved "with space" alone; do
	cp "$program" "$tmp/$prefix/bin/fastsock"
done
# No links: the library of a moved installation is where the links of the build tree do not lead.
cp -L "$library" "$tmp/moved/lib/libfastsock.so"
cp -L "$library" "$tmp/with space/lib/libfastsock.so"

try 0 "moved installation" "$tmp/moved/bin/fastsock" run printenv LD_PRELOAD
out_is "$(cd "$tmp/moved/lib" && pwd -P)/libfastsock.so"
try 125 "path that LD_PRELOAD cannot name" "$tmp/with space/bin/fastsock" run printenv LD_PRELOAD
err_has "without spaces"
out_none
mv "$tmp/moved/lib/libfastsock.so" "$tmp/moved/lib/libfastsock.so.0"
try 0 "library without its development link" "$tmp/moved/bin/fastsock" run printenv LD_PRELOAD
out_is "$(cd "$tmp/moved/lib" && pwd -P)/libfastsock.so.0"
if "$tmp/alone/bin/fastsock" run true >"$tmp/out" 2>"$tmp/err"; then
	part_skipped "a missing library" "this machine has libfastsock installed"
else
	try 125 "missing library" "$tmp/alone/bin/fastsock" run echo started
	err_has "cannot find libfastsock.so"
	out_none
fi

# Two libraries that do nothing of themselves stand for whatever else is preloaded.
try 0 "LD_PRELOAD is kept" env LD_PRELOAD="libm.so.6 libdl.so.2" "$fastsock" run printenv LD_PRELOAD
out_is "$library:libm.so.6:libdl.so.2"
try 0 "run inside run" "$fastsock" run "$fastsock" run printenv LD_PRELOAD
out_is "$library"
try 0 "another copy in LD_PRELOAD" env LD_PRELOAD="libm.so.6:/nowhere/libfastsock.so.0:$library" "$fastsock" run printenv LD_PRELOAD
out_is "$library:libm.so.6"

### run: options

good()
{
	option=$1 variable=$2 value=$3
	try 0 "--$option $value" "$fastsock" run "--$option" "$value" printenv "$variable"
	out_is "$value"
	try 0 "--$option=$value" "$fastsock" run "--$option=$value" -- printenv "$variable"
	out_is "$value"
	grep -qF -e "--$option=" "$tmp/help" || fail "--$option is not in the help"
	grep -qF "($variable)" "$tmp/help" || fail "$variable is not in the help"
}
good fastsock FASTSOCK off
good cpus FASTSOCK_CPUS 0-3,8
good listen FASTSOCK_LISTEN '80,[::1]:443,!127.0.0.1:22'
good pin FASTSOCK_PIN app
good steer FASTSOCK_STEER hash
good log FASTSOCK_LOG error

bad()
{
	try 2 "--$1 $2" "$fastsock" run "--$1" "$2" echo started
	out_none
	err_one_line
	err_has "--$1"
	err_has "\"$2\""
}
bad fastsock maybe
bad cpus 3-0
bad listen http
bad listen 65536
bad pin on
bad steer rss
bad log loud
bad log ' warn'

try 0 "an option replaces what is in the environment" env FASTSOCK_PIN=off FASTSOCK_STEER=off "$fastsock" run --pin app \
	sh -c 'echo $FASTSOCK_PIN $FASTSOCK_STEER'
out_is "app off"
try 0 "several options" "$fastsock" run --pin off --log error --cpus 0 sh -c 'echo $FASTSOCK_PIN $FASTSOCK_LOG $FASTSOCK_CPUS'
out_is "off error 0"
try 0 "without options nothing is set" "$fastsock" run sh -c 'env | grep -v "^FASTSOCK_\(LIB\|CMD\)=" | grep -c ^FASTSOCK || :'
out_is 0

### run: the command

try 0 "arguments are the command's" "$fastsock" run echo --pin 'a  b' -- --help
out_is "--pin a  b -- --help"
try 7 "the status is the command's" "$fastsock" run sh -c 'exit 7'
try 127 "no such command" "$fastsock" run "$tmp/nonsense"
err_one_line
err_has "$tmp/nonsense"
try 127 "no such command in PATH" env PATH=/usr/bin:/bin "$fastsock" run fastsock-nonsense
: >"$tmp/plain"
try 126 "not executable" "$fastsock" run "$tmp/plain"
err_one_line
err_has "$tmp/plain"

# As somebody who gains rights by it: the dynamic linker will not preload then.
# Not the user that other tests run servers as, whose processes this one may look into.
nobody="setpriv --reuid=64999 --regid=64999 --clear-groups"
if [ "$(id -u)" -ne 0 ] || ! $nobody true 2>/dev/null; then
	part_skipped "setuid commands" "root and setpriv are needed"
else
	cp "$program" "$tmp/moved/bin/fastsock"
	# To somebody who owns nothing, not to root.
	cp "$(command -v sleep)" "$tmp/setuid"
	chown 65533:65533 "$tmp/setuid"
	chmod 4755 "$tmp/setuid"
	try 0 "setuid command" $nobody "$tmp/moved/bin/fastsock" run "$tmp/setuid" 0
	err_has "warning: $tmp/setuid is setuid"
	try 0 "setuid command in PATH" $nobody env PATH="/nowhere:$tmp:$PATH" "$tmp/moved/bin/fastsock" run setuid 0
	err_has "warning: $tmp/setuid is setuid"
	try 0 "no warning without reason" $nobody "$tmp/moved/bin/fastsock" run true
	err_none
fi

### stat: a valid region

stat_json="$fastsock stat --json"
try 0 "stat --json" "$make_region" valid sh -c "$stat_json \$REGION_PID && echo \$REGION_PID \$REGION_CHILD \$REGION_PORT >$tmp/ids"
read -r pid child port <"$tmp/ids"
err_none
json_is '.trees | length == 1'
json_is '.version | test("^[0-9.]+$")'
json_is ".trees[0] | .pid == $pid and .command == \"make_region\" and .active == true"
json_is ".trees[0].processes == [$pid, $child]"
json_is "[.trees[0].groups[].address] == [\"127.0.0.1:$port\", \"[::]:443\", \"[fe80::1%7]:65535\"]"
json_is '[.trees[0].groups[].active] == [true, false, false]'
json_is '[.trees[0].groups[].state] == ["active", "passive", "abandoned"]'
json_is '[.trees[0].groups[].mode] == ["own", "adopted", "own"]'
json_is '[.trees[0].groups[].reason] == [null, "no worker", "steered"]'
# Not the dead worker, nor the free slot.
json_is '[.trees[0].groups[].workers] == [2, 0, 0]'
json_is '[.trees[0].groups[].queue] == [2, null, null]'
json_is '[.trees[0].groups[0].cores[].cpu] == [0, 3]'
json_is "[.trees[0].groups[0].cores[].owner_pid] == [$pid, null]"
json_is "[.trees[0].groups[0].cores[].owner_pids] == [[$pid, $child], []]"
json_is '.trees[0].groups[0].cores[0] | [.accepted_local, .accepted_global, .stolen] == [1000, 20, 3]'
json_is '.trees[0].groups[0].cores[0] | [.given, .rescued, .parked, .woken] == [4, 5, 6, 7]'
json_is '.trees[0].groups[0].cores[0] | [.groups_out, .groups_in, .groups_away, .open, .busy_us] == [8, 9, 1024, 22, 12]'
json_is '.trees[0].groups[0].cores[0] | [.help, .out] == ["stuck", true]'
json_is '.trees[0].groups[0].cores[0] | [.queue, .rx_sampled, .rx_local] == [3, 400, 399]'
json_is '.trees[0].groups[0].cores[1].queue == null'
# Above 2^53: every digit has to be there, whatever jq makes of it.
out_has '"accepted_local": 9007199254740993'
json_is '[.trees[0].groups[1].cores[] | .accepted_local, .owner_pid] == [0, null, 0, null]'

try 0 "stat of any process of the tree" "$make_region" valid sh -c "$stat_json \$REGION_CHILD; echo \$REGION_PID >$tmp/ids"
json_is ".trees[0].pid == $(cat "$tmp/ids")"
json_is '.trees | length == 1'

try 0 "stat of two trees" "$make_region" valid sh -c "$make_region valid $stat_json; echo \$REGION_PID >$tmp/ids"
json_is "[.trees[].pid] | index($(cat "$tmp/ids")) != null"
json_is '[.trees[] | select(.command == "make_region")] | length >= 2'
try 0 "stat of one of two trees" "$make_region" valid sh -c "$make_region valid $stat_json \$REGION_PID"
json_is '.trees | length == 1'

try 0 "stat" "$make_region" valid sh -c "$fastsock stat \$REGION_PID && echo \$REGION_PID \$REGION_CHILD \$REGION_PORT >$tmp/ids"
read -r pid child port <"$tmp/ids"
err_none
out_has "make_region (pid $pid, 2 processes): active"
out_has "127.0.0.1:$port  active (own), 2 workers, global queue 2"
grep -qE "^ +0 +$pid\+1 +1000 +20 +3 +4 +22 +3 +99\.8% stuck passed by, 25% moved$" "$tmp/out" || fail "stat: the row of CPU 0"
grep -qE '^ +3 +- +9007199254740993 +0 +0 +0 +0 +- +- -$' "$tmp/out" || fail "stat: the row of CPU 3"
out_has "[::]:443  passive (adopted), 0 workers, global queue -"
out_has "[fe80::1%7]:65535  abandoned (own), 0 workers, global queue -"
out_has "    the application steers it itself"

# The name is the process's to choose; bytes that are no UTF-8 and that talk to terminals included.
name=$(printf 'a"\\\033[2J\377\303\251')
cp "$(command -v "$make_region")" "$tmp/$name"
try 0 "stat of a strange name" "$tmp/$name" valid sh -c "$stat_json \$REGION_PID"
json_is '.trees[0].command == "a\"\\\u001b[2J\ufffdé"'
# jq would mend invalid UTF-8 by itself.
out_has '[2J\ufffd'
try 0 "stat of a strange name as text" "$tmp/$name" valid sh -c "$fastsock stat \$REGION_PID"
grep -q "$(printf '\033')" "$tmp/out" && fail "stat: a name drives the terminal"
out_has 'a"\?[2J'

### stat: damaged regions

for kind in magic version size no_cores many_cores cpu state mode why members family port member_core worker_core truncated empty; do
	try 1 "stat of a damaged region ($kind)" "$make_region" $kind sh -c "echo \$REGION_PID >$tmp/ids; exec $stat_json \$REGION_PID"
	json_is '.trees == []'
	err_one_line
	err_has "the counters of process $(cat "$tmp/ids") cannot be read: "
	try 1 "stat of a damaged region ($kind) as text" "$make_region" $kind sh -c "exec $fastsock stat \$REGION_PID"
	out_none
done
try 1 "a damaged region does not hide the others" "$make_region" valid "$make_region" magic $stat_json
json_is '[.trees[] | select(.command == "make_region")] | length >= 1'
err_has "it does not start with the magic number"

try 0 "stat of a region of lies" "$make_region" liar sh -c "$stat_json \$REGION_PID; echo \$REGION_PID >$tmp/ids"
json_is ".trees[0].pid == $(cat "$tmp/ids")"
json_is '[.trees[0].groups[].workers] == [0, 0, 0]'
try 0 "stat of a region of lies as text" "$make_region" liar sh -c "$fastsock stat \$REGION_PID"
out_has "100.0%"

seed=0
while [ $seed -lt 60 ]; do
	"$make_region" random $seed sh -c "exec $stat_json \$REGION_PID" >"$tmp/out" 2>"$tmp/err"
	status=$?
	what="stat of a corrupted region, seed $seed"
	[ $status -le 1 ] || fail "$what: status $status"
	json_is ".trees | length == 1 - $status"
	seed=$((seed + 1))
done

### stat: nothing to show

try 1 "process without the library" "$fastsock" stat $$
out_none
err_one_line
err_has "process $$ "
err_has "fastsock run"
try 1 "process without the library, JSON" $stat_json $$
json_is '.trees == []'
# Beyond the highest pid that Linux can give out (PID_MAX_LIMIT, 2^22).
try 1 "no such process" "$fastsock" stat 4194305
err_one_line
err_has "there is no process 4194305"
out_none

cp "$program" "$tmp/fastsock"
chmod 755 "$tmp/fastsock"
if [ "$(id -u)" -ne 0 ]; then
	try 1 "no permission" "$fastsock" stat 1
	err_one_line
	err_has "no permission"
elif $nobody true 2>/dev/null; then
	try 1 "no permission" "$make_region" valid sh -c "exec $nobody $tmp/fastsock stat \$REGION_PID"
	err_one_line
	err_has "no permission"
	err_has "as root"
	try 1 "no permission for any" "$make_region" valid $nobody "$tmp/fastsock" stat
	err_one_line
	err_has "no permission to look into"
else
	part_skipped "missing permission" "setpriv is needed"
fi

if unshare --pid --fork --mount-proc true 2>/dev/null; then
	try 1 "no process at all" unshare --pid --fork --mount-proc "$fastsock" stat
	out_none
	err_one_line
	err_has "no process with libfastsock found"
	try 1 "no process at all, JSON" unshare --pid --fork --mount-proc $stat_json
	json_is '.trees == []'
else
	part_skipped "no process at all" "unshare may not make namespaces here"
fi

### stat: a tree in a container

if unshare --pid --fork --kill-child true 2>/dev/null; then
	# Inside, the pids of the region are small numbers that are somebody else's outside.
	mkfifo "$tmp/ready" "$tmp/end"
	unshare --pid --fork --kill-child sh -c \
		"$make_region valid sh -c 'echo \$REGION_PID \$REGION_PORT >$tmp/ready; read -r end <$tmp/end' || echo 0 0 >$tmp/ready" &
	background=$!
	read -r inner port <"$tmp/ready"
	# 1, when another run's trees are there, which are made not to be readable.
	try "0 1" "PID namespace" $stat_json
	group=".trees[] | select(.groups[0].address == \"127.0.0.1:$port\")"
	json_is "$group | .pid != $inner and .pid == .groups[0].cores[0].owner_pid and .pid == .processes[0]"
	json_is "$group | .groups[0].workers == 2"
	json_is "$group | .groups[0].cores[0].owner_pids == .processes"
	[ "$inner" -eq 0 ] || echo >"$tmp/end"
	wait "$background"
	background=
else
	part_skipped "a PID namespace" "unshare may not make one here"
fi
if unshare --net ip link set lo up 2>/dev/null && nsenter -t $$ -n true 2>/dev/null; then
	# A tree here, and another one there whose region names the same cookie.
	try "0 1" "network namespace" "$make_region" valid unshare --net sh -c \
		"ip link set lo up && exec $make_region foreign nsenter -t $$ -n sh -c 'echo \$REGION_PID >$tmp/ids; exec $stat_json'"
	tree=".trees[] | select(.pid == $(cat "$tmp/ids")) | .groups[0]"
	json_is "$tree | .queue == null and .cores[0].queue == null and .cores[0].accepted_local == 1000"
	json_is '[.trees[] | select(.command == "make_region") | .groups[0].cores[0].queue] | index(3) != null'
else
	part_skipped "a network namespace" "unshare, nsenter or ip may not do it here"
fi

### Output that cannot be written

if [ -w /dev/full ]; then
	"$fastsock" --help >/dev/full 2>"$tmp/err"
	status=$?
	what="full disk"
	[ $status -eq 1 ] || fail "full disk: status $status"
	err_has "cannot write"
fi

[ $failures -eq 0 ] || { echo "$failures failed"; exit 1; }
echo "all passed"
