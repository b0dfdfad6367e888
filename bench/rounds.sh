# shellcheck shell=bash disable=SC2034,SC2154 # names are shared with whoever sources this
#
# A benchmark of scenarios x modes: options, rounds, results. All modes of a
# scenario take turns within each round, and who comes first changes from
# round to round, so that a noisy machine is unfair to everybody alike.
#
# Sourced after lib.sh. The caller sets BENCH_NAME, here (its directory), the arrays scenarios and
# all_modes, and the functions usage, about SCENARIO, modes_of SCENARIO, needs_of SCENARIO (commands)
# and run_SCENARIO for each (with _ for -), which measures `mode` once and emits samples. It may
# define rounds_of SCENARIO, when not all have the same number, option OPTION, for options
# without a value that only it has, and rounds_begin, called once before the first round. Then it calls rounds_options "$@", rounds_prepare and rounds_run REPORT.

# What is not told while it is measured; the report has everything.
hidden='(requests|accepted|batches|refused|reset|cut|timed_out|other|seconds|held_back|unstarted|p50_us|p999_us|.*_series)$'
rounds=5 seconds=4 build='' json='' plots='' LIBRARY='' chosen=() chosen_modes=()

bad_usage()
{
	bench_say "$BENCH_NAME: $*"
	bench_say "Try '$BENCH_NAME --help'."
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

number()
{
	case $2 in
	'' | *[!0-9]* | ??????*) bad_usage "$1 '$2': a number is accepted" ;;
	esac
	[ "$2" -ge 1 ] || bad_usage "$1 '$2': at least 1 is accepted"
}

rounds_of()
{
	echo "$rounds"
}

# No options of its own, unless the caller says otherwise.
option()
{
	return 1
}

