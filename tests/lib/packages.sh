# shellcheck shell=bash
#
# What a script needs from the system: names what is missing first, then
# installs it with apt-get when it may. Sourced by tests/run.sh and
# examples/demo.sh; prints to standard error only.
#
# A need is COMMAND:PACKAGE or /FILE:PACKAGE: the command or the file that
# shows that the package is there, and the package that brings it.

# Servers live in sbin, which is not in everybody's PATH.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

# packages_missing NEED...: the packages that are missing, one a line, each once.
packages_missing()
{
	local need

	for need in "$@"; do
		case $need in
		/*) [ -e "${need%:*}" ] || echo "${need##*:}" ;;
		*) command -v "${need%:*}" >/dev/null 2>&1 || echo "${need##*:}" ;;
		esac
	done | sort -u
}

# A server's package starts the server when it is installed, which nobody asked for here:
# for the time of the installation, Debian's policy layer says no (invoke-rc.d(8)).
packages_apt_get()
{
	local policy=/usr/sbin/policy-rc.d status=0 placed=no

	if [ ! -e $policy ] && printf '#!/bin/sh\nexit 101\n' >$policy 2>/dev/null; then
		chmod 755 $policy
		placed=yes
		# shellcheck disable=SC2064 # the file's name, now
		trap "rm -f $policy" EXIT
	fi
	DEBIAN_FRONTEND=noninteractive apt-get "$@" >&2 || status=$?
	if [ $placed = yes ]; then
		rm -f $policy
		trap - EXIT
	fi
	return $status
}

# packages_ensure NEED...: 0 when everything is there, in the end. Otherwise 1, and the reason was printed.
packages_ensure()
{
	local missing install

	missing=$(packages_missing "$@" | tr '\n' ' ')
	missing=${missing% }
	[ -n "$missing" ] || return 0
	echo "missing packages: $missing" >&2
	install="apt-get install -y --no-install-recommends $missing"
	if ! command -v apt-get >/dev/null 2>&1; then
		echo "there is no apt-get here: install what these Debian packages hold, then start this again" >&2
		return 1
	fi
	if [ "$(id -u)" -ne 0 ]; then
		echo "run this as root, then start this again:" >&2
		echo "  apt-get update && $install" >&2
		return 1
	fi
	echo "installing them: $install" >&2
	# In a subshell: the trap that cleans up the policy file must not replace the caller's.
	# shellcheck disable=SC2086 # the packages are words
	if ! (packages_apt_get install -y --no-install-recommends $missing); then
		# A machine that never asked for the lists of packages, or has old ones.
		if ! (packages_apt_get update && packages_apt_get install -y --no-install-recommends $missing); then
			echo "apt-get could not install: $missing" >&2
			return 1
		fi
	fi
	missing=$(packages_missing "$@" | tr '\n' ' ')
	if [ -n "$missing" ]; then
		echo "installed, but what was looked for is still not there: $missing" >&2
		return 1
	fi
}
