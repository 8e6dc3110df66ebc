#!/bin/sh
# What tests use beside the .NET SDK, from the distribution's packages. Without it the tests that need it are skipped and say so.
# Runs as root on Debian.
#
#   scripts/test-tools.sh install     install what is missing
#   scripts/test-tools.sh check       say what is missing; fails if anything is
set -eu

# A program and the package that has it: file systems to judge readers by, and what pando exec runs.
TOOLS="mkfs.xfs:xfsprogs mkfs.ext4:e2fsprogs mkfs.btrfs:btrfs-progs filefrag:e2fsprogs gcc:gcc perl:perl python3:python3"

missing() {
    for pair in $TOOLS; do
        if ! PATH="$PATH:/usr/sbin:/sbin" command -v "${pair%%:*}" >/dev/null 2>&1; then echo "${pair#*:}"; fi
    done | sort -u
}

case ${1:-} in
check)
    packages=$(missing)
    [ -z "$packages" ] || { echo "missing:" $packages; exit 1; }
    ;;
install)
    packages=$(missing)
    [ -z "$packages" ] && exit 0
    apt-get update -q
    # shellcheck disable=SC2086 # one argument for each package
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $packages
    ;;
*)
    echo "usage: scripts/test-tools.sh install | check" >&2
    exit 2
    ;;
esac
