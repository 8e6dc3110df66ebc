#!/bin/sh
# What pando scan predicts for a fork, against forks: for each size in MiB a process with that much private memory in 4 KiB
# pages forks itself a few times (all pages written anew before each) and takes the processor time of the best; then scan
# looks at it. Prints both, and their ratio.
#
#   bench/fork-cost.sh [PANDO] [MIB...]
#
# Needs python3, and the memory. PANDO may be several words ("dotnet pando.dll").
set -eu

ROOT=$(cd "$(dirname "$0")/.." && pwd)
PANDO=${1:-"$ROOT/src/Pando.Cli/bin/Release/net10.0/pando"}
[ $# -eq 0 ] || shift
[ $# -gt 0 ] || set -- 64 256 1024

WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT INT TERM
cat > "$WORK/fork.py" <<'PYTHON'
import mmap, os, sys, time
size = int(sys.argv[1]) << 20
memory = mmap.mmap(-1, size, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
memory.madvise(15)  # MADV_NOHUGEPAGE
best = None
for _ in range(4):
    for at in range(0, size, 4096):
        memory[at] = 1
    start = time.thread_time()
    child = os.fork()
    if child == 0:
        os._exit(0)
    took = time.thread_time() - start
    os.waitpid(child, 0)
    best = took if best is None else min(best, took)
print(best * 1e3, flush=True)
sys.stdin.read()
PYTHON
mkfifo "$WORK/input"
for mib in "$@"; do
    rm -f "$WORK/output"
    python3 "$WORK/fork.py" "$mib" < "$WORK/input" > "$WORK/output" &
    pid=$!
    exec 9> "$WORK/input"
    while [ ! -s "$WORK/output" ]; do sleep 0.2; done
    $PANDO scan --json > "$WORK/report"
    exec 9>&-
    wait "$pid"
    python3 - "$WORK/report" "$pid" "$(cat "$WORK/output")" "$mib" <<'PYTHON'
import json, sys
report = json.load(open(sys.argv[1]))
said = next(p["forkMilliseconds"] for p in report["processes"] if p["pid"] == int(sys.argv[2]))
took = float(sys.argv[3])
rate = report["machine"]["fork"]
print(f"{sys.argv[4]:>5} MiB: fork {took:6.2f} ms, predicted {said:6.2f} ms, ratio {said / took:.2f} (at {rate['nanosecondsPerTable']:.0f} ns a table, {rate['nanosecondsPerPage']:.0f} ns a page)")
PYTHON
done
