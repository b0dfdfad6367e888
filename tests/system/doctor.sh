# What the tests of `fastsock doctor` share: to look, and to expect something by its identifier. Sourced after lib.sh or
# netns.sh, whose dir, ok and fail are used.
# shellcheck shell=sh

dir=${dir:?must name the temporary directory}
faults=0

# doctor ARGUMENT...: its findings are in $dir/doctor.json, its text in $dir/doctor.txt, its status in `status`.
doctor() {
	doctor_as "" "$@"
}

# doctor_as PREFIX ARGUMENT...: behind another command, split at blanks.
doctor_as() {
	prefix=$1
	shift
	status=0
	# shellcheck disable=SC2086 # a command with its arguments
	timeout -k 5 60 $prefix "$FASTSOCK_CMD" doctor --json "$@" >"$dir/doctor.json" 2>"$dir/doctor.complaint" || status=$?
	# shellcheck disable=SC2086
	timeout -k 5 60 $prefix "$FASTSOCK_CMD" doctor "$@" >"$dir/doctor.txt" 2>&1
	[ $? = "$status" ] || fail "doctor $*: with --json it ends with $status, and without it does not"
	jq -e '.checks | length > 0' "$dir/doctor.json" >/dev/null ||
		fail "doctor $*: no findings: $(cat "$dir/doctor.json" "$dir/doctor.complaint")"
}

found() {
	jq -e --arg id "$1" --arg level "$2" --arg text "$3" \
		'any(.checks[]; .id == $id and .level == $level and ([.subject, .what, .why, .mend] | map(. // "") | join("\n") | contains($text)))' \
		"$dir/doctor.json" >/dev/null
}

# finds NAME ID LEVEL TEXT [STATUS]: the prepared fault NAME is found, said to be of that level, in words with TEXT, and mended by something.
finds() {
	found "$2" "$3" "$4" || fail "$1: no $3 $2 with \"$4\": $(cat "$dir/doctor.txt")"
	jq -e --arg id "$2" --arg level "$3" 'all(.checks[] | select(.id == $id and .level == $level); .why != null and .mend != null)' \
		"$dir/doctor.json" >/dev/null || fail "$1: it does not say why, or how to mend it: $(cat "$dir/doctor.json")"
	grep -q "^$3 .*$4" "$dir/doctor.txt" || grep -q -e "-> .*$4" "$dir/doctor.txt" || fail "$1: \"$4\" is not in the text: $(cat "$dir/doctor.txt")"
	grep -q "^ *-> " "$dir/doctor.txt" || fail "$1: no command that mends it: $(cat "$dir/doctor.txt")"
	case $3 in
	problem) [ "$status" = 4 ] || fail "$1: a problem, and it ends with $status" ;;
	advice) [ "$status" = 3 ] || [ "$status" = 4 ] || fail "$1: advice, and it ends with $status" ;;
	esac
	faults=$((faults + 1))
	ok "fault found: $1"
}

# sound WHAT SECTION...: nothing but ok in these sections, and no problem anywhere.
sound() {
	what=$1
	shift
	for section; do
		jq -e --arg s "$section" 'any(.checks[]; .section == $s) and all(.checks[] | select(.section == $s); .level == "ok")' \
			"$dir/doctor.json" >/dev/null || fail "$what: a false alarm: $(cat "$dir/doctor.txt")"
	done
	jq -e '.problem == 0' "$dir/doctor.json" >/dev/null || fail "$what: a false alarm: $(cat "$dir/doctor.txt")"
	case $status in
	0 | 3) ;;
	*) fail "$what: sound, and it ends with $status" ;;
	esac
	ok "sound: $what"
}

# absent ID: nothing worse than ok is said of it.
absent() {
	jq -e --arg id "$1" 'all(.checks[] | select(.id == $id); .level == "ok")' "$dir/doctor.json" >/dev/null ||
		fail "a false alarm about $1: $(cat "$dir/doctor.txt")"
}
