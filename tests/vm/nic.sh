#!/bin/bash
#
# Inside the machine: is its NIC one with RSS, and what does it do with replies?
# The other end runs rx_cpu's server on port 8000. Prints facts and "ok: ..." lines.
#
# usage: nic.sh LIBRARY
# The host judges the lines that start with "stock" and "library": where replies arrive.
set -u

top_builddir=${top_builddir:?must name the directory of the build}
library=${1:?must name libfastsock.so}
calls=$top_builddir/tests/lib/connect_calls
two=$top_builddir/tests/lib/two_destinations
# As a user without privileges, who may not enter the directories of whoever built it.
# While the library looks at the NIC for the first time, the kernel chooses ports: those are not counted.
client=(setpriv --reuid=65534 --regid=65534 --clear-groups /tmp/rx_cpu --warm-up 20 --connections 250)
cp "$top_builddir/tests/vm/rx_cpu" /tmp/rx_cpu && chmod 755 /tmp/rx_cpu || exit 99
cp "$library" /tmp/preloaded.so && chmod 755 /tmp/preloaded.so || exit 99

fail()
{
	echo "FAILED: $*"
	exit 1
}

ok()
{
	echo "ok: $*"
}

# One in 100 may be wrong: an interrupt that is being moved still comes to the CPU where it was.
mostly()
{
	[ $(($1 * 100)) -ge $(($2 * 99)) ]
}

# interrupt_cpu QUEUE [FILE]: where the interrupts of a receive queue are handled.
interrupt_cpu()
{
	local irq

	irq=$(awk -v name="input.$1\$" '$NF ~ name { sub(":", "", $1); print $1; exit }' /proc/interrupts)
	[ -n "$irq" ] || fail "no interrupt of queue $1: $(cat /proc/interrupts)"
	cat "/proc/irq/$irq/${2:-effective_affinity_list}"
}

echo "kernel $(uname -r), $(nproc) CPUs"

ethtool -x "$VM_DEVICE" >/tmp/rss || fail "ethtool -x: $(cat /tmp/rss)"
grep -q 'toeplitz: on' /tmp/rss || fail "the hash is not Toeplitz's: $(cat /tmp/rss)"
grep -qE '^([0-9a-f]{2}:){39}[0-9a-f]{2}$' /tmp/rss || fail "no key of 40 bytes: $(cat /tmp/rss)"
entries=$(awk '$1 ~ /^[0-9]+:$/ { n += NF - 1 } END { print n }' /tmp/rss)
[ "$entries" = 128 ] || fail "$entries entries in the indirection table, not 128"
rings=$(sed -n 's/.* with \([0-9]*\) RX ring.*/\1/p' /tmp/rss)
[ "$rings" = "$VM_CPUS" ] || fail "$rings queues for $VM_CPUS CPUs"
ok "RSS: Toeplitz, a key of 40 bytes, a table of 128 entries, $rings queues"

# The kernel moves an interrupt when it comes the next time: before that, effective_affinity is where it was set up.
queues_cpus()
{
	local queue cpus=

	for ((queue = 0; queue < rings; queue++)); do
		cpus="$cpus $(interrupt_cpu $queue "$1")"
	done
	echo "${cpus# }"
}
for file in smp_affinity_list effective_affinity_list; do
	echo "queues' interrupts before any traffic, $file: $(queues_cpus $file)"
done

for address in "$VM_HOST" "$VM_HOST6"; do
	"${client[@]}" --rss "$VM_DEVICE" "$address" 8000 >/tmp/stock || fail "$address: $(cat /tmp/stock)"
	sed 's/^/stock /' /tmp/stock
	cpus=$(queues_cpus effective_affinity_list)
	[ "$(echo "$cpus" | tr ' ' '\n' | sort -u | wc -l)" = "$VM_CPUS" ] || fail "not every CPU has a queue: $cpus"
	grep -q '^rss function=toeplitz key=40 table=128 ' /tmp/stock || fail "what the client reads of RSS is something else"
	seen=0
	while IFS=' =,' read -r _ queue _ sum _ arrived; do
		IFS=, read -ra arrived <<<"$arrived"
		there=${arrived[$(interrupt_cpu "$queue")]}
		seen=$((seen + 1))
		mostly "$there" "$sum" || fail "queue $queue: $there of $sum replies on the CPU of its interrupt"
	done < <(grep '^queue=[0-9]* connections=[1-9]' /tmp/stock)
	[ $seen = "$rings" ] || fail "$seen of $rings queues had replies"
	ok "$address: replies arrive on the CPU of the queue that Toeplitz names"
