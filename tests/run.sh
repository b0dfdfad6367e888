#!/bin/bash
#
# Builds libfastsock in every way that is promised and runs all tests. What is
# missing on the machine is named, then installed. Works on a copy of the
# source, so that the tree which it is started from stays as it is.
#
# The last line is "N passed, N failed", with ", N skipped" when there were any:
# the tests of all suites, and every step (a build, a check) as one.
set -u

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd) || exit 1
# shellcheck source-path=SCRIPTDIR source=lib/packages.sh
. "$top/tests/lib/packages.sh"

# In this order: the first ones fail soonest.
all_passes=(scripts man gcc sanitizers races clang aarch64 vm distcheck package clean)

usage()
{
	cat <<END
Usage: tests/run.sh [OPTION]...

  --only NAME...   these passes alone
  --quick          without sanitizers, races, aarch64, vm, distcheck and package
  --list           name the passes
  --help           this text

  scripts     shellcheck
  man         mandoc's lint
  gcc         build without warnings, all tests, what the library needs and exports
  sanitizers  gcc with AddressSanitizer and UBSan: unit and preload tests
  races       gcc with ThreadSanitizer: the preload tests with threads
  clang       build without warnings, unit tests
  aarch64     cross build, unit tests under qemu-user
  vm          tests in an emulated machine with 4 and 8 CPUs, a NIC with RSS, Debian's kernel
  distcheck   the tarball builds, passes its unit tests, installs and cleans up
  package     the Debian packages build, pass lintian and hold what they should
  clean       the builds left nothing in the source

With CI=true a skipped test is a failure, unless the machine is the reason.
Logs of what failed are kept; JOBS sets how many jobs make runs (default 2);
FS_VM_CACHE names a directory that keeps vm's kernel for the next time.
END
}

bad_usage()
{
	echo "run.sh: $*" >&2
	echo "Try 'run.sh --help'." >&2
	exit 2
}

is_in()
{
	local wanted=$1 word

	shift
	for word in "$@"; do
		[ "$word" != "$wanted" ] || return 0
	done
	return 1
}

passes=()
quick=no
while [ $# -gt 0 ]; do
	case $1 in
	--help)
		usage
		exit 0
		;;
	--list)
		printf '%s\n' "${all_passes[@]}"
		exit 0
		;;
	--quick) quick=yes ;;
	--only)
		shift
		[ $# -gt 0 ] || bad_usage "--only needs the name of a pass"
		while [ $# -gt 0 ]; do
			case $1 in
			--*) continue 2 ;;
			esac
			is_in "$1" "${all_passes[@]}" || bad_usage "--only '$1': one of ${all_passes[*]} is accepted"
			passes+=("$1")
			shift
		done
		continue
		;;
	*) bad_usage "'$1' is no option" ;;
	esac
	shift
done
if [ ${#passes[@]} -eq 0 ]; then
	passes=(scripts man gcc clang clean)
	[ $quick = yes ] || passes=("${all_passes[@]}")
elif [ $quick = yes ]; then
	bad_usage "--quick and --only exclude each other"
fi

jobs=${JOBS:-2}
machine=$(uname -m)
needs=(gcc:gcc make:make autoreconf:autoconf automake:automake libtoolize:libtool pkg-config:pkg-config
	/usr/include/stdio.h:libc6-dev xz:xz-utils)
for pass in "${passes[@]}"; do
	case $pass in
	scripts) needs+=(shellcheck:shellcheck) ;;
	man) needs+=(mandoc:mandoc) ;;
	gcc) needs+=(readelf:binutils nginx:nginx-light haproxy:haproxy lighttpd:lighttpd redis-server:redis-server
		memcached:memcached jq:jq taskset:util-linux setpriv:util-linux strace:strace
		python3:python3 gnuplot:gnuplot-nox
		promtool:prometheus tmux:tmux /usr/include/ncurses.h:libncurses-dev
		gunicorn:gunicorn node:nodejs curl:curl systemd-analyze:systemd
		/usr/include/check.h:check clang:clang /usr/include/bpf/bpf.h:libbpf-dev ip:iproute2 ethtool:ethtool
		musl-gcc:musl-tools objcopy:binutils setcap:libcap2-bin iptables:iptables) ;;
	sanitizers) needs+=(/usr/include/check.h:check clang:clang /usr/include/bpf/bpf.h:libbpf-dev) ;;
	clang) needs+=(clang:clang /usr/include/check.h:check /usr/include/bpf/bpf.h:libbpf-dev) ;;
	vm) needs+=(nginx:nginx-light jq:jq taskset:util-linux ip:iproute2 ethtool:ethtool cpio:cpio modinfo:kmod
		clang:clang /usr/include/bpf/bpf.h:libbpf-dev qemu-system-x86_64:qemu-system-x86) ;;
	package) needs+=(dh:debhelper dpkg-buildpackage:dpkg-dev lintian:lintian /usr/include/check.h:check clang:clang
		/usr/include/bpf/bpf.h:libbpf-dev /usr/include/ncurses.h:libncurses-dev) ;;
	aarch64)
		[ "$machine" = aarch64 ] || needs+=(aarch64-linux-gnu-gcc:gcc-aarch64-linux-gnu
			/usr/aarch64-linux-gnu/include/stdio.h:libc6-dev-arm64-cross qemu-aarch64:qemu-user)
		;;
	esac
