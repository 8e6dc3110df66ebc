#!/usr/bin/env bash
# The tests of Pando.Kvm on a processor that walks page tables itself: an AMD one with SVM and nested paging, which QEMU
# emulates. /dev/kvm of the host is not needed; everything is interpreted, some fifty times slower than hardware.
#
#   scripts/nested-kvm.sh [-t SECONDS] [-p PROCESSOR] [-c 1|2|both] [-n TIMES] [-e NAME=VALUE]... [ARGUMENTS OF THE TEST PROGRAM]
#
#   -t   the time limit, from the boot on (1800)
#   -p   QEMU's processor (max: 5 levels; "max,-la57": 4 levels)
#   -c   how many of them: 1; 2, which take turns in one thread of QEMU's (2); both, at once in two threads. Where they take turns, a
#        locked instruction is two accesses; at once, QEMU 7.2 and 10.0 now and then make two #VMEXITs of one VMRUN
#        (docs/kvm.md, "An emulated processor")
#   -n   how many times the tests are run in one boot (1); the first run that fails is the last
#   -e   an environment variable for the tests
#
#   scripts/nested-kvm.sh                                                  all of them
#   scripts/nested-kvm.sh -class Pando.Kvm.Tests.FlushTests                one class
#   scripts/nested-kvm.sh -e PANDO_ORACLE_LAYOUTS=150 -class Pando.Kvm.Tests.HardwareOracleTests
#
# Needs Debian on x86-64, root for the packages that are missing, and 5 GiB of memory. Boots Debian's kernel with
# a RAM disk that holds busybox and the published tests; all in a temporary folder that goes at the end. Exits as the
# tests did; 124 where the time was up.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1

fail() { echo "nested-kvm.sh: $*" >&2; exit 2; }

limit=1800
processor=max
processors=2
times=1
variables=()
while (($# >= 2)); do
    case $1 in
        -t) limit=$2 ;;
        -p) processor=$2 ;;
        -c) processors=$2 ;;
        -n) times=$2 ;;
        -e) variables+=("$2") ;;
        *) break ;;
    esac
    shift 2
done

case $processors in
    1) accelerator=tcg,thread=multi topology=1,maxcpus=2 ;; # a machine for two, so that locked instructions are locked
    2) accelerator=tcg,thread=single topology=2 ;;
    both) accelerator=tcg,thread=multi topology=2 ;;
    *) fail "-c $processors: 1, 2 or both" ;;
esac

[ "$(uname -m)" = x86_64 ] || fail "this is no x86-64"
command -v apt-get >/dev/null || fail "this needs Debian's packages: no apt-get here"

missing=()
command -v qemu-system-x86_64 >/dev/null || missing+=(qemu-system-x86)
command -v cpio >/dev/null || missing+=(cpio)
[ -f /usr/share/doc/busybox-static/copyright ] || missing+=(busybox-static)
if ((${#missing[@]})); then
    [ "$(id -u)" = 0 ] || fail "needs root to install ${missing[*]}"
    apt-get update -q
    DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "${missing[@]}"
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The kernel's package is unpacked, not installed.
kernel=$(apt-cache depends linux-image-amd64 | awk '$1 == "Depends:" { print $2; exit }')
[ -n "$kernel" ] || fail "no package linux-image-amd64: run apt-get update"
chmod 777 "$work" # apt's own user downloads
(cd "$work" && apt-get download -q "$kernel" >/dev/null && dpkg-deb -x "$kernel"_*.deb unpacked)
version=${kernel#linux-image-}
modules=$work/unpacked/lib/modules/$version/kernel
[ -d "$modules" ] || modules=$work/unpacked/usr/lib/modules/$version/kernel

dotnet publish tests/Pando.Kvm.Tests -c Debug --self-contained -r linux-x64 -o "$work/root/tests" -v quiet --nologo

root=$work/root
mkdir -p "$root"/{bin,proc,sys,dev,tmp,modules,etc}
cp "$(command -v busybox)" "$root/bin/busybox"
order=(irqbypass ccp kvm kvm-amd)
for module in "${order[@]}"; do
    find "$modules" \( -name "$module.ko" -o -name "$module.ko.xz" \) -exec cp {} "$root/modules/" \;
done

# The shared libraries that the runtime loads; OpenSSL's for the test framework, which names tests by hashes.
libraries=$( (for file in "$root"/tests/Pando.Kvm.Tests "$root"/tests/*.so; do ldd "$file" 2>/dev/null; done) | grep -o '/[^ ]*' | grep -v "^$work" | sort -u)
for library in $libraries /lib/x86_64-linux-gnu/libssl.so.3 /lib/x86_64-linux-gnu/libcrypto.so.3; do
    [ -f "$library" ] || fail "$library is missing: install libssl3"
    mkdir -p "$root$(dirname "$library")"
    cp -L "$library" "$root$library"
done

# What follows -- on the kernel's command line is init's arguments; NAME=VALUE before it, its environment.
cat > "$root/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin HOME=/tmp TMPDIR=/tmp DOTNET_EnableDiagnostics=0
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
mount -t tmpfs none /tmp
mkdir /dev/shm
mount -t tmpfs none /dev/shm
ip link set lo up
for module in irqbypass ccp kvm kvm-amd; do
    for file in /modules/$module.ko*; do
        case $file in
            *.xz) unxz "$file"; file=${file%.xz} ;;
        esac
        [ -f "$file" ] && insmod "$file"
    done
done
echo "kernel $(uname -r); nested paging: $(cat /sys/module/kvm_amd/parameters/npt); la57, pcid: $(grep -m1 ^flags /proc/cpuinfo | grep -oE '\<(la57|pcid)\>' | tr '\n' ' ')"
cd /tests
status=0
run=0
while [ "$status" = 0 ] && [ "$run" -lt "$NESTED_KVM_TIMES" ]; do
    run=$((run + 1))
    echo "run $run of $NESTED_KVM_TIMES"
    ./Pando.Kvm.Tests -noLogo -noColor -parallelMode none -reporter verbose "$@" || status=$?
done
echo "nested-kvm: exit $status"
poweroff -f
INIT
chmod +x "$root/init"
(cd "$root" && find . | cpio -o -H newc --quiet) > "$work/ramdisk"

status=0
timeout -k 10 "$limit" qemu-system-x86_64 -accel "$accelerator" -cpu "$processor" -smp "$topology" -m 5G \
    -kernel "$work/unpacked/boot/vmlinuz-$version" -initrd "$work/ramdisk" \
    -append "console=ttyS0 quiet panic=-1 mitigations=off NESTED_KVM_TIMES=$times ${variables[*]} -- $*" \
    -no-reboot -nic none -display none -monitor none -serial stdio </dev/null | tr -d '\r' | tee "$work/log" || status=$?
case $status in
    0) ;;
    124 | 137) echo "nested-kvm.sh: ended after $limit s" >&2; exit 124 ;;
    *) fail "QEMU ended with exit code $status" ;;
esac
exit "$(sed -n 's/^nested-kvm: exit //p' "$work/log" | grep . || echo 2)"
