#!/bin/sh
# Inside the machine: nginx with a worker for every CPU. Clients of each CPU are served on that CPU, and nothing is lost
# when all of them come at the same time.
. "${srcdir:-.}/tests/system/lib.sh"
setup
. "${srcdir:-.}/tests/system/nginx.sh"

# What goes where is exact without stealing: a CPU that is emulated does not run for a while now and then, and is helped.
export FASTSOCK_STEAL=off FASTSOCK_BALANCE=off
# What start() gives the server: the first CPU and all others.
last=$((VM_CPUS - 1))
cpu0=0 cpu1=1-$last
nginx_start every root fastsock "$VM_CPUS"
master=$pid at=$port

# Two CPUs at a time, as lib.sh's functions have it.
cpu=0
while [ $cpu -lt $last ]; do
	cpu0=$cpu cpu1=$((cpu + 1))
	warm_up "$master" "$at"
	expect_local "$master" "$at"
	cpu=$((cpu + 2))
done
owners=$(group_get "$master" "$at" '[.[0].cores[] | select(.owner_pid > 0) | .owner_pid] | unique | length')
[ "$owners" = "$VM_CPUS" ] || fail "the cores have $owners owners: $(stat_json "$master")"
ok "$owners workers, each with a core of its own"

clients=
for cpu in $(seq 0 "$last"); do
	"$PINNED_CLIENT" "$cpu" "$at" "$MEASURED" 16 >"$dir/client$cpu" &
	clients="$clients $!"
done
for client in $clients; do
	wait "$client" || fail "not all connections were answered: $(cat "$dir"/client*)"
done
ok "connections from all CPUs at the same time are served"
expect_no_complaint
stop "$master"
