#!/bin/bash
#
# nginx three times, side by side: as it comes, with `reuseport`, and as it
# comes under libfastsock. Takes turns in short rounds and shows medians.
# Works on a fresh Debian machine: what is missing is named, then installed.
set -u

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd) || exit 1

usage()
{
	cat <<END
Usage: examples/demo.sh [OPTION]...
Builds libfastsock and loads nginx with wrk: as it comes, with reuseport, and
under the library. Takes about a minute once everything is built.

  --rounds N    rounds, each with all three (default 4)
  --seconds N   length of one load (default 3)
  --help        this text

NO_COLOR=1 switches colours off. The build goes to FASTSOCK_BUILD (default:
the directory build/ beside examples/, or the source itself if it is configured).
END
}

bad_usage()
{
	echo "demo.sh: $*" >&2
	echo "Try 'demo.sh --help'." >&2
	exit 2
}

rounds=4 seconds=3
while [ $# -gt 0 ]; do
	case $1 in
	--help)
		usage
		exit 0
		;;
	--rounds | --seconds)
		[ $# -ge 2 ] || bad_usage "$1 needs a number"
		case $2 in
		'' | 0* | *[!0-9]* | ?????*) bad_usage "$1 '$2': a number from 1 to 9999 is accepted" ;;
		esac
		if [ "$1" = --rounds ]; then
			rounds=$2
		else
			seconds=$2
		fi
		shift 2
		;;
	*) bad_usage "'$1' is no option" ;;
	esac
done

# Before the locale is set to what parsers need.
block='#'
case ${LC_ALL:-${LC_CTYPE:-${LANG:-}}} in
*[Uu][Tt][Ff]-8 | *[Uu][Tt][Ff]8) block=█ ;;
esac
bold='' green='' plain=''
if [ -t 1 ] && [ -z "${NO_COLOR:-}" ] && [ "${TERM:-dumb}" != dumb ]; then
	bold=$'\e[1m' green=$'\e[32m' plain=$'\e[0m'
fi

# shellcheck source-path=SCRIPTDIR source=../tests/lib/packages.sh
. "$top/tests/lib/packages.sh"
# shellcheck source-path=SCRIPTDIR source=../bench/lib.sh
. "$top/bench/lib.sh"

if [ "$WORKERS" -lt 2 ]; then
	bench_die "needs two CPUs at least, and may run on $WORKERS: with one there is nothing to steer"
fi
needs=(gcc:gcc make:make nginx:nginx-light wrk:wrk /usr/include/stdio.h:libc6-dev)
[ -e "$top/configure" ] ||
	needs+=(autoreconf:autoconf automake:automake libtoolize:libtool pkg-config:pkg-config)
packages_ensure "${needs[@]}" || exit 1

# One line at the bottom that changes, on a terminal that can do that; else a line for each step.
rewrites=no
if [ -t 2 ] && [ "${TERM:-dumb}" != dumb ]; then
	rewrites=yes
fi

status()
{
	if [ "$rewrites" = yes ]; then
		printf '\r\e[K%s' "$*" >&2
	else
		printf '%s\n' "$*" >&2
	fi
}

status_end()
{
	[ "$rewrites" = no ] || printf '\r\e[K' >&2
}

bench_begin

# A step of the build: quiet, unless it fails.
build_step()
{
	status "building: $1"
	shift
	if ! bench_load "$@" >"$BENCH_TMP/build.log" 2>&1; then
		status_end
		tail -n 30 "$BENCH_TMP/build.log" >&2
		bench_die "the build failed, for the reason above: $*"
	fi
}

configure_in()
{
	cd "$1" && "$top/configure" --quiet
}

build=${FASTSOCK_BUILD:-$top/build}
# A source that was configured in place builds there only.
[ ! -e "$top/config.status" ] || build=$top
[ -e "$top/configure" ] || build_step "autoreconf" autoreconf -i "$top"
if [ ! -e "$build/Makefile" ]; then
	mkdir -p "$build" || exit 1
	# The source stays clean for whoever looks at it with git.
	[ -n "${FASTSOCK_BUILD:-}" ] || [ -e "$build/.gitignore" ] || echo '*' >"$build/.gitignore"
	build_step "configure" configure_in "$build"
fi
build_step "make" make -s -j"$(nproc)" -C "$build"
build=$(cd "$build" && pwd)
LIBRARY=$build/.libs/libfastsock.so
FASTSOCK=$build/fastsock
[ -r "$LIBRARY" ] || bench_die "the build left no $LIBRARY: remove $build, and start this again"
status_end

