#!/bin/sh
# Real persistent memory for `pando scan`: boots one of Debian's kernels under QEMU with a piece of its RAM declared
# persistent (memmap=), makes an XFS with DAX there, lets processes map files of it in every way that decides between
# 2 MiB and 4 KiB leaves, and runs pando scan beside the kernel's own trace of what it did.
# Runs as root on Debian, x86-64; changes nothing on the host but the packages that it installs.
#
#   scripts/dax.sh check                          succeed if all that `run` needs is installed
#   scripts/dax.sh install                        install what is missing
#   scripts/dax.sh run OUT PANDO HELPER [KERNEL]  boot, measure, print a table; files of it are left in OUT
#
# PANDO and HELPER are native builds (dotnet publish -p:PublishAot=true) of src/Pando.Cli and
# tests/Pando.Linux.TestProcess. KERNEL is a package that depends on a kernel (default linux-image-6.12-amd64; try
# linux-image-amd64 for one without PAGEMAP_SCAN); it is fetched and unpacked in OUT, not installed.
# Exit codes: 0 scan and kernel agree, 1 they do not, 2 it could not be run.
set -eu

PACKAGES="qemu-system-x86 busybox-static xfsprogs kmod cpio xz-utils"
TIME_LIMIT=${DAX_TIME_LIMIT:-240} # seconds, from power-on to power-off

fail() { echo "dax.sh: $*" >&2; exit 2; }

missing() {
    for tool in qemu-system-x86_64 busybox mkfs.xfs xfs_io depmod modprobe cpio xz; do
        command -v $tool >/dev/null || echo $tool
    done
}

check() {
    [ "$(uname -m)" = x86_64 ] || fail "the machine is $(uname -m); the guest is x86-64"
    without=$(missing | tr '\n' ' ')
    [ -z "$without" ] || fail "not installed: $without: run '$0 install' as root"
}

# Copies a program into the guest's file system, with the libraries that it names.
add_program() {
    for file in "$1" $(ldd "$1" 2>/dev/null | grep -o '/[^ ]*'); do
        mkdir -p "$ROOT$(dirname "$file")"
        cp -L "$file" "$ROOT$file"
    done
    [ -z "${2:-}" ] || cp -L "$1" "$ROOT/bin/$2"
}

# Copies the modules that make the named ones work, and lists them in the order to load.
add_modules() {
    version=$1
    shift
    for module in "$@"; do
        modprobe -C /dev/null -d "$OUT/kernel" -S "$version" --show-depends "$module" | awk '$1 == "insmod" { print $2 }'
    done | awk '!seen[$0]++' | while read -r path; do
        name=$(basename "$path" .xz)
        case $path in
        *.xz) xz -dc "$path" > "$ROOT/modules/$name" ;;
        *) cp "$path" "$ROOT/modules/$name" ;;
        esac
        echo "$name" >> "$ROOT/modules/order"
    done
}

fetch_kernel() {
    [ "$(cat "$OUT/kernel/name" 2>/dev/null)" != "$1" ] || return 0
    package=$(apt-cache depends "$1" | awk '/Depends: linux-image-[0-9]/ { print $2; exit }')
    [ -n "$package" ] || fail "apt knows no kernel behind '$1'; run 'apt-get update'"
    rm -rf "$OUT/kernel"
    mkdir -p "$OUT/kernel"
    (cd "$OUT/kernel" && apt-get download -q "$package" >/dev/null 2>&1) || fail "cannot fetch $package"
    dpkg -x "$OUT"/kernel/*.deb "$OUT/kernel"
    rm "$OUT"/kernel/*.deb
    depmod -b "$OUT/kernel" "$(ls "$OUT/kernel/lib/modules")"
    echo "$1" > "$OUT/kernel/name"
}

run() {
    OUT=$1 PANDO=$2 HELPER=$3
    check
    [ -x "$PANDO" ] && [ -x "$HELPER" ] || fail "'$PANDO' and '$HELPER' must be native programs"
    mkdir -p "$OUT"
    OUT=$(cd "$OUT" && pwd)
    fetch_kernel "${4:-linux-image-6.12-amd64}"
    ROOT=$OUT/root
    rm -rf "$ROOT" "$OUT/result"
    mkdir -p "$ROOT/bin" "$ROOT/proc" "$ROOT/sys" "$ROOT/dev" "$ROOT/tmp" "$ROOT/mnt" "$ROOT/modules" "$ROOT/boot" "$OUT/result"
    version=$(ls "$OUT/kernel/lib/modules")
    cp "$OUT/kernel/boot/config-$version" "$ROOT/boot/"
    cp "$(command -v busybox)" "$ROOT/bin/busybox"
    add_modules "$version" nd_e820 nd_pmem xfs
    add_program "$PANDO" pando
    add_program "$HELPER" helper
    add_program "$(command -v mkfs.xfs)" mkfs.xfs
    add_program "$(command -v xfs_io)" xfs_io.bin
    cp "$(dirname "$0")/dax-guest.sh" "$ROOT/init"
    chmod +x "$ROOT/init"
    (cd "$ROOT" && find . | cpio -o -H newc --quiet | gzip -1) > "$OUT/initramfs.gz"

    # Without /dev/kvm: it takes half a minute all the same, and nested virtualisation has been seen to fail.
    # 1 GiB of the RAM is persistent memory. What the guest has to give goes to the second serial line, as text.
    timeout "$TIME_LIMIT" qemu-system-x86_64 -accel tcg -cpu max -smp 2 -m 2560M -display none -no-reboot -nic none \
        -kernel "$OUT/kernel/boot/vmlinuz-$version" -initrd "$OUT/initramfs.gz" \
        -append "console=ttyS0 quiet panic=-1 memmap=1G!1G" \
        -serial "file:$OUT/console" -serial "file:$OUT/result.text" || fail "QEMU failed, or the guest did not end within $TIME_LIMIT s: see $OUT/console"
    base64 -di < "$OUT/result.text" | tar -xzf - -C "$OUT/result" || fail "the guest gave no result: see $OUT/console"
    cat "$OUT/result/table"
    ! grep -q DIFFERS "$OUT/result/table" || exit 1
}

[ $# -ge 1 ] || fail "which verb? check, install, run OUT PANDO HELPER [KERNEL]"
case $1 in
check) check ;;
install)
    [ -z "$(missing)" ] && exit 0
    # shellcheck disable=SC2086
    apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $PACKAGES
    check
    ;;
run)
    [ $# -ge 4 ] || fail "run needs OUT, PANDO and HELPER"
    shift
    run "$@"
    ;;
*) fail "unknown verb '$1': check, install, run" ;;
esac
