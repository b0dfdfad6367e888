#!/bin/bash
#
# Inside the machine: what fastsock nic shows, changes and puts back on its NIC. Interrupts are
# really moved: they come to the CPU that they were moved to, and to no other. The other end runs rx_cpu's
# server on port 8000.
set -u

fastsock=${FASTSOCK_CMD:?must name the fastsock command}
client=${top_builddir:?must name the directory of the build}/tests/vm/rx_cpu
nic=$VM_DEVICE
queues=/sys/class/net/$nic/queues

fail()
{
	echo "FAILED: $*"
	cat /tmp/out /tmp/err 2>/dev/null
	exit 1
}

ok()
{
	echo "ok: $*"
}

# run STATUS TEXT ARGUMENT...: TEXT is on standard output, or if it fails, on standard error.
run()
{
	local expected=$1 text=$2 status=0 where=out

	shift 2
	"$fastsock" nic "$nic" "$@" >/tmp/out 2>/tmp/err || status=$?
	[ "$expected" = 0 ] || where=err
	[ $status = "$expected" ] || fail "nic $*: exit status $status, not $expected"
	grep -qF -e "$text" /tmp/$where || fail "nic $*: no \"$text\""
}

# irq_of NAME: the number of the interrupt virtioN-NAME.
irq_of()
{
	awk -v name="-$1\$" '$NF ~ name { sub(":", "", $1); print $1; exit }' /proc/interrupts
}

