# awk -f options.awk options.def reasons.def page.in > page
#
# Puts tables of the code into a manual page: reads the rows of options.def and
# reasons.def, then copies the page and writes an mdoc list in place of the
# lines @OPTIONS@ and @REASONS@.

# One row, between the parentheses of FS_OPTION(...) and its like: arguments into arg[1..n],
# adjacent string literals joined and without their quotes.
function split_row(row,    i, c, quoted) {
	n = 1
	for (i in arg)
		delete arg[i]
	arg[1] = ""
	quoted = 0
	for (i = 1; i <= length(row); i++) {
		c = substr(row, i, 1)
		if (c == "\"")
			quoted = !quoted
		else if (quoted)
			arg[n] = arg[n] c
		else if (c == ",")
			arg[++n] = ""
		else if (c !~ /[ \t]/)
			arg[n] = arg[n] c
	}
}

# Text as mdoc wants it: short lines, and none that begins like a request.
function wrapped(text,    words, count, i, line, out) {
	count = split(text, words, " ")
	line = ""
	out = ""
	for (i = 1; i <= count; i++) {
		if (line != "" && length(line) + 1 + length(words[i]) > 76) {
			out = out line "\n"
			line = ""
		}
		if (line == "" && words[i] ~ /^[.']/)
			words[i] = "\\&" words[i]
		line = line (line == "" ? "" : " ") words[i]
	}
	return out line "\n"
}

# Two kinds of row may have the same reason.
function add_reason(sentence, mend) {
	if (!(sentence in known))
		reasons = reasons ".It " sentence "\n" wrapped(toupper(substr(mend, 1, 1)) substr(mend, 2) ".")
	known[sentence] = 1
	reason_rows++
}

function add_row(kind, row) {
	split_row(row)
	if (kind == "FS_ABANDON")
		return add_reason(arg[3], arg[4])
	if (kind == "FS_PLAIN")
		return add_reason(arg[2], arg[3])
	items = items ".It Ev " arg[1] "\n" wrapped(arg[6]) ".Pp\n"
	items = items wrapped("Accepted: " arg[4] ".") wrapped("Default: " arg[5] ".")
	rows++
}

FNR == 1 {
	file++
}

file < 3 && /^FS_(OPTION|ABANDON|PLAIN)\(/ {
	row = ""
	inside = 1
	kind = substr($0, 1, index($0, "(") - 1)
	sub(/^[A-Z_]*\(/, "")
}

file < 3 && inside {
	row = row $0
	if ($0 ~ /"\)$/) {
		add_row(kind, substr(row, 1, length(row) - 1))
		inside = 0
	}
}

file == 3 && $0 == "@OPTIONS@" {
	printf ".Bl -tag -width Ds\n%s.El\n", items
	placed++
	next
}

file == 3 && $0 == "@REASONS@" {
	printf ".Bl -tag -width Ds\n%s.El\n", reasons
	placed++
	next
}

file == 3

END {
	# A page without its tables is not to be installed.
	if (!rows || !reason_rows || inside || placed != 2) {
		print "options.awk: no options or reasons, or no place for them" | "cat 1>&2"
		exit 1
	}
}
