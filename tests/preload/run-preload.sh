#!/bin/sh
# Runs a story (see harness.h) without and with the library and compares what can be seen of it.
#
# usage: run-preload.sh PROGRAM
# FASTSOCK_LIB names the library. LINKED=1: PROGRAM is linked with it, and PROGRAM without its suffix ".linked" is the plain one.
set -u

program=$1
lib=${FASTSOCK_LIB:?FASTSOCK_LIB must name libfastsock.so}
patience=${FS_TEST_TIMEOUT:-180}

if [ ! -e "$lib" ]; then
	echo "FAILED: no library at $lib"
	exit 99
fi

# Of the caller's settings none may reach the story.
for variable in $(env | sed -n 's/^\(FASTSOCK_[A-Z_]*\|FASTSOCK\|LD_PRELOAD\)=.*/\1/p'); do
	case $variable in
	FASTSOCK_LIB | FASTSOCK_CMD) ;;
	*) unset "$variable" ;;
	esac
done

dir=$(mktemp -d "${TMPDIR:-/tmp}/fs-preload.XXXXXX") || exit 99
child=
stealing=off
cleanup() {
	[ -n "$child" ] && kill "$child" 2>/dev/null && wait "$child" 2>/dev/null
	rm -rf "$dir"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

plain=$program
preload=$lib
case $program in
*.linked*) plain=${program%.linked*}${program##*.linked} preload= ;;
esac

"$plain" --expect >"$dir/expect" || exit $?
"$plain" --log >"$dir/log" || exit $?
command -v taskset >/dev/null || { echo "SKIP: needs taskset"; exit 77; }
cpus=$("$plain" --cpus)
case $? in
0) ;;
77) echo "$cpus"; exit 77 ;;
*) exit 99 ;;
esac
"$plain" --env >"$dir/env" || exit $?

# AddressSanitizer's runtime wants to be first. A cancelled thread's frames stay
# poisoned, because nobody returns from them, so AddressSanitizer must not use
# that stack again when the thread ends (use_sigaltstack).
runtime=$(ldd "$lib" 2>/dev/null | awk '$1 ~ /^lib(a|t)san/ && $3 ~ /^\// { print $3; exit }')
if [ -n "$runtime" ]; then
	ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0:use_sigaltstack=0"
	export ASAN_OPTIONS
fi

# run NAME PROGRAM PRELOADED...
run() {
	name=$1
	what=$2
	shift 2
	list=
	for module; do
		[ -n "$module" ] && list=${list:+$list:}$module
	done
	(
		while IFS= read -r line || [ -n "$line" ]; do
			# shellcheck disable=SC2163 # the line is NAME=value
			[ -n "$line" ] && export "$line"
		done <"$dir/env"
		: "${FASTSOCK_LOG=warn}"
		# What goes where is exact without stealing, which is a matter of the machine's load.
		: "${FASTSOCK_STEAL=$stealing}"
		: "${FASTSOCK_BALANCE=$stealing}"
		export FASTSOCK_LOG FASTSOCK_STEAL FASTSOCK_BALANCE
		cd "$dir" || exit 99
		exec timeout -k 5 "$patience" taskset -c "${cpus#* }" \
			env FS_TEST_REPORT="$dir/$name.report" FS_TEST_CPUS="${cpus% *}" ${list:+"LD_PRELOAD=$list"} "$what"
	) >"$dir/$name.out" 2>"$dir/$name.err" </dev/null &
	child=$!
	wait "$child"
	status=$?
	child=
	touch "$dir/$name.report"
	echo "$status" >"$dir/$name.status"
}

show() {
	for f in stock.out stock.err with.out with.err with.report stealing.out stealing.err; do
		[ -s "$dir/$f" ] || continue
		echo "--- $f"
		head -c 8000 "$dir/$f"
	done
}

fail() {
	echo "FAILED: $*"
	show
	exit 1
}

case $program in
/*) ;;
*) program=$PWD/$program plain=$PWD/$plain ;;
esac

run stock "$plain" "$runtime"
[ "$(cat "$dir/stock.status")" = 77 ] && { cat "$dir/stock.out"; exit 77; }
[ "$(cat "$dir/stock.status")" = 0 ] || fail "without the library: exit status $(cat "$dir/stock.status"), the test itself is wrong here"
[ -s "$dir/stock.err" ] && fail "without the library: output on standard error"
[ -s "$dir/stock.report" ] && fail "without the library: something answered in its name"

# ThreadSanitizer's comes last, or it would take what its own wrappers call for its own business and see no lock in it.
case $runtime in
*tsan*) run with "$program" "$preload" "$runtime" ;;
*) run with "$program" "$runtime" "$preload" ;;
esac
[ "$(cat "$dir/with.status")" = 0 ] || fail "with the library: exit status $(cat "$dir/with.status")"
cmp -s "$dir/stock.out" "$dir/with.out" || {
	diff -u "$dir/stock.out" "$dir/with.out"
	fail "the program behaves differently with the library"
}
cmp -s "$dir/expect" "$dir/with.report" || {
	diff -u "$dir/expect" "$dir/with.report"
	fail "the library did not do what is expected of it"
}
# The same with stealing, which moves connections between cores as the machine's load has it: the program sees no difference.
if ! grep -q '^FASTSOCK_STEAL=' "$dir/env"; then
	stealing=on
	case $runtime in
	*tsan*) run stealing "$program" "$preload" "$runtime" ;;
	*) run stealing "$program" "$runtime" "$preload" ;;
	esac
	[ "$(cat "$dir/stealing.status")" = 0 ] || fail "with stealing: exit status $(cat "$dir/stealing.status")"
	cmp -s "$dir/stock.out" "$dir/stealing.out" || {
		diff -u "$dir/stock.out" "$dir/stealing.out"
		fail "the program behaves differently with stealing"
	}
	cmp -s "$dir/with.err" "$dir/stealing.err" || [ -s "$dir/log" ] || fail "with stealing: other output on standard error"
fi
if [ -s "$dir/log" ]; then
	[ "$(wc -l <"$dir/with.err")" = 1 ] || fail "with the library: one line expected on standard error"
	grep -Eq -f "$dir/log" "$dir/with.err" || fail "with the library: the line on standard error does not match: $(cat "$dir/log")"
elif [ -s "$dir/with.err" ]; then
	fail "with the library: output on standard error"
fi
cat "$dir/with.out" "$dir/with.report"
exit 0