done

for address in "$VM_HOST" "$VM_HOST6"; do
	LD_PRELOAD=/tmp/preloaded.so "${client[@]/#250/500}" "$address" 8000 >/tmp/library || fail "$address: $(cat /tmp/library)"
	sed 's/^/library /' /tmp/library
done
# The rest does not depend on the number of CPUs.
[ "$VM_CPUS" = 4 ] || exit 0

for address in "$VM_HOST $VM_GUEST" "$VM_HOST6 $VM_GUEST6"; do
	read -r to from <<<"$address"
	"$calls" "$to" 8000 8001 "$from" >/tmp/without 2>&1 || fail "connect_calls: $(cat /tmp/without)"
	LD_PRELOAD=/tmp/preloaded.so "$calls" "$to" 8000 8001 "$from" >/tmp/with 2>&1
	diff /tmp/without /tmp/with || fail "$to: the program sees something else of connect()"
done
sysctl -qw net.ipv4.ip_local_port_range="19000 19199"
"$calls" --exhaust 0 "$VM_HOST" 8000 8001 >/tmp/without && LD_PRELOAD=/tmp/preloaded.so "$calls" --exhaust 0 "$VM_HOST" 8000 8001 >/tmp/with ||
	fail "exhaust"
[ "$(tail -n 1 /tmp/with)" = "$(tail -n 1 /tmp/without)" ] ||
	fail "a range of 200 ports: without the library $(tail -n 1 /tmp/without), with it $(tail -n 1 /tmp/with)"
# Ports are bound here, which takes them from all destinations: another one gets them nevertheless. Each time
# other ports, which nothing used yet: those of before may be in TIME_WAIT.
base=20000
for mode in --open --waiting "--old --open" "--old --waiting"; do
	for preload in "" /tmp/preloaded.so; do
		sysctl -qw net.ipv4.ip_local_port_range="$base $((base + 199))"
		base=$((base + 200))
		# shellcheck disable=SC2086 # several options
		LD_PRELOAD=$preload "$two" $mode 180 "$VM_HOST" 8000 "$VM_HOST6" 8000 >/tmp/two.${preload:+with} || fail "two destinations: $(cat /tmp/two.*)"
	done
	diff /tmp/two. /tmp/two.with || fail "two destinations, $mode: the program runs out of ports at another time"
done
sysctl -qw net.ipv4.ip_local_port_range="32768 60999"
ok "connect() looks as it does without the library, with the range full, too"

# local_of: how many of 1,000 connections are local, with these settings of the library.
local_of()
{
	env LD_PRELOAD=/tmp/preloaded.so "$@" "${client[@]}" "$VM_HOST" 8000 >/tmp/library 2>/tmp/library.err || fail "$(cat /tmp/library)"
	awk -F= '/^total/ { print $NF * 1000 / 1000 }' /tmp/library
}

# What the operator says counts, where a NIC would not tell.
key=$(grep -E '^([0-9a-f]{2}:){39}[0-9a-f]{2}$' /tmp/rss)
table=$(seq -s, 0 $((rings - 1)))
here=$(local_of FASTSOCK_RSS="$VM_DEVICE:key=$key:table=$table")
[ "$here" -ge 990 ] || fail "with FASTSOCK_RSS, $here of 1000 are local"
# A key that is wrong shows itself, in one line, and the kernel chooses.
client[-1]=1000
here=$(local_of FASTSOCK_RSS="$VM_DEVICE:key=$(echo "$key" | tr 0-9a-f 1-9a-f0):table=$table")
[ "$(grep -c 'the kernel chooses the source ports' /tmp/library.err)" = 1 ] || fail "a wrong key is not noticed: $(cat /tmp/library.err)"
client[-1]=250
ok "FASTSOCK_RSS is followed, and a wrong key noticed"

# RPS moves every queue's packets to the next CPU, which no interrupt tells: that is learned.
for ((queue = 0; queue < rings; queue++)); do
	printf '%x' $((1 << (($(interrupt_cpu $queue smp_affinity_list) + 1) % VM_CPUS))) >"/sys/class/net/$VM_DEVICE/queues/rx-$queue/rps_cpus"
done
here=$(local_of FASTSOCK=on)
[ "$here" -ge 600 ] || fail "with RPS, $here of 1000 are local: nothing was learned"
ok "what interrupts do not tell is learned: $here of 1000 are local"
