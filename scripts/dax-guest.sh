#!/bin/busybox sh
# The first and only program of the guest that scripts/dax.sh boots: makes the files, starts the processes, compares
# what `pando scan` says with the kernel's trace, hands everything over on the second serial line, and powers off.
/bin/busybox --install -s /bin
export PATH=/bin:/sbin:/usr/sbin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mount -t tracefs trace /sys/kernel/tracing
RESULT=/tmp/result
TRACE=/sys/kernel/tracing
mkdir -p $RESULT /mnt/pmem

give_up() {
    echo "dax-guest: $*"
    echo "$* DIFFERS" >> $RESULT/table
    hand_over
}

hand_over() {
    sync
    tar -czf - -C $RESULT . | base64 > /dev/ttyS1
    sleep 1
    poweroff -f
}

while read -r module; do insmod "/modules/$module" || echo "cannot load $module"; done < /modules/order
for _ in 1 2 3 4 5 6 7 8 9 10; do [ -b /dev/pmem0 ] && break; sleep 0.5; done
mkfs.xfs -q -f -m reflink=0 -d su=2m,sw=1 /dev/pmem0 || give_up "no file system"
mount -t xfs -o dax=always /dev/pmem0 /mnt/pmem || give_up "no DAX mount"
uname -r > $RESULT/kernel
io() { /bin/xfs_io.bin -f -c "$1" "$2"; }
cd /mnt/pmem

# Files. XFS gives files of 2 MiB and more extents at multiples of the stripe unit, 2 MiB.
for name in aligned shifted private copied first covered; do io "falloc 0 32m" $name; done
io "falloc 4k 32m" physical                       # its extent begins at a multiple of 2 MiB, with byte 4096
io "falloc 0 4m" rest; io "falloc 0 4m" pieces
for at in 4 5 6 7 8 9 10 11; do                   # 1 MiB each in turn: no 2 MiB of it lie in one piece
    io "falloc ${at}m 1m" pieces; sync; io "falloc ${at}m 1m" rest; sync
done
io "falloc 0 16m" hole; io "fpunch 3m 512k" hole; io "truncate 32m" hole   # a small hole, and 8 windows of hole
io "truncate 32m" sparse; io "truncate 32m" filled # nothing but hole
io "falloc 0 5128k" end; io "truncate 5128k" end  # ends 1 MiB and 8 KiB into its third window
io "falloc 0 6m" nearly; io "truncate 6291356" nearly  # ends in the last page of its third window
io "falloc 0 16m" written; dd if=/dev/zero of=written bs=1M count=3 conv=notrunc 2>/dev/null
sync

echo 0 > $TRACE/tracing_on
echo > $TRACE/trace
echo 16384 > $TRACE/buffer_size_kb
echo 1 > $TRACE/events/fs_dax/enable
echo 1 > $TRACE/tracing_on

A=at=400000000000
M32=size=33554432
W=value=2097152

# NAME COUNT STEPS...: processes that live until the end, each behind the open end of a pipe.
FD=20
start() {
    name=$1 count=$2
    shift 2
    mkfifo /tmp/$name.in
    : > /tmp/$name.out
    /bin/helper "file,path=/mnt/pmem/$name" "$@" < /tmp/$name.in > /tmp/$name.out 2>&1 &
    eval "exec $FD> /tmp/$name.in"
    FD=$((FD + 1))
    for _ in $(seq 100); do
        [ "$(grep -c ready /tmp/$name.out)" -ge "$count" ] && break
        sleep 0.1
    done
    [ "$(grep -c ready /tmp/$name.out)" -ge "$count" ] || echo "$name: $(cat /tmp/$name.out)"
}

start aligned 4 fork,value=3 map,$A,$M32,rights=rw write,$A,$M32,$W
start shifted 2 fork,value=1 map,at=400000001000,$M32,rights=rw write,at=400000001000,$M32,$W
start private 1 private,$A,$M32,rights=rw write,$A,$M32,$W
# 0 may write, and reads only; 1 may only read.
start copied 2 fork,value=1 0:private,$A,$M32,rights=rw 1:private,$A,$M32,rights=r touch,$A,$M32,$W
# A mapping 4 KiB off makes 4 KiB entries in all windows but the last, and the second mapping gets those.
start first 1 map,at=400000001000,size=31457280,rights=rw write,at=400000001000,size=31457280,$W map,at=500000000000,$M32,rights=rw write,at=500000000000,$M32,$W
# From 1 MiB on, 6 MiB: half a window, two whole ones, half a window.
start covered 1 map,at=400000100000,size=6291456,value=1048576,rights=rw write,at=400000100000,size=6291456,value=1048576
start physical 1 map,$A,$M32,rights=rw write,at=400000001000,size=31457280,$W
start pieces 1 map,$A,size=12582912,rights=rw write,$A,size=12582912,$W
start hole 1 map,$A,$M32,rights=rw touch,$A,$M32,$W
start sparse 2 fork,value=1 map,$A,$M32,rights=rw touch,$A,size=16777216,$W
start filled 1 map,$A,$M32,rights=rw write,$A,$M32,$W
start end 1 map,$A,size=6291456,rights=rw write,$A,size=5251072,$W
start nearly 1 map,$A,size=6291456,rights=rw write,$A,size=6291456,$W
start written 1 map,$A,size=16777216,rights=rw touch,$A,size=16777216,$W
echo 0 > $TRACE/tracing_on
cat $TRACE/trace > $RESULT/trace

