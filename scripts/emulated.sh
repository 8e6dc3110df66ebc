#!/usr/bin/env bash
# A test suite on a processor and a kernel of one's choice: QEMU emulates the processor, and boots one of Debian's kernels.
# /dev/kvm of the host is not needed; everything is interpreted, some fifty times slower than hardware.
#
#   scripts/emulated.sh -s SUITE [-t SECONDS] [-p PROCESSOR] [-k KERNEL] [-c 1|2|both] [-n TIMES] [-e NAME=VALUE]...
#                       [ARGUMENTS OF THE TEST PROGRAM]
#
#   -s   the test project, by its name in tests/
#   -t   the time limit, from the boot on (1800)
#   -p   QEMU's processor (max: 5 levels, protection keys, SVM; "max,-la57": 4 levels; "max,-pku": no protection keys)
#   -k   the kernel: a package of the distribution's (linux-image-amd64), or a file with such a package (*.deb)
#   -c   how many processors: 1; 2, which take turns in one thread of QEMU's (2); both, at once in two threads. Where they take turns, a
#        locked instruction is two accesses; at once, QEMU 7.2 and 10.0 now and then make two #VMEXITs of one VMRUN
#        (docs/kvm.md, "An emulated processor")
#   -n   how many times the tests are run in one boot (1); the first run that fails is the last
#   -e   an environment variable for the tests
#
#   scripts/emulated.sh -s Pando.Conformance.Tests -c both                       Linux with protection keys as the judge
#   scripts/emulated.sh -s Pando.Conformance.Tests -c both -p max,-pku           the same one without
#   scripts/emulated.sh -s Pando.Conformance.Tests -c both -p max,-la57 -class Pando.Conformance.Tests.Cases.ExecuteOnlyCases
#                                                                                what protection keys change, alone: minutes
#   scripts/emulated.sh -s Pando.Kvm.Tests -class Pando.Kvm.Tests.FlushTests     one class (scripts/nested-kvm.sh: all)
#
# Needs Debian on x86-64, root for the packages that are missing, and 5 GiB of memory. Boots the kernel with
# a RAM disk that holds busybox and the published tests; all in a temporary folder that goes at the end. Exits as the
# tests did; 124 where the time was up.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1

fail() { echo "emulated.sh: $*" >&2; exit 2; }

suite=
limit=1800
processor=max
kernel=linux-image-amd64
processors=2
times=1
variables=()
if [ $# = 0 ] || [ "$1" = -h ] || [ "$1" = --help ]; then
    sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0"
    exit 0
fi

while (($# >= 2)); do
    case $1 in
        -s) suite=$2 ;;
        -t) limit=$2 ;;
        -p) processor=$2 ;;
        -k) kernel=$2 ;;
        -c) processors=$2 ;;
        -n) times=$2 ;;
        -e) variables+=("$2") ;;
        *) break ;;
    esac
    shift 2
done

[ -f "tests/$suite/$suite.csproj" ] || fail "-s '$suite': no such project in tests/"
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

# The kernel's package is unpacked, not installed. A package that names no version depends on one that does.
if [ -f "$kernel" ]; then
    cp "$kernel" "$work/kernel.deb"
else
    if ! [[ $kernel =~ ^linux-image-[0-9]+\.[0-9]+\.[0-9]+ ]]; then
        kernel=$(apt-cache depends "$kernel" | awk '$1 == "Depends:" && $2 ~ /^linux-image-/ { print $2; exit }')
        [ -n "$kernel" ] || fail "apt knows no such kernel: run apt-get update, or give -k another"
    fi
    chmod 777 "$work" # apt's own user downloads
    (cd "$work" && apt-get download -q "$kernel" >/dev/null && mv "$kernel"_*.deb kernel.deb)
fi
dpkg-deb -x "$work/kernel.deb" "$work/unpacked"
image=$(echo "$work"/unpacked/boot/vmlinuz-*)
[ -f "$image" ] || image=$(echo "$work"/unpacked/usr/lib/modules/*/vmlinuz)
[ -f "$image" ] || fail "the package holds no kernel"
version=${image##*/vmlinuz-}
[ "$version" != "$image" ] || version=$(basename "$(dirname "$image")")
modules=$work/unpacked/lib/modules/$version/kernel
[ -d "$modules" ] || modules=$work/unpacked/usr/lib/modules/$version/kernel

dotnet publish "tests/$suite" -c Debug --self-contained -r linux-x64 -o "$work/root/tests" -v quiet --nologo

root=$work/root
mkdir -p "$root"/{bin,proc,sys,dev,tmp,modules,etc}
cp "$(command -v busybox)" "$root/bin/busybox"
order=(irqbypass ccp kvm kvm-amd)
for module in "${order[@]}"; do
    find "$modules" \( -name "$module.ko" -o -name "$module.ko.xz" \) 2>/dev/null -exec cp {} "$root/modules/" \;
done

# The shared libraries that the runtime loads; OpenSSL's for the test framework, which names tests by hashes.
libraries=$( (for file in "$root/tests/$suite" "$root"/tests/*.so; do ldd "$file" 2>/dev/null; done) | grep -o '/[^ ]*' | grep -v "^$work" | sort -u)
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
echo "kernel $(uname -r); nested paging: $(cat /sys/module/kvm_amd/parameters/npt 2>/dev/null); of la57, pcid, ospke: $(grep -m1 ^flags /proc/cpuinfo | grep -oE '\<(la57|pcid|ospke)\>' | tr '\n' ' ')"
cd /tests
status=0
run=0
while [ "$status" = 0 ] && [ "$run" -lt "$EMULATED_TIMES" ]; do
    run=$((run + 1))
    echo "run $run of $EMULATED_TIMES"
    "./$EMULATED_SUITE" -noLogo -noColor -parallelMode none -reporter verbose "$@" || status=$?
done
echo "emulated: exit $status"
poweroff -f
INIT
chmod +x "$root/init"
(cd "$root" && find . | cpio -o -H newc --quiet) > "$work/ramdisk"

status=0
timeout -k 10 "$limit" qemu-system-x86_64 -accel "$accelerator" -cpu "$processor" -smp "$topology" -m 5G \
    -kernel "$image" -initrd "$work/ramdisk" \
    -append "console=ttyS0 quiet panic=-1 mitigations=off EMULATED_SUITE=$suite EMULATED_TIMES=$times ${variables[*]} -- $*" \
    -no-reboot -nic none -display none -monitor none -serial stdio </dev/null | tr -d '\r' | tee "$work/log" || status=$?
case $status in
    0) ;;
    124 | 137) echo "emulated.sh: ended after $limit s" >&2; exit 124 ;;
    *) fail "QEMU ended with exit code $status" ;;
esac
exit "$(sed -n 's/^emulated: exit //p' "$work/log" | grep . || echo 2)"