rounds_options()
{
	local option word s

	while [ $# -gt 0 ]; do
		case $1 in
		--help)
			usage
			exit 0
			;;
		--list)
			for s in "${scenarios[@]}"; do
				printf '%-16s %s\n%-16s modes: %s\n' "$s" "$(about "$s")" '' "$(modes_of "$s")"
			done
			exit 0
			;;
		--rounds | --seconds | --library | --build | --json | --plots | --scenario | --mode)
			[ $# -ge 2 ] || bad_usage "$1 needs a value"
			;;
		*)
			option "$1" || bad_usage "'$1' is no option"
			shift
			continue
			;;
		esac
		option=$1
		shift
		case $option in
		--rounds)
			number "$option" "$1"
			rounds=$1
			;;
		--seconds)
			number "$option" "$1"
			seconds=$1
			;;
		--library) LIBRARY=$1 ;;
		--build) build=$1 ;;
		--json) json=$1 ;;
		--plots) plots=$1 ;;
		--scenario | --mode)
			case $1 in
			--*) bad_usage "$option needs a value" ;;
			esac
			while [ $# -gt 0 ]; do
				case $1 in
				--*) break ;;
				esac
				for word in ${1//,/ }; do
					if [ "$option" = --scenario ]; then
						is_in "$word" "${scenarios[@]}" ||
							bad_usage "--scenario '$word': one of ${scenarios[*]} is accepted"
						chosen+=("$word")
					else
						is_in "$word" "${all_modes[@]}" ||
							bad_usage "--mode '$word': one of ${all_modes[*]} is accepted"
						chosen_modes+=("$word")
					fi
				done
				shift
			done
			continue
			;;
		esac
		shift
	done
	[ ${#chosen[@]} -gt 0 ] || chosen=("${scenarios[@]}")
}

wanted_modes()
{
	local mode

	for mode in $(modes_of "$1"); do
		[ ${#chosen_modes[@]} -gt 0 ] && ! is_in "$mode" "${chosen_modes[@]}" || echo "$mode"
	done
}

# What the chosen scenarios need is there, or this is the end; sets HELPERS, FASTSOCK and LIBRARY.
rounds_prepare()
{
	local command s

	if [ -z "$build" ]; then
		build=$here/..
		[ ! -e config.status ] || build=.
	fi
	[ -d "$build" ] || bench_die "--build $build: there is no such directory"
	build=$(cd "$build" && pwd) || exit 1
	for command in setsid mktemp awk python3 $(for s in "${chosen[@]}"; do needs_of "$s"; done); do
		command -v "$command" >/dev/null 2>&1 || bench_die "$command is missing (Debian: apt-get install nginx-light haproxy wrk strace python3)"
	done
	# Before everything is measured, not after.
	[ -z "$json" ] || [ -d "$(dirname -- "$json")" ] || bench_die "--json $json: there is no such directory"
	[ -e "$build/Makefile" ] ||
		bench_die "there is no Makefile in $build: run configure there first, or name the build directory with --build"
	make -s -C "$build" bench-programs >&2 || bench_die "the benchmark's programs could not be built, for the reason above"
	FASTSOCK=$build/fastsock
	HELPERS=$build/bench
	# Whether the library is wanted at all, and then whether it is there.
	for s in "${chosen[@]}"; do
		case " $(wanted_modes "$s" | tr '\n' ' ') " in
		*fastsock*)
			LIBRARY=${LIBRARY:-$build/.libs/libfastsock.so}
			[ -r "$LIBRARY" ] || bench_die "there is no library at $LIBRARY: run make, or name it with --library FILE"
			[ -x "$FASTSOCK" ] || bench_die "there is no command at $FASTSOCK: run make"
			LIBRARY=$(cd "$(dirname "$LIBRARY")" && pwd)/$(basename "$LIBRARY")
			;;
		esac
	done
}

# emit METRIC VALUE: a sample of the scenario, mode and round at hand.
emit()
{
	printf '%s\t%s\t%s\t%s\t%s\n' "$scenario" "$mode" "$round" "$1" "$2" >>"$samples"
}

# The same for the "name value" lines of a program of ours, names prefixed.
emit_lines()
{
	local prefix=$1 name value

	while read -r name value; do
		emit "$prefix$name" "$value"
	done
}

# How much of the CPUs others use, in percent: figures from a busy machine are to be read as such.
machine_busy()
{
	{
		head -n 1 /proc/stat
		sleep 1
		head -n 1 /proc/stat
	} | awk '
		{ total = 0; for (i = 2; i <= 9; i++) total += $i; idle = $5 + $6 }
		NR == 1 { total_before = total; idle_before = idle }
		END { printf "%d", 100 * (1 - (idle - idle_before) / (total - total_before)) }'
}

# rounds_run REPORT: measures everything, then calls that program beside us with the samples.
rounds_run()
{
	local total=0 done_so_far=0 started failures=0 i server busy rounds_here
	local -a modes

	bench_begin
	! declare -F rounds_begin >/dev/null || rounds_begin
	samples=$BENCH_TMP/samples
	: >"$samples"
	busy=$(machine_busy)
	if [ "$busy" -ge 10 ]; then
		bench_say "note: other work takes $busy % of the CPUs now; the figures will show that"
	fi
	for scenario in "${chosen[@]}"; do
		total=$((total + $(rounds_of "$scenario") * $(wanted_modes "$scenario" | wc -l)))
	done
	started=$SECONDS
	for scenario in "${chosen[@]}"; do
		mapfile -t modes < <(wanted_modes "$scenario")
		[ ${#modes[@]} -gt 0 ] || continue
		rounds_here=$(rounds_of "$scenario")
		bench_say "$scenario: $(about "$scenario")"
		for ((round = 1; round <= rounds_here; round++)); do
			for ((i = 0; i < ${#modes[@]}; i++)); do
				mode=${modes[$(((i + round - 1) % ${#modes[@]}))]}
				done_so_far=$((done_so_far + 1))
				printf '[%3d/%d %4ds] %s, round %d of %d: %s ... ' $done_so_far $total $((SECONDS - started)) \
					"$scenario" "$round" "$rounds_here" "$mode" >&2
				if "run_${scenario//-/_}"; then
					bench_say "$(awk -F'\t' -v s="$scenario" -v m="$mode" -v r="$round" -v hidden="$hidden" '
						$1 == s && $2 == m && $3 == r && $4 !~ hidden && n++ < 5 {
							printf "%s%s %s", (n > 1 ? ", " : ""), $4, $5
						}' "$samples")"
				else
					bench_say "failed"
					failures=$((failures + 1))
					rounds_clean_up
				fi
			done
		done
	done
	if [ -z "$json" ]; then
		mkdir -p "$build/bench/results" || exit 1
		json=$build/bench/results/${BENCH_NAME##*/}-$(date +%Y%m%d-%H%M%S).json
	fi
	python3 -B "$here/$1" --samples "$samples" --json "$json" --rounds "$rounds" --seconds "$seconds" \
		--workers "$WORKERS" --busy "$busy" --scenarios "${chosen[@]}" || exit 1
	bench_say "results: $json"
	# It says itself what is missing; the results are there without charts, too.
	python3 -B "$here/plot.py" "$json" "${plots:-${json%.json}-charts}" || :
	[ $failures -eq 0 ] || bench_die "$failures of $total measurements failed, for the reasons above; the others are in the results"
}

# What was started in a round that failed must not run beside the next one.
rounds_clean_up()
{
	local server

	if [ -n "$BENCH_LOAD" ]; then
		kill -KILL -- "-$BENCH_LOAD" 2>/dev/null
		bench_load_wait 2>/dev/null
	fi
	for server in "${BENCH_SERVERS[@]}"; do
		bench_stop "$server"
	done
}
