# awk -f options.awk options.def page.in > page
#
# Puts the options into a manual page: reads the rows of options.def, then
# copies the page and writes an mdoc list in place of the line @OPTIONS@.

# One row, between the parentheses of FS_OPTION(...): arguments into arg[1..n],
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

function add_row(row) {
	split_row(row)
	items = items ".It Ev " arg[1] "\n" wrapped(arg[6]) ".Pp\n"
	items = items wrapped("Accepted: " arg[4] ".") wrapped("Default: " arg[5] ".")
	rows++
}

FNR == 1 {
	file++
}

file == 1 && /^FS_OPTION\(/ {
	row = ""
	inside = 1
	sub(/^FS_OPTION\(/, "")
}

file == 1 && inside {
	row = row $0
	if ($0 ~ /"\)$/) {
		add_row(substr(row, 1, length(row) - 1))
		inside = 0
	}
}

file == 2 && $0 == "@OPTIONS@" {
	printf ".Bl -tag -width Ds\n%s.El\n", items
	placed = 1
	next
}

file == 2

END {
	# A page without its options is not to be installed.
	if (!rows || inside || !placed) {
		print "options.awk: no options, or no place for them" | "cat 1>&2"
		exit 1
	}
}