pando scan --exact --save $RESULT/snapshot --json > $RESULT/scan.json || give_up "scan failed"
pando scan $RESULT/snapshot --top 40 --object /mnt/pmem > $RESULT/scan.text
for pid in $(pidof helper); do
    echo "$pid $(awk '/^VmPTE/ { print $2 }' /proc/$pid/status) $(grep -o '/mnt/pmem/.*' /proc/$pid/maps | head -1)"
done > $RESULT/vmpte
for name in aligned shifted pieces hole; do pando explain "$(pidof helper | tr ' ' '\n' | while read -r p; do grep -q "pmem/$name" /proc/$p/maps && echo $p; done | head -1)" 400000400000; done > $RESULT/explain 2>&1

# The kernel's last word on each 2 MiB window of each process. An address loses its low 21 bits.
awk '/dax_pmd_fault_done:/ {
        split($0, words, "dax_pmd_fault_done: ")
        n = split(words[2], w, " ")
        address = ""
        for (i = 1; i <= n; i++) {
            if (w[i] == "ino") inode = w[i + 1]
            if (w[i] == "address") address = w[i + 1]
        }
        high = substr(address, 1, length(address) - 6)
        split($1, who, "-")
        print inode, who[length(who)], high, substr(address, length(address) - 5, 1), w[n]
    }' $RESULT/trace > $RESULT/faults
for name in aligned shifted private copied first covered physical pieces hole sparse filled end nearly written; do
    inode=$(printf '0x%x' "$(stat -c %i /mnt/pmem/$name)")
    echo "$name $inode $(stat -c %i /mnt/pmem/$name)"
done > $RESULT/files
awk 'BEGIN { even = "0 2 4 6 8 a c e"; odd = "1 3 5 7 9 b d f" }
    FILENAME ~ /files$/ { name[$2] = $1; next }
    { i = index(odd, $4); digit = i ? substr(even, i, 1) : $4; last[$1 " " $2 " " $3 digit] = $5 }
    END { for (key in last) { split(key, k, " "); if (last[key] ~ /NOPAGE/) big[k[1]]++; else small[k[1]]++ }
          for (inode in name) printf "%s %d %d\n", name[inode], big[inode], small[inode] }' $RESULT/files $RESULT/faults | sort > $RESULT/kernel-windows

# scan.json has one member a line.
awk '/"name": "\/mnt\/pmem/ { n = split($0, p, "/"); name = p[n]; sub(/".*/, "", name) }
    /"windows2MiB":/ { big = $2 + 0 }
    /"windows4KiB":/ { small = $2 + 0 }
    /"reasons":/ && index($0, "{") && name { inside = !index($0, "}"); why = ""; if (!inside) { print name, big, small; name = "" } next }
    inside && index($0, "}") { inside = 0; print name, big, small, why; name = ""; next }
    inside { gsub(/[ ",]/, ""); why = why (why ? "," : "") $0 }' $RESULT/scan.json | sort > $RESULT/scan-windows

{
    echo "Linux $(uname -r): windows of 2 MiB with a 2 MiB leaf / with 4 KiB leaves, by the kernel's trace and by pando scan"
    awk 'NR == FNR { big[$1] = $2; small[$1] = $3; why[$1] = $4; next }
        { printf "  %-10s kernel %3d / %3d   scan %3d / %3d   %s%s\n", $1, $2, $3, big[$1], small[$1], ($2 == big[$1] && $3 == small[$1]) ? "" : "DIFFERS ", why[$1] }' \
        $RESULT/scan-windows $RESULT/kernel-windows
    [ "$(wc -l < $RESULT/scan-windows)" -eq "$(wc -l < $RESULT/kernel-windows)" ] || echo "  the number of files DIFFERS"
} > $RESULT/table
cat $RESULT/table
hand_over
