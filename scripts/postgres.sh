#!/bin/sh
# A PostgreSQL server of its own, from the distribution's packages, for measuring page tables.
# Runs as root on Debian; touches nothing outside DIR (and never the distribution's own cluster).
#
#   scripts/postgres.sh check                   succeed if a server is installed
#   scripts/postgres.sh install                 install the server if it is missing
#   scripts/postgres.sh create DIR              make a cluster in DIR and fill four tables of 0.97 GiB
#   scripts/postgres.sh up DIR HUGE CLIENTS     start it (huge_pages = HUGE: on or off, shared_buffers = 4 GB) with
#                                               CLIENTS connections that read all tables and stay; prints the
#                                               postmaster's process id
#   scripts/postgres.sh down DIR                stop connections and server
#   scripts/postgres.sh remove DIR              stop it and delete DIR
#
# Every verb may be repeated. A table must be smaller than a quarter of shared_buffers: PostgreSQL reads larger
# ones through a small ring of buffers and would not touch the rest.
set -eu

TABLES=4
ROWS=127000 # one row a page of 8 KiB
PORT=54329

fail() { echo "postgres.sh: $*" >&2; exit 2; }

find_bin() {
    for dir in $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -Vr); do
        if [ -x "$dir/postgres" ]; then echo "$dir"; return; fi
    done
    return 1
}

as_postgres() { runuser -u postgres -- "$@"; }

sql() { as_postgres "$BIN/psql" -qXAt -h "$DIR/socket" -p "$PORT" -d postgres "$@"; }

running() { [ -f "$DIR/data/postmaster.pid" ] && kill -0 "$(head -1 "$DIR/data/postmaster.pid")" 2>/dev/null; }

start() {
    as_postgres "$BIN/pg_ctl" -D "$DIR/data" -w -t 120 -l "$DIR/log" -o "-c huge_pages=$1" start >/dev/null \
        || { tail -5 "$DIR/log" >&2; fail "the server did not start with huge_pages=$1: see above; are enough huge pages free?"; }
}

down() {
    if [ -f "$DIR/clients" ]; then
        for pid in $(cat "$DIR/clients"); do kill "$pid" 2>/dev/null || true; done
        rm -f "$DIR/clients"
    fi
    if running; then as_postgres "$BIN/pg_ctl" -D "$DIR/data" -w -t 120 -m fast stop >/dev/null; fi
}

[ "$(id -u)" = 0 ] || fail "needs root (to install, and to run the server as user postgres)"
[ $# -ge 1 ] || fail "which verb? check, install, create DIR, up DIR on|off CLIENTS, down DIR, remove DIR"
VERB=$1
if [ "$VERB" = check ]; then
    find_bin >/dev/null || fail "PostgreSQL is not installed: run '$0 install'"
    exit 0
fi

if [ "$VERB" = install ]; then
    find_bin >/dev/null && exit 0
    apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends postgresql
    find_bin >/dev/null || fail "installed, but no server under /usr/lib/postgresql"
    exit 0
fi

[ $# -ge 2 ] || fail "$VERB needs a directory"
DIR=$2
BIN=$(find_bin) || fail "PostgreSQL is not installed: run '$0 install' first"

case $VERB in
create)
    [ -f "$DIR/filled" ] && exit 0
    mkdir -p "$DIR/socket"
    chown -R postgres "$DIR"
    [ -f "$DIR/data/PG_VERSION" ] || as_postgres "$BIN/initdb" -D "$DIR/data" -A trust --no-sync >/dev/null
    cat > "$DIR/data/postgresql.auto.conf" <<CONF
listen_addresses = ''
unix_socket_directories = '$DIR/socket'
port = $PORT
shared_buffers = 4GB
max_connections = 400
fsync = off
autovacuum = off
jit = off
max_parallel_workers_per_gather = 0
max_wal_size = 8GB
CONF
    start off
    for t in $(seq $TABLES); do
        sql -c "set client_min_messages = warning" -c "drop table if exists t$t" -c "create unlogged table t$t (filler text)" \
            -c "alter table t$t alter filler set storage plain" \
            -c "insert into t$t select repeat('x', 7000) from generate_series(1, $ROWS)" -c "vacuum t$t"
    done
    down
    touch "$DIR/filled"
    ;;
up)
    [ $# -eq 4 ] || fail "up needs DIR, on or off, and the number of connections"
    [ -f "$DIR/filled" ] || fail "$DIR holds no filled cluster: run '$0 create $DIR' first"
    down
    start "$3"
    read_all=$(for t in $(seq $TABLES); do printf 'select count(*) from t%s; ' "$t"; done)
    # Once alone, so that the tables are in shared_buffers before everybody reads them.
    sql -c "$read_all" >/dev/null
    : > "$DIR/clients"
    (echo "$read_all"; echo "select pg_sleep(86400);") > "$DIR/script.sql"
    for _ in $(seq "$4"); do
        runuser -u postgres -- "$BIN/psql" -qXAt -h "$DIR/socket" -p "$PORT" -d postgres -f "$DIR/script.sql" >/dev/null 2>&1 &
        echo $! >> "$DIR/clients"
    done
    waited=0
    while [ "$(sql -c "select count(*) from pg_stat_activity where wait_event = 'PgSleep'")" -lt "$4" ]; do
        sleep 1
        waited=$((waited + 1))
        [ $waited -lt 600 ] || fail "not all $4 connections have read the tables after 600 s"
    done
    head -1 "$DIR/data/postmaster.pid"
    ;;
down) down ;;
remove)
    down
    rm -rf "$DIR"
    ;;
*) fail "unknown verb '$VERB': check, install, create, up, down, remove" ;;
esac
