# shellcheck shell=bash
#
# Debian's own kernel from its package, unpacked in a cache and never
# installed: for a guest that is to be like the machines of most users, and
# older than what developers run. Sourced by run-vm.sh.

# The package that depends on the newest one.
VM_KERNEL_PACKAGE=linux-image-amd64

# What virtual hardware needs, and what the library and its tests ask for: modules that a machine with modprobe loads by itself.
# shellcheck disable=SC2034 # for image.sh
VM_MODULES=(virtio_pci virtio_net virtio_console tcp_diag veth 8021q)

# What is unpacked: the modules above and all that they depend on.
VM_KERNEL_FILES=('./boot/vmlinuz-*' '*/kernel/drivers/virtio/*' '*/kernel/drivers/net/virtio_net.ko*'
	'*/kernel/drivers/net/net_failover.ko*' '*/kernel/net/core/failover.ko*'
	'*/kernel/drivers/char/virtio_console.ko*' '*/kernel/net/ipv4/*_diag.ko*' '*/kernel/drivers/net/veth.ko*'
	'*/kernel/net/8021q/*' '*/kernel/net/802/*' '*/kernel/net/llc/*')

# The package of the kernel itself.
vm_kernel_newest()
{
	apt-cache depends "$VM_KERNEL_PACKAGE" 2>/dev/null | awk '$1 == "Depends:" { print $2; exit }'
}

# vm_kernel CACHE LOG: makes CACHE/kernel with boot/vmlinuz-* and lib/modules. One at a time: the caller holds the cache's lock.
vm_kernel()
{
	local cache=$1 log=$2 package tries

	# A cache that is kept may be from when fewer files were needed.
	[ "$(cat "$cache/kernel/wanted" 2>/dev/null)" != "${VM_KERNEL_FILES[*]}" ] || return 0
	rm -rf "$cache/unpacking" "$cache/kernel"
	mkdir -p "$cache/unpacking/root" || return
	# Twice: a machine may have old lists of packages, or none.
	for tries in 1 2; do
		package=$(vm_kernel_newest)
		if [ -n "$package" ] && (cd "$cache/unpacking" && apt-get -q download "$package") >>"$log" 2>&1; then
			break
		fi
		[ $tries = 1 ] || return 1
		apt-get -q update >>"$log" 2>&1
	done
	dpkg-deb --fsys-tarfile "$cache/unpacking/$package"_*.deb |
		tar -xf - -C "$cache/unpacking/root" --wildcards "${VM_KERNEL_FILES[@]}" &&
		echo "${VM_KERNEL_FILES[*]}" >"$cache/unpacking/root/wanted" &&
		mv "$cache/unpacking/root" "$cache/kernel" && rm -rf "$cache/unpacking"
}

# vm_module_files ROOT NAME...: the files of the modules and of what they depend on, each once, in the order of loading.
vm_module_files()
{
	local root=$1 file depends
	local -A seen=()

	shift
	vm_module_file()
	{
		# Names are written with "_", files with either; a module that is built in has no file.
		file=$(find "$root/lib/modules" -name "${1//[-_]/[-_]}.ko*" -print -quit)
		[ -n "$file" ] && [ -z "${seen[$file]:-}" ] || return 0
		seen[$file]=yes
		local mine=$file
		depends=$(modinfo -F depends "$mine")
		for depends in ${depends//,/ }; do
			vm_module_file "$depends"
		done
		echo "$mine"
	}
	for depends in "$@"; do
		vm_module_file "$depends"
	done
	unset -f vm_module_file
}
