#!/bin/bash
#
# contents.sh DIRECTORY: what the Debian packages in it hold is where it has to be, each file in one package alone, and
# works unpacked into a root of its own. Started by `tests/run.sh --only package`.
set -u

debs=${1:?names the directory of the packages}
root=$(mktemp -d "${TMPDIR:-/tmp}/fs-package.XXXXXX") || exit 99
trap 'rm -rf "$root"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP
unset LD_PRELOAD
PATH=$PATH:/usr/sbin:/sbin

failures=0
fail()
{
	echo "FAILED: $*"
	failures=$((failures + 1))
}

libdir=usr/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)

# holds PACKAGE FILE...: these files, of which more than one may match, are in that package and in no other.
holds()
{
	local package=$1 file

	shift
	for file in "$@"; do
		[ -n "$(find "$root/$package" -path "$root/$package/$file" ! -type d)" ] || fail "$package does not hold $file"
		[ "$(find "$root" -path "$root/*/$file" ! -type d | cut -d / -f "$depth" | sort -u)" = "$package" ] ||
			fail "$file is not in $package alone"
	done
}
depth=$(($(tr -cd / <<<"$root" | wc -c) + 2))

for package in libfastsock0 libfastsock-dev fastsock; do
	dpkg-deb -x "$debs/${package}_"*.deb "$root/$package" || fail "$package was not built"
done
holds libfastsock0 "$libdir/libfastsock.so" "$libdir/libfastsock.so.0" "$libdir/libfastsock.so.0.*" \
	usr/share/man/man7/libfastsock.7.gz
holds libfastsock-dev usr/include/fastsock/fastsock.h "$libdir/pkgconfig/fastsock.pc" usr/share/man/man3/fastsock_active.3.gz
holds fastsock usr/bin/fastsock usr/share/man/man1/fastsock.1.gz usr/share/bash-completion/completions/fastsock \
	usr/share/doc/fastsock/examples/nginx/fastsock.conf usr/share/doc/fastsock/examples/counters.c
[ -z "$(find "$root" -name '*.la')" ] || fail "libtool's archive is packaged"

# Together, as on a machine.
mkdir "$root/all" && for package in libfastsock0 fastsock; do cp -a "$root/$package/." "$root/all/"; done
preload=$("$root/all/usr/bin/fastsock" run printenv LD_PRELOAD)
[ "$preload" = "$root/all/$libdir/libfastsock.so" ] || fail "fastsock run preloads '$preload'"

# The link that LD_PRELOAD=libfastsock.so takes is there without the development files. The linker's cache is another
# one for this process alone.
echo "$root/libfastsock0/$libdir" >"$root/ld.so.conf"
# shellcheck disable=SC2016 # for the inner shell
by_name='mount --bind "$1" /etc/ld.so.cache && export LD_PRELOAD=libfastsock.so && exec cat /proc/self/maps'
if [ "$(id -u)" != 0 ]; then
	echo "not tested: the bare name in LD_PRELOAD needs root"
elif ! ldconfig -f "$root/ld.so.conf" -C "$root/cache" ||
	! unshare -m sh -c "$by_name" sh "$root/cache" | grep -q "$root/libfastsock0/$libdir/libfastsock\.so"; then
	fail "LD_PRELOAD=libfastsock.so is not found with libfastsock0 alone"
fi

[ $failures -eq 0 ] || exit 1
echo "ok: the packages hold what they promise"