modes=(stock reuseport fastsock)
samples=$BENCH_TMP/samples
: >"$samples"

printf '%s\n' "${bold}nginx with $WORKERS workers, wrk -t$WORKERS -c$((WORKERS * 32)), a connection per request${plain}" \
	"  stock      nginx" \
	"  reuseport  nginx, with 'listen ... reuseport'" \
	"  fastsock   LD_PRELOAD=$LIBRARY nginx" ""

step=0
steps=$((rounds * ${#modes[@]}))
for ((round = 1; round <= rounds; round++)); do
	for ((i = 0; i < ${#modes[@]}; i++)); do
		# Who comes first changes from round to round.
		mode=${modes[$(((i + round - 1) % ${#modes[@]}))]}
		status "$(printf '[%3d %%] round %d of %d: %s' $((100 * step / steps)) "$round" "$rounds" "$mode")"
		nginx_start "$mode" || bench_die "nginx ($mode) did not start, for the reason above"
		# Warms up, and counts who took how many.
		wrk_load 1 '/?count=1' 'Connection: close' || bench_die "wrk could not load nginx ($mode), for the reason above"
		bench_cpu_ms "$NGINX"
		before=$CPU_MS
		wrk_load "$seconds" / 'Connection: close' || bench_die "wrk could not load nginx ($mode), for the reason above"
		bench_cpu_ms "$NGINX"
		bench_stop "$NGINX"
		nginx_accepts
		printf '%s %s %s %s %s %s %s\n' "$mode" "$RATE" "$P50_US" "$P99_US" \
			"$(bench_calc "1000 * ($CPU_MS - $before) / $REQUESTS")" "$ERRORS" "$ACCEPTS" >>"$samples"
		step=$((step + 1))
	done
done
status_end

awk -v bold="$bold" -v green="$green" -v plain="$plain" -v block="$block" -v order="${modes[*]}" '
	function median(mode, field,    i, j, n, t, v) {
		n = count[mode]
		for (i = 1; i <= n; i++)
			v[i] = value[mode, field, i] + 0
		for (i = 2; i <= n; i++)
			for (j = i; j > 1 && v[j - 1] > v[j]; j--) {
				t = v[j]; v[j] = v[j - 1]; v[j - 1] = t
			}
		return n % 2 ? v[(n + 1) / 2] : (v[n / 2] + v[n / 2 + 1]) / 2
	}
	# Mean shares of the workers, the busiest of each round first.
	function shares(mode,    i, k, n, parts, sum, share, most, text) {
		for (i = 1; i <= count[mode]; i++) {
			n = split(value[mode, 7, i], parts, ",")
			sum = 0
			for (k = 1; k <= n; k++)
				sum += parts[k]
			for (k = 1; k <= n && sum; k++)
				share[k] += 100 * parts[k] / sum / count[mode]
			if (n > most)
				most = n
		}
		for (k = 1; k <= most; k++)
			text = text sprintf("%s%.0f%%", k > 1 ? " " : "", share[k])
		return text
	}
	function bar(length_wanted,    text) {
		while (length_wanted-- > 0)
			text = text block
		return text
	}
	{
		n = ++count[$1]
		for (f = 2; f <= 7; f++)
			value[$1, f, n] = $f
		errors += $6
	}
	END {
		modes = split(order, name, " ")
		printf "%s%-10s %8s %9s %9s %12s  %s%s\n", bold, "", "conn/s", "p50 ms", "p99 ms", "CPU us/conn", "accepts per worker", plain
		for (m = 1; m <= modes; m++) {
			rate[m] = median(name[m], 2)
			if (rate[m] > top)
				top = rate[m]
			printf "%-10s %8.0f %9.2f %9.2f %12.2f  %s\n", name[m], rate[m], median(name[m], 3) / 1000,
				median(name[m], 4) / 1000, median(name[m], 5), shares(name[m])
		}
		printf "\n%sconnections per second%s\n", bold, plain
		for (m = 1; m <= modes; m++)
			printf "%-10s %s%s%s %.0f (%.2f x)\n", name[m], name[m] == "fastsock" ? green : "",
				bar(int(45 * rate[m] / top + 0.5)), plain, rate[m], rate[m] / rate[1]
		if (errors)
			printf "\n%d requests failed\n", errors
	}' "$samples"
