# shellcheck shell=bash
#
# Two network namespaces of the test's own, "near" and "far", with a veth pair between
# them, in a mount namespace with a /run of its own: neither names nor notes of `fastsock
# steer` meet another run's, and all of it is gone when the test ends, however it does.
#
# A test sources this and calls netns_begin COMMAND... first, with the commands that it needs. It starts
# processes with netns_start NAMESPACE LOG COMMAND..., and ends with fail or ok lines.

set -u
# shellcheck source=environment.sh
. "${top_srcdir:-.}/tests/system/environment.sh"
PATH=$PATH:/usr/sbin:/sbin

NEAR4=192.0.2.1 FAR4=192.0.2.2 NEAR6=2001:db8::1 FAR6=2001:db8::2

skip()
{
	echo "SKIP: needs $*"
	exit 77
}

fail()
{
	local log

	echo "FAILED: $*"
	for log in "$dir"/*.log; do
		[ -s "$log" ] || continue
		echo "--- ${log##*/}"
		tail -c 3000 "$log"
	done
	exit 1
}

ok()
{
	echo "ok: $*"
}

netns_end()
{
	trap '' INT TERM HUP
	[ ${#started[@]} -eq 0 ] || kill "${started[@]}" 2>/dev/null
	wait 2>/dev/null
	[ -z "$near" ] || ip netns del "$near" 2>/dev/null
	[ -z "$far" ] || ip netns del "$far" 2>/dev/null
	rm -rf "$dir"
}

# Starts the test anew inside a mount namespace, and returns there.
netns_begin()
{
	local tool

	if [ -z "${NETNS_INSIDE:-}" ]; then
		[ "$(id -u)" = 0 ] || skip root
		for tool in ip ethtool unshare "$@"; do
			command -v "$tool" >/dev/null || skip "$tool"
		done
		[ "$(nproc)" -ge 2 ] || skip "a second CPU"
		unshare -m true 2>/dev/null || skip "permission to make a mount namespace"
		NETNS_INSIDE=1 exec unshare -m --propagation private bash "$0"
	fi
	near='' far='' started=()
	dir=$(mktemp -d "${TMPDIR:-/tmp}/fs-netns.XXXXXX") || exit 99
	chmod 755 "$dir"
	trap netns_end EXIT
	# A second signal must not end the clearing up.
	trap 'trap "" INT TERM HUP; exit 130' INT
	trap 'trap "" INT TERM HUP; exit 143' TERM HUP
	mount -t tmpfs tmpfs /run || skip "permission to mount a /run"
	chmod 755 /run
	near=near$$-$RANDOM
	ip netns add $near || skip "permission to make a network namespace"
	far=far$$-$RANDOM
	ip netns add $far || exit 99
	# A queue for each CPU, as NICs have them: with one, either CPU may poll what both have sent.
	ip link add veth0 netns $near numtxqueues 2 numrxqueues 2 type veth peer name veth1 netns $far numtxqueues 2 numrxqueues 2 ||
		skip "a kernel with veth"
	ip -n $near addr add $NEAR4/24 dev veth0
	ip -n $far addr add $FAR4/24 dev veth1
	ip -n $near addr add $NEAR6/64 dev veth0 nodad
	ip -n $far addr add $FAR6/64 dev veth1 nodad
	ip -n $near link set lo up
	ip -n $far link set lo up
	ip -n $near link set veth0 up
	ip -n $far link set veth1 up
	# Redirected packets need whole checksums.
	ip netns exec $far ethtool -K veth1 tx off >/dev/null || exit 99
	read -r cpu0 cpu1 < <(taskset -cp $$ | sed 's/.*: //' | tr , '\n' | while IFS=- read -r a b; do seq "$a" "${b:-$a}"; done | head -2 | tr '\n' ' ')
	netns_queues "$near" veth0
	netns_queues "$far" veth1
}

# netns_queues NAMESPACE DEVICE: what either CPU sends goes through a queue of its own.
netns_queues()
{
	local queue=0 cpu

	for cpu in "$cpu0" "$cpu1"; do
		# shellcheck disable=SC2016 # the inner shell's
		ip netns exec "$1" sh -c 'printf "%x\n" $((1 << $3)) >"/sys/class/net/$1/queues/tx-$2/xps_cpus"' sh "$2" $queue "$cpu"
		queue=$((queue + 1))
	done
}

in_near()
{
	ip netns exec "$near" "$@"
}

in_far()
{
	ip netns exec "$far" "$@"
}

# netns_start NAMESPACE LOG COMMAND...: in the background; sets `pid`.
netns_start()
{
	local namespace=$1 log=$dir/$2.log

	shift 2
	: >"$log"
	ip netns exec "$namespace" "$@" >>"$log" 2>&1 &
	pid=$!
	started+=("$pid")
}

# await TEXT LOG: until the log has it.
await()
{
	local _

	for _ in $(seq 200); do
		grep -qs -e "$1" "$dir/$2.log" && return
		sleep 0.05
	done
	fail "no \"$1\" in $2"
}
