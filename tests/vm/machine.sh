#!/bin/bash
#
# The machine itself; run by run-vm.sh as the first process of its own
# network, process and mount namespaces, so that all of this ends with it.
#
# usage: machine.sh CPUS SECONDS [HOST-COMMAND]
# VM_RUN: a directory with vmlinuz and initrd, that takes what the machine says. VM_*: the network's names and addresses.
set -u

cpus=$1
seconds=$2
host_command=${3:-}

# Nobody else is in this namespace: names and addresses clash with nothing.
tap=vm0
{
	ip link set lo up &&
		ip tuntap add dev $tap mode tap multi_queue vnet_hdr &&
		ip address add "$VM_HOST/24" dev $tap &&
		ip -6 address add "$VM_HOST6/64" dev $tap nodad &&
		ip link set $tap up
} || exit 99

if [ -n "$host_command" ]; then
	sh -c "$host_command" >"$VM_RUN/host" 2>&1 </dev/null &
fi

# No KVM, which is not everywhere and not always in order: emulation does for correctness.
timeout -k 5 "$seconds" qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot \
	-machine pc,accel=tcg -cpu max -smp "$cpus" -m $((512 + 64 * cpus)) \
	-kernel "$VM_RUN/vmlinuz" -initrd "$VM_RUN/initrd" \
	-append 'console=ttyS0 quiet panic=-1 nokaslr mitigations=off nowatchdog no_timer_check rcupdate.rcu_cpu_stall_suppress=1 net.ifnames=0' \
	-serial "file:$VM_RUN/console" \
	-device virtio-serial-pci \
	-chardev "file,id=stdout,path=$VM_RUN/stdout" -device virtserialport,chardev=stdout,name=stdout \
	-chardev "file,id=stderr,path=$VM_RUN/stderr" -device virtserialport,chardev=stderr,name=stderr \
	-chardev "file,id=status,path=$VM_RUN/status" -device virtserialport,chardev=status,name=status \
	-netdev "tap,id=net,ifname=$tap,script=no,downscript=no,vhost=off,queues=$cpus" \
	-device "virtio-net-pci,netdev=net,mq=on,rss=on,vectors=$((2 * cpus + 2))" \
	>"$VM_RUN/qemu" 2>&1 </dev/null
