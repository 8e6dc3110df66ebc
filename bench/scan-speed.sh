#!/bin/sh
# pando scan against a loop over smaps_rollup and against smem, on the same processes, in the same run:
# PROCESSES (1,000) that each map the same 16 GiB object and have touched TOUCHED bytes (1 GiB) of it.
#
#   bench/scan-speed.sh [PANDO] [RUNS]
#
# PANDO is the command to time (a native build, see docs/scan.md); RUNS how often (5). Needs about 4 GiB of memory
# and, for smem, the package of that name. Prints minimum, median and maximum of each in seconds.
set -eu

ROOT=$(cd "$(dirname "$0")/.." && pwd)
PANDO=${1:-"$ROOT/src/Pando.Cli/bin/Release/net10.0/pando"}
RUNS=${2:-5}
PROCESSES=${PROCESSES:-1000}
TOUCHED=${TOUCHED:-1073741824}
SIZE=17179869184
HELPER="$ROOT/tests/Pando.Linux.TestProcess/bin/Debug/net10.0/Pando.Linux.TestProcess"
[ -x "$PANDO" ] || { echo "scan-speed: no command at $PANDO: build it first, or name it" >&2; exit 2; }
[ -x "$HELPER" ] || dotnet build "$ROOT/tests/Pando.Linux.TestProcess" >/dev/null

WORK=$(mktemp -d)
mkfifo "$WORK/input"
cleanup() { exec 9>&-; wait 2>/dev/null || true; rm -rf "$WORK"; }
trap cleanup EXIT INT TERM

DOTNET_EnableWriteXorExecute=0 "$HELPER" "memfd,size=$SIZE" "fork,value=$((PROCESSES - 1))" \
    "map,at=400000000000,size=$SIZE,rights=rw" "touch,at=400000000000,size=$TOUCHED,value=4096" \
    < "$WORK/input" > "$WORK/output" &
exec 9> "$WORK/input"
while [ "$(grep -c ready "$WORK/output" || true)" -lt "$PROCESSES" ]; do
    grep -q failed "$WORK/output" && { echo "scan-speed: the processes could not map their memory" >&2; exit 2; }
    sleep 1
done
echo "$PROCESSES processes, 16 GiB mapped by each, $((TOUCHED >> 20)) MiB touched; $(nproc) processors"
grep PageTables: /proc/meminfo

# A process that is stuck in the kernel with its mmap_lock held would stop the loop, and smem, for ever: it is left out.
stuck=" "
for p in /proc/[0-9]*; do
    grep -q '^State:.*D' "$p/status" 2>/dev/null || continue
    code=0
    timeout 2 cat "$p/maps" >/dev/null 2>&1 || code=$?
    [ $code -ne 124 ] || { stuck="$stuck$p "; echo "stuck, left out of the loop: $p ($(cat "$p/comm"))"; }
done
smaps_loop() {
    for p in /proc/[0-9]*; do
        case $stuck in *" $p "*) continue ;; esac
        cat "$p/smaps_rollup" 2>/dev/null || true
    done >/dev/null
}

# NAME COMMAND...: times it RUNS times.
measure() {
    name=$1
    shift
    for _ in $(seq "$RUNS"); do
        from=$(date +%s%N)
        "$@" >/dev/null 2>&1
        echo $((($(date +%s%N) - from) / 1000000))
    done | sort -n | awk -v name="$name" '{ t[NR] = $1 / 1000 } END { printf "%-24s min %7.2f  median %7.2f  max %7.2f s\n", name, t[1], t[int((NR + 1) / 2)], t[NR] }'
}

measure "pando scan" "$PANDO" scan
measure "pando scan --exact" "$PANDO" scan --exact
measure "loop over smaps_rollup" smaps_loop
if [ "$stuck" != " " ]; then echo "smem is not timed: it would wait for ever for the stuck process"
elif command -v smem >/dev/null; then measure "smem" smem
else echo "smem is not installed: apt-get install smem"; fi
"$PANDO" scan --object pando-test | sed -n '1,4p;6,8p'