done
if ! packages_ensure "${needs[@]}"; then
	echo "0 passed, 1 failed"
	exit 1
fi

work=$(mktemp -d "${TMPDIR:-/tmp}/fastsock-tests.XXXXXX") || exit 1
source=$work/source
logs=$work/logs
mkdir "$source" "$logs"
passed=0 failed=0 skipped=0
child=
finish()
{
	trap '' INT TERM HUP
	[ -z "$child" ] || kill -TERM -- "-$child" 2>/dev/null
	[ -z "$child" ] || wait "$child" 2>/dev/null
	# Read-only directories that distcheck left when it failed.
	chmod -R u+w "$work" 2>/dev/null
	rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

# What the caller's environment says of the library, or of make, must reach no test.
unset LD_PRELOAD FASTSOCK MAKEFLAGS MAKELEVEL
export LC_ALL=C
# A test of the preload runner that hangs is given up after so many seconds; the whole run is to end in minutes.
export FS_TEST_TIMEOUT=${FS_TEST_TIMEOUT:-60}

# Runs a command with its output in LOG, in a process group of its own (which job control gives), so that a signal to this script ends all of it.
logged()
{
	local status=0

	set -m
	"$@" >>"$LOG" 2>&1 </dev/null &
	child=$!
	set +m
	wait $child || status=$?
	child=
	return $status
}

# result WORD NAME SECONDS [NOTE]
result()
{
	printf '%-8s %-44s %4d s%s\n' "$1" "$2" "$3" "${4:+  $4}"
}

keep_log()
{
	local kept

	kept=$(mktemp "${TMPDIR:-/tmp}/fastsock-test-XXXXXX.log") || return
	cat "$LOG" >"$kept"
	sed 's/^/    /' < <(tail -n 40 "$LOG")
	echo "    all of it: $kept"
}

# step NAME COMMAND...: counts as one.
step()
{
	local name=$1 from=$SECONDS

	shift
	LOG=$logs/log
	: >"$LOG"
	if logged "$@"; then
		passed=$((passed + 1))
		result ok "$name" $((SECONDS - from))
		return 0
	fi
	failed=$((failed + 1))
	result FAILED "$name" $((SECONDS - from))
	keep_log
	return 1
}

# A step that cannot be done on this machine.
skip_step()
{
	skipped=$((skipped + 1))
	result skipped "$1" 0 "$2"
}

# Reasons to skip that lie with the machine, which no package can change.
machine_reason='CPU|IPv6|kernel|namespace|permission|privilege|root|seccomp|MPTCP|emulation'

# suite NAME BUILD COMMAND...: a `make check`; counts as the number of its tests.
suite()
{
	local name=$1 build=$2 from=$SECONDS status=0 p f s trs reason

	shift 2
	LOG=$logs/log
	: >"$LOG"
	find "$build/tests" -name '*.trs' -exec rm -f {} + 2>/dev/null
	logged "$@" || status=$?
	# Automake's summary, "# PASS:  12", may be in colour.
	read -r p f s < <(sed 's/\x1b\[[0-9;]*m//g' "$LOG" | awk '
		$1 == "#" && ($2 == "PASS:" || $2 == "XFAIL:") { p += $3 }
		$1 == "#" && ($2 == "FAIL:" || $2 == "XPASS:" || $2 == "ERROR:") { f += $3 }
		$1 == "#" && $2 == "SKIP:" { s += $3 }
		END { print p + 0, f + 0, s + 0 }')
	if [ $((p + f + s)) -eq 0 ] || { [ $status -ne 0 ] && [ "$f" -eq 0 ]; }; then
		# It did not come to its tests, or it failed beside them.
		f=$((f + 1))
	fi
	while read -r trs; do
		reason=$(grep -v '^SKIP .*(exit status' "${trs%.trs}.log" 2>/dev/null | tail -n 1)
		if [ "${CI:-}" = true ] && ! [[ $reason =~ $machine_reason ]]; then
			echo "         skipped, which is a failure here: $(basename "${trs%.trs}"): $reason"
			f=$((f + 1))
			s=$((s - 1))
		else
			echo "         skipped: $(basename "${trs%.trs}"): $reason"
		fi
	done < <(find "$build/tests" -name '*.trs' -exec grep -l '^:test-result: SKIP' {} + 2>/dev/null)
	passed=$((passed + p))
	failed=$((failed + f))
	skipped=$((skipped + s))
	if [ "$f" -eq 0 ]; then
		result ok "$name" $((SECONDS - from)) "$p tests"
		return 0
	fi
	result FAILED "$name" $((SECONDS - from)) "$f of $((p + f + s)) tests"
	[ ! -s "$build/test-suite.log" ] || cat "$build/test-suite.log" >>"$LOG"
	keep_log
	return 1
}

# tests_of BUILD KIND...: the tests of the suite that are of these kinds (unit, preload, system, vm).
tests_of()
{
	local build=$1 pattern

	shift
	pattern=$(printf '|^tests/%s/' "$@")
	# shellcheck disable=SC2016 # for make, not for the shell
	printf 'include Makefile\nprint-tests:\n\t@echo $(TESTS)\n' |
		make -s -C "$build" -f - print-tests | tr ' ' '\n' | grep -E "${pattern#|}" | tr '\n' ' '
}

# configure_in DIRECTORY ARGUMENT...
configure_in()
{
	mkdir -p "$1" && cd "$1" && shift && "$source/configure" --quiet "$@"
}

# build_in NAME MAKE_ARGUMENTS -- CONFIGURE_ARGUMENTS: configure and make, tests included, as two steps. Sets build.
build_in()
{
	local name=$1
	local -a make_args=()

	shift
	while [ "$1" != -- ]; do
		make_args+=("$1")
		shift
	done
	shift
	build=$work/$name
	step "$name: configure" configure_in "$build" "$@" &&
		step "$name: build" make -j"$jobs" -C "$build" "${make_args[@]}" all &&
		step "$name: build the tests" make -j"$jobs" -C "$build" "${make_args[@]}" check TESTS=
}

# "Warning" and worse: what is below is mostly about quotes that are left out on purpose.
check_scripts()
{
	cd "$source" && shellcheck -x -S warning "$@"
}

# The scripts by their first line, wherever they are.
pass_scripts()
{
	local -a scripts

	mapfile -t scripts < <(cd "$source" && find . -type f ! -path './build-aux/*' ! -path './m4/*' ! -path './autom4te.cache/*' \
		! -name configure ! -name 'config.*' ! -name 'libtool' -exec awk '
		FNR == 1 && (/^#!.*[\/ ](ba|da)?sh( |$)/ || /^# shellcheck shell=/) { print FILENAME } { nextfile }' {} + | sort)
	step "shellcheck: ${#scripts[@]} scripts" check_scripts "${scripts[@]}"
}

check_pages()
{
	[ $# -gt 0 ] && mandoc -T lint -W warning "$@"
}

pass_man()
{
	local -a pages

	mapfile -t pages < <(find "$source/man" -name '*.[1-8]' | sort)
	# From "warning" up: below it are matters of style.
	step "mandoc: ${#pages[@]} pages" check_pages "${pages[@]}"
}

# libc, and the dynamic linker, which some architectures name.
needs_libc_alone()
{
	local needed

	needed=$(readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
	echo "needs: $needed"
	[ -n "$needed" ] && ! echo "$needed" | grep -Ev '^(libc\.so\.|ld-linux)'
}

pass_gcc()
{
	build_in gcc WERROR=-Werror -- CC=gcc || return
	step "gcc: the library needs libc alone" needs_libc_alone "$build/.libs/libfastsock.so"
	suite "gcc: unit tests" "$build" make -j"$jobs" -C "$build" check "TESTS=$(tests_of "$build" unit)"
	# One after the other: each of them needs the CPUs for itself.
	for kind in preload system; do
		suite "gcc: $kind tests" "$build" make -C "$build" check "TESTS=$(tests_of "$build" $kind)"
	done
}

pass_sanitizers()
{
	build_in sanitizers -- CC=gcc \
		CFLAGS='-O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all' || return
	for kind in unit preload; do
		suite "sanitizers: $kind tests" "$build" env UBSAN_OPTIONS=print_stacktrace=1 \
			make -C "$build" check "TESTS=$(tests_of "$build" $kind)"
	done
}

pass_races()
{
	build_in races -- CC=gcc CFLAGS='-O1 -g -fsanitize=thread' || return
	suite "races: preload tests" "$build" \
		make -C "$build" check "TESTS=$(tests_of "$build" preload | tr ' ' '\n' | grep -E '/(threads_|shared_epoll|stuck_shared)' | tr '\n' ' ')"
}

pass_clang()
{
	build_in clang WERROR=-Werror -- CC=clang || return
	suite "clang: unit tests" "$build" make -C "$build" check "TESTS=$(tests_of "$build" unit)"
}

pass_aarch64()
{
	if [ "$machine" = aarch64 ]; then
		skip_step "aarch64: cross build" "this is one: the other passes are it"
		return
	fi
	# Not this machine's libraries: what is not there for the target must be found missing.
	export PKG_CONFIG_LIBDIR=/usr/lib/aarch64-linux-gnu/pkgconfig
	if build_in aarch64 WERROR=-Werror -- --host=aarch64-linux-gnu; then
		step "aarch64: the library needs libc alone" needs_libc_alone "$build/.libs/libfastsock.so"
		suite "aarch64: unit tests under qemu-user" "$build" make -C "$build" check "TESTS=$(tests_of "$build" unit)" \
			LOG_COMPILER='qemu-aarch64 -L /usr/aarch64-linux-gnu'
	fi
	unset PKG_CONFIG_LIBDIR
}

pass_vm()
{
	build_in vm WERROR=-Werror -- CC=gcc || return
	suite "vm: tests in an emulated machine" "$build" make -C "$build" check "TESTS=$(tests_of "$build" vm)"
}

pass_distcheck()
{
	step "distcheck: configure" configure_in "$work/dist" || return
	# The tests of all kinds ran before, in the build that the tarball is made from.
	step "distcheck" make -j"$jobs" -C "$work/dist" distcheck "TESTS=$(tests_of "$work/dist" unit)"
}

source_state()
{
	(cd "$source" && find . -type f -exec cksum {} + | sort -k 3)
}

# A clean export: what is generated in the source is none of a source package's.
build_package()
{
	mkdir -p "$work/package/libfastsock" && copy_source "$work/package/libfastsock" &&
		cd "$work/package/libfastsock" && DEB_BUILD_OPTIONS=parallel=$jobs dpkg-buildpackage -us -uc
}

pass_package()
{
	if [ ! -d "$top/debian" ]; then
		skip_step "package" "a tarball has no debian/; it is in the repository"
		return
	fi
	step "package: build" build_package || return
	# As root, lintian wants to be told that this is meant.
	step "package: lintian" lintian --allow-root --fail-on error,warning "$work"/package/*.changes
	step "package: contents" "$source/tests/package/contents.sh" "$work/package"
}

pass_clean()
{
	source_state >"$work/after"
	step "the source is as it was before the builds" diff "$work/before" "$work/after"
}

# copy_source DIRECTORY: what git would take; without git, everything that is not obviously built.
copy_source()
{
	local to=$1

	cd "$top" || return
	if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
		# Files that were deleted, but not in git's eyes yet, are not copied.
		git ls-files -co --exclude-standard -z | while IFS= read -r -d '' file; do
			[ ! -e "$file" ] || printf '%s\0' "$file"
		done | tar --null -T - -cf - | tar -xf - -C "$to"
		return
	fi
	tar --exclude=./.git --exclude=./build -cf - . | tar -xf - -C "$to"
	# Objects in the source would be taken for the builds' own.
	[ ! -e "$to/Makefile" ] || make -s -C "$to" distclean
}

started=$SECONDS
copy_source "$source" || exit 1
# Passes that build need this, and those that only look at files do not mind.
if step "autoreconf" autoreconf -i "$source"; then
	source_state >"$work/before"
	for pass in "${passes[@]}"; do
		"pass_$pass"
	done
fi
printf '%d min %02d s\n' $(((SECONDS - started) / 60)) $(((SECONDS - started) % 60))
if [ "${CI:-}" = true ] && [ $((passed + failed)) -eq 0 ]; then
	failed=1
fi
if [ $skipped -gt 0 ]; then
	echo "$passed passed, $failed failed, $skipped skipped"
else
	echo "$passed passed, $failed failed"
fi
[ $failed -eq 0 ]
