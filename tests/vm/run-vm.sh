#!/bin/bash
#
# Runs a test in a machine of its own: QEMU with Debian's kernel, as many CPUs
# as one likes, and a NIC with RSS, whose other end is in a network namespace.
# The command's output and exit status are this script's own.
#
# Nothing is left behind, however it ends: all processes live in a process
# namespace and die with it, the network with the last of them. Any number may run side by side.
set -u

usage()
{
	cat <<END
Usage: tests/vm/run-vm.sh [OPTION]... -- COMMAND [ARGUMENT]...

  --cpus N             as many CPUs and queues, from 2 to 64 (default 4)
  --host-command CMD   a shell command at the NIC's other end, ended with the machine
  --add FILE           a program by its name, or a file by its path, that COMMAND
                       needs and that is not there anyway; may be given again
  --timeout SECONDS    after which the machine is ended (default 120)
  --help               this text

COMMAND runs as root, in this directory; the tests' sources and what was built
are where they are here. Both ends have VM_HOST, VM_HOST6, VM_GUEST, VM_GUEST6:
the addresses; the machine has VM_CPUS and VM_DEVICE too.

Exit status: COMMAND's; 77 if something is missing here, 99 if the machine ended
without one, 124 after the timeout. FS_VM_CACHE: a directory for the kernel and
the machine's files (default: tests/vm/cache where it was built).
END
}

bad_usage()
{
	echo "run-vm.sh: $*" >&2
	echo "Try 'run-vm.sh --help'." >&2
	exit 2
}

skip()
{
	echo "SKIP: needs $*"
	exit 77
}

is_number()
{
	[[ $1 =~ ^[1-9][0-9]{0,5}$ ]]
}

cpus=4 seconds=120 host_command=
added=()
while [ $# -gt 0 ] && [ "$1" != -- ]; do
	case $1 in
	--help)
		usage
		exit 0
		;;
	--cpus | --host-command | --add | --timeout) [ $# -gt 1 ] || bad_usage "$1 needs a value" ;;
	*) bad_usage "'$1' is no option" ;;
	esac
	case $1 in
	--cpus) cpus=$2 ;;
	--host-command) host_command=$2 ;;
	--add) added+=("$2") ;;
	--timeout) seconds=$2 ;;
	esac
	shift 2
done
[ $# -gt 1 ] || bad_usage "no command"
shift
{ is_number "$cpus" && [ "$cpus" -ge 2 ] && [ "$cpus" -le 64 ]; } || bad_usage "--cpus '$cpus': 2 to 64 is accepted"
is_number "$seconds" || bad_usage "--timeout '$seconds': a number of seconds is accepted"

PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export PATH LC_ALL=C
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd) || exit 99
top_builddir=$(realpath "${top_builddir:-$PWD}")
top_srcdir=$(realpath "${top_srcdir:-$here/../..}")
FASTSOCK_LIB=${FASTSOCK_LIB:-$top_builddir/.libs/libfastsock.so}
FASTSOCK_CMD=${FASTSOCK_CMD:-$top_builddir/fastsock}
[ -e "$FASTSOCK_LIB" ] || bad_usage "nothing was built here: there is no $FASTSOCK_LIB"

# The guest runs the machine's own programs.
[ "$(uname -m)" = x86_64 ] || skip "an x86-64 CPU"
[ "$(id -u)" = 0 ] || skip "root"
for tool in qemu-system-x86_64:qemu-system-x86 cpio:cpio modinfo:kmod ip:iproute2 ethtool:ethtool \
	apt-get:apt dpkg-deb:dpkg setpriv:util-linux flock:util-linux; do
	command -v "${tool%:*}" >/dev/null || skip "${tool%:*} (package ${tool#*:})"
done
[ -c /dev/net/tun ] || skip "a kernel with /dev/net/tun"
unshare --net --pid --mount --fork true 2>/dev/null || skip "namespaces of its own"

# shellcheck source-path=SCRIPTDIR source=kernel.sh
. "$here/kernel.sh"
# shellcheck source-path=SCRIPTDIR source=image.sh
. "$here/image.sh"

VM_RUN=$(mktemp -d "${TMPDIR:-/tmp}/fs-vm.XXXXXX") || exit 99
machine=
cleanup()
{
	trap '' INT TERM HUP
	# It is the parent of the namespaces' first process, which the kernel ends with it, and all others with that.
	[ -z "$machine" ] || kill -KILL "$machine" 2>/dev/null
	[ -z "$machine" ] || wait "$machine" 2>/dev/null
	rm -rf "$VM_RUN"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

cache=${FS_VM_CACHE:-$top_builddir/tests/vm/cache}
mkdir -p "$cache" || exit 99
exec 9>"$cache/lock" || exit 99
flock 9
if ! vm_kernel "$cache" "$VM_RUN/apt"; then
	tail -n 5 "$VM_RUN/apt" >&2
	skip "the package $VM_KERNEL_PACKAGE, which apt-get could not download"
fi
vm_image "$cache" "$VM_RUN/initrd" "${added[@]}" || {
	echo "run-vm.sh: could not make the machine's files in $cache" >&2
	exit 99
}
cp "$cache"/kernel/boot/vmlinuz-* "$VM_RUN/vmlinuz" || exit 99
exec 9>&-

export VM_RUN VM_HOST=192.0.2.1 VM_HOST6=2001:db8::1 VM_GUEST=192.0.2.2 VM_GUEST6=2001:db8::2

# What is only of this run: a second archive behind the first, which the kernel unpacks too.
mkdir -p "$VM_RUN/job/vm" || exit 99
{
	printf 'export %s\n' "VM_CPUS=$cpus" VM_DEVICE=eth0 VM_HOST=$VM_HOST VM_HOST6=$VM_HOST6 \
		VM_GUEST=$VM_GUEST VM_GUEST6=$VM_GUEST6
	for name in FASTSOCK_LIB FASTSOCK_CMD top_srcdir top_builddir srcdir FS_TEST_TIMEOUT MEASURED; do
		[ -z "${!name:-}" ] || printf 'export %s=%q\n' $name "${!name}"
	done
	printf 'vm_job() { mkdir -p %q && cd %q &&' "$PWD" "$PWD"
	printf ' %q' "$@"
	echo '; }'
} >"$VM_RUN/job/vm/job"
(cd "$VM_RUN/job" && find . -print0 | cpio --quiet -0 -o -H newc) >>"$VM_RUN/initrd" || exit 99

setpriv --pdeathsig KILL unshare --net --pid --mount --fork --kill-child --mount-proc \
	bash "$here/machine.sh" "$cpus" "$seconds" "$host_command" >"$VM_RUN/machine" 2>&1 </dev/null &
machine=$!
wait $machine
ended=$?
machine=

[ ! -e "$VM_RUN/stdout" ] || cat "$VM_RUN/stdout"
[ ! -e "$VM_RUN/stderr" ] || cat "$VM_RUN/stderr" >&2
status=$(cat "$VM_RUN/status" 2>/dev/null)
case $status in
0 | 77) exit "$status" ;;
esac
# What else may explain it.
explain=(host)
[ -n "$status" ] || explain=(machine qemu console host)
for file in "${explain[@]}"; do
	[ -s "$VM_RUN/$file" ] || continue
	echo "--- $file"
	tail -n 30 "$VM_RUN/$file" | tr -d '\r'
done >&2
[ -z "$status" ] || exit "$status"
case $ended in
124 | 137)
	echo "run-vm.sh: the machine was ended after $seconds seconds" >&2
	exit 124
	;;
esac
echo "run-vm.sh: the machine ended, with $ended, before the command did" >&2
exit 99