# Everything that may be set, byte for byte.
settings()
{
	local file

	for file in /proc/irq/*/smp_affinity_list /proc/irq/*/smp_affinity "$queues"/*/[rx]ps_*; do
		echo "$file $(cat "$file" 2>&1)"
	done
	ethtool -l "$nic"
	ethtool -x "$nic"
	ls -R /run/fastsock 2>/dev/null
}

unchanged()
{
	settings >/tmp/now
	diff /tmp/before /tmp/now || fail "$1 left something changed"
}

# A set-up that nobody would want, in COUNT queues.
spoil()
{
	local queue irq

	for ((queue = 0; queue < VM_CPUS; queue++)); do
		for irq in "$(irq_of "input.$queue")" "$(irq_of "output.$queue")"; do
			[ -n "$irq" ] || fail "no interrupt of queue $queue: $(cat /proc/interrupts)"
			echo "0-$((VM_CPUS - 1))" >"/proc/irq/$irq/smp_affinity_list" || fail "interrupt $irq cannot be set"
		done
	done
	for ((queue = 0; queue < $1; queue++)); do
		echo 1 >"$queues/tx-$queue/xps_cpus"
	done
	echo 2 >"$queues/rx-0/rps_cpus"
}

# The interrupts of receive queues: "QUEUE CPU COUNT", of CPUs that had any.
counts()
{
	awk '$NF ~ /-input\.[0-9]+$/ { sub(".*input.", "", $NF); for (cpu = 0; cpu < NF - 3 && cpu < cpus; cpu++) print $NF, cpu, $(cpu + 2) }' \
		cpus="$VM_CPUS" /proc/interrupts
}

traffic()
{
	"$client" --connections 100 "$VM_HOST" 8000 >/tmp/traffic || fail "traffic: $(cat /tmp/traffic)"
}

spoil "$VM_CPUS"
ethtool -X "$nic" weight 1 1 1 5 || fail "ethtool -X"
settings >/tmp/before

for ((queue = 0; queue < VM_CPUS; queue++)); do
	run 0 "rx-$queue: interrupt $(irq_of "input.$queue") on CPUs 0-3 -> CPU $queue: so that"
	run 0 "tx-$queue: interrupt $(irq_of "output.$queue") on CPUs 0-3 -> CPU $queue: so that"
done
run 0 "RSS table: 16 to 80 of 128 entries for a queue -> the same for each of 4 queues: so that"
run 0 "rx-0: RPS to CPU 1 -> off: so that"
run 0 "tx-3: XPS from CPU 0 -> from CPU 3: so that"
run 0 "-config): of no queue in use"
grep -qE "^RSS: table of 128 entries for 4 queues, Toeplitz, key ([0-9a-f]{2}:){7}[0-9a-f]{2}... \(40 bytes\)\$" /tmp/out || fail "the key is not shown"
run 0 '"interface"' --json
jq -e '.hardware and (.interrupts | length) >= 9 and ([.changes[].label] | index("RSS table")) and
	(.rss.table | length) == 128 and .irqbalance == null and .channels.combined == 4' /tmp/out >/dev/null || fail "JSON"
unchanged "looking"
ok "it shows interrupts, RSS, RPS and XPS, and what it would change"

# The last change but those of RPS: all others come before it.
mount --bind "$queues/tx-3/xps_cpus" "$queues/tx-3/xps_cpus" && mount -o remount,bind,ro "$queues/tx-3/xps_cpus" || fail "mount"
run 1 "$nic is as it was before this command" --apply
[ "$(grep -c interrupt /tmp/out)" = 8 ] || fail "not all interrupts were moved before it failed"
umount "$queues/tx-3/xps_cpus"
unchanged "a failure in the middle"
ok "a failure in the middle takes everything back, interrupts and table too"

run 0 "kept in /run/fastsock/nic/$nic:" --apply
for ((queue = 0; queue < VM_CPUS; queue++)); do
	for name in input output; do
		there=$(cat "/proc/irq/$(irq_of "$name.$queue")/smp_affinity_list")
		[ "$there" = $queue ] || fail "$name.$queue is on $there"
	done
	[ "$(cat "$queues/tx-$queue/xps_cpus")" = $((1 << queue)) ] || fail "XPS of queue $queue"
done
[ "$(cat "$queues/rx-0/rps_cpus")" = 0 ] || fail "RPS is on"
ethtool -x "$nic" | awk '/^ *[0-9]+:/ { for (i = 2; i <= NF; i++) n[$i]++ } END { exit !(n[0] == 32 && n[1] == 32 && n[2] == 32 && n[3] == 32) }' ||
	fail "the table is not even"
# The kernel moves an interrupt when it comes the next time.
traffic
counts >/tmp/earlier
traffic
counts >/tmp/later
awk 'FNR == NR { earlier[$1, $2] = $3; next }
	$1 == $2 { came += $3 - earlier[$1, $2] }
	$1 != $2 && $3 != earlier[$1, $2] { print "queue " $1 " interrupted CPU " $2; bad = 1 }
	END { exit bad || !came }' /tmp/earlier /tmp/later || fail "interrupts come elsewhere: $(cat /proc/interrupts)"
run 0 "nothing to change" --apply
run 0 "each queue has one CPU already"
ok "--apply moves interrupts, and they come where they were moved to"

# Of irqbalance, which would move them back, it tells what to do, and leaves it alone.
cp "$(type -P sleep)" /tmp/irqbalance
/tmp/irqbalance 60 &
balancer=$!
run 0 "irqbalance: runs, process $balancer"
grep -qF -e "--banirq=$(irq_of input.0) --banirq=" /tmp/out || fail "it does not say how to keep irqbalance off"
grep -qF "systemctl restart irqbalance" /tmp/out || fail "it does not say how to start irqbalance anew"
run 0 "irqbalance" --apply
kill -0 $balancer || fail "irqbalance was ended"
kill $balancer
ok "irqbalance is told about, and left alone"

run 0 "$nic is as it was before --apply" --undo
unchanged --undo
ok "--undo puts back every byte"

# Half the queues.
ethtool -X "$nic" equal 2 && ethtool -L "$nic" combined 2 || fail "two queues"
spoil 2
settings >/tmp/before
run 0 "queues: 2 -> 4 is possible, with --channels"
run 0 "queues: 2 -> 4: so that" --apply --channels
[ "$(ethtool -l "$nic" | awk '/Combined/ { n = $2 } END { print n }')" = 4 ] || fail "there are not 4 queues"
for ((queue = 0; queue < VM_CPUS; queue++)); do
	[ "$(cat "/proc/irq/$(irq_of "input.$queue")/smp_affinity_list")" = $queue ] || fail "input.$queue after --channels"
done
traffic
run 0 "$nic is as it was before --apply" --undo
unchanged "--undo of --channels"
traffic
ok "queues are made when asked for, and --undo takes them away again"

# The kernel's own table is the kernel's own again: one that counts as the user's would keep queues from being taken away.
ethtool -X "$nic" default && ethtool -L "$nic" combined 2 || fail "the default table"
spoil 2
settings >/tmp/before
run 0 "queues: 2 -> 4: so that" --apply --channels
run 0 "$nic is as it was before --apply" --undo
unchanged "--undo with the default table"
ethtool -L "$nic" combined 1 2>/tmp/err || fail "after --undo the table counts as the user's"
ethtool -L "$nic" combined 4 || fail "four queues"
ethtool -X "$nic" weight 1 1 1 5 || fail "ethtool -X"
run 0 "RSS table: 16 to 80 of 128 entries for a queue -> the same for each of 4 queues" --apply
ethtool -L "$nic" combined 1 2>/tmp/err || fail "after --apply the table counts as the user's"
ok "the default table comes back as the default, by --undo and by --apply"
