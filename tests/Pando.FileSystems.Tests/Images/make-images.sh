#!/bin/bash
# Makes the small images beside it, which the tests read without any program of the host (root, xfsprogs, e2fsprogs, brotli).
# Their contents are made of lines, so that they compress, and so that a test can tell what should be there.
set -e
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'umount "$work/m" 2>/dev/null || true; rm -rf "$work"' EXIT
mkdir "$work/m"

fill() {
    cd "$work/m"
    mkdir -p a/b many lots
    echo hello > a/b/hello
    ln -s b/hello a/link; ln -s /a/b absolute; ln -s ../../../a/b/hello out; ln -s loop2 loop1; ln -s loop1 loop2; ln -s gone dangling
    yes 'a line of the large file' | head -c 3000000 > large || true
    yes 'pieces' | head -c 1600000 > pieces || true
    sync -f pieces
    for i in $(seq 0 2 380); do fallocate -p -o $((i * 4096)) -l 4096 pieces; done
    fallocate -l 1M unwritten 2>/dev/null || true
    truncate -s 100M sparse; echo end | dd of=sparse bs=1 seek=100000000 conv=notrunc status=none
    (cd many; seq -f 'name-%.0f' 1 100 | xargs touch)
    (cd lots; seq -f 'a-much-longer-name-of-a-file-%.0f' 1 1200 | xargs touch)
    if cp --reflink=always large shared 2>/dev/null; then yes 'other' | head -c 8192 | dd of=shared bs=4096 seek=100 conv=notrunc status=none; fi
    cd "$OLDPWD"
}

keep() { brotli -f -q 11 -w 24 "$1" -o "$2"; }

truncate -s 16M "$work/xfs"
mkfs.xfs --unsupported -q -f -m reflink=1,rmapbt=0 -l size=4m "$work/xfs" 2>/dev/null || mkfs.xfs --unsupported -q -f -m reflink=1,rmapbt=0 "$work/xfs"
mount -o loop "$work/xfs" "$work/m"; fill; umount "$work/m"; keep "$work/xfs" xfs.br

truncate -s 8M "$work/ext4"
mke2fs -q -t ext4 -b 1024 -N 1536 -J size=1 -O inline_data "$work/ext4"
mount -o loop "$work/ext4" "$work/m"; fill; umount "$work/m"; keep "$work/ext4" ext4.br

truncate -s 8M "$work/ext2"
mke2fs -q -t ext2 -b 1024 -N 1536 "$work/ext2"
mount -o loop "$work/ext2" "$work/m"; fill; umount "$work/m"; keep "$work/ext2" ext2.br
ls -l ./*.br
