# shellcheck shell=bash
#
# The guest's root: an initramfs of the machine's own programs and of what was
# built, all at the paths that they have on the machine. So a test finds
# everything where it is told, and programs run with the libraries that they
# were linked with. Sourced by run-vm.sh, after kernel.sh; VM_RUN is its directory for what passes.

top_srcdir=${top_srcdir:?must name the source}
top_builddir=${top_builddir:?must name the directory of the build}

# Whatever of these the machine has.
VM_PROGRAMS=(bash sh
	basename cat chmod chown cksum cmp cp cut date dd dirname echo env expr head id kill ln ls mkdir mkfifo mktemp mv
	nproc od printf pwd readlink realpath rm rmdir seq sha256sum sleep sort stat tail tee test timeout touch tr true
	false uname uniq wc diff grep egrep sed awk find xargs ldd
	mount umount taskset setpriv setsid insmod ip ethtool sysctl jq strace nginx)
VM_FILES=(/etc/passwd /etc/group /etc/nsswitch.conf /etc/hosts)

# The tests: what was built, and the scripts that run it.
vm_image_tests()
{
	find "$top_builddir/tests" "$top_builddir/bench" -name cache -prune -o \
		-type f -perm /111 ! -name '*.la' ! -name '*.lai' -print 2>/dev/null
	find "$top_srcdir/tests" -type f \( -name '*.sh' -o -name '*.test' \)
	printf '%s\n' "$FASTSOCK_CMD" "$FASTSOCK_LIB"
}

# The libraries of the programs whose paths are read.
vm_image_libraries()
{
	xargs -r -d '\n' ldd 2>/dev/null |
		awk '$2 == "=>" && $3 ~ /^\// { print $3 } $1 ~ /^\// && $2 ~ /^\(/ { print $1 }'
}

# vm_image_files ADDED...: all that comes from the machine, absolute paths.
vm_image_files()
{
	local program file directory merged=

	# Where / has links to /usr, one path for each file.
	for directory in bin sbin lib lib32 lib64 libx32; do
		[ ! -L /$directory ] || merged="$merged;s,^/$directory/,/usr/$directory/,"
	done
	{
		for program in "${VM_PROGRAMS[@]}" "$@"; do
			case $program in
			/*) echo "$program" ;;
			*) type -P "$program" ;;
			esac
		done
		vm_image_tests
	} | xargs -r -d '\n' realpath -s | sort -u >"$VM_RUN/programs"
	{
		cat "$VM_RUN/programs"
		vm_image_libraries <"$VM_RUN/programs"
		for file in "${VM_FILES[@]}"; do
			[ ! -e "$file" ] || echo "$file"
		done
	} | sed "${merged#;}" | sort -u
}

# vm_image CACHE IMAGE ADDED...: puts the initramfs into IMAGE; made anew only when something in it changed.
# One at a time: the caller holds the cache's lock.
vm_image()
{
	local cache=$1 image=$2 here key root=$1/root i=0 directory file name
	local -a modules

	shift 2
	here=$(dirname "${BASH_SOURCE[0]}")
	vm_image_files "$@" >"$VM_RUN/files"
	mapfile -t modules < <(vm_module_files "$cache/kernel" "${VM_MODULES[@]}")
	key=$({
		xargs -d '\n' stat -L -c '%n %s %y %i' <"$VM_RUN/files"
		stat -c '%n %s %y %i' "${modules[@]}"
		cat "$here/init" "$here/image.sh" "$here/kernel.sh"
	} 2>/dev/null | sha256sum)
	key=${key%% *}
	if [ ! -e "$cache/image-$key" ]; then
		# Of others only the one that was used last is kept: a second build, or a second set of added files, would else make both anew each time.
		find "$cache" -name 'image-*' -printf '%T@ %p\n' | sort -n | head -n -1 | cut -d ' ' -f 2- | xargs -r -d '\n' rm -f
		rm -rf "$root"
		mkdir -p "$root/vm/modules" "$root"/{dev,proc,sys,tmp,run,etc} || return
		# The guest has the same links.
		for directory in bin sbin lib lib32 lib64 libx32; do
			if [ -L /$directory ]; then
				file=$(readlink /$directory)
				mkdir -p "$root/${file#/}"
				ln -s "${file#/}" "$root/$directory"
			fi
		done
		xargs -d '\n' cp -L --parents -t "$root" <"$VM_RUN/files" || return
		cp "$here/init" "$root/init" && chmod 755 "$root/init" || return
		for file in "${modules[@]}"; do
			printf -v name '%02d-%s' $((i += 1)) "${file##*/}"
			cp "$file" "$root/vm/modules/$name" || return
		done
		(cd "$root" && find . -print0 | cpio --quiet -0 -o -H newc >"$cache/image.new") &&
			mv "$cache/image.new" "$cache/image-$key" || return
		rm -rf "$root"
	fi
	touch "$cache/image-$key"
	cp "$cache/image-$key" "$image"
}
