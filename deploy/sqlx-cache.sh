#!/usr/bin/env bash
# Writes (`update`, the default) or checks (`--check`) .sqlx/, what the checked SQL macros need to compile without a database.
# Boots a throw-away Postgres, applies the migrations and lets the macros describe every query against it.
set -euo pipefail
cd "$(dirname "$0")/.."
mode=${1:-update}
case $mode in update | --check) ;; *) echo "usage: $0 [update|--check]" >&2; exit 64 ;; esac

bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1)
[ -n "$bin" ] || bin=$(dirname "$(command -v initdb || { echo "no initdb: apt-get install postgresql" >&2; exit 1; })")

work=$(mktemp -d /tmp/groklab-sqlx.XXXXXX)
chmod 755 "$work"
as=()
if [ "$(id -u)" = 0 ]; then
    # Postgres refuses to run as root.
    user=$(getent passwd postgres >/dev/null && echo postgres || echo nobody)
    as=(setpriv "--reuid=$user" "--regid=$(id -g "$user")" --clear-groups)
    chown "$user" "$work"
fi
stop() {
    "${as[@]}" "$bin/pg_ctl" -D "$work/data" -m immediate stop >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap stop EXIT

"${as[@]}" "$bin/initdb" -D "$work/data" -U groklab -A trust -E UTF8 --locale=C.UTF-8 --no-sync >/dev/null
"${as[@]}" "$bin/pg_ctl" -D "$work/data" -w -l "$work/log" -o "-c listen_addresses='' -c unix_socket_directories=$work -c fsync=off" start >/dev/null
for migration in migrations/*.sql; do
    psql -qX -v ON_ERROR_STOP=1 -h "$work" -U groklab -d postgres -f "$migration"
done

mkdir "$work/cache"
# The macros run again only when their crate is compiled again.
touch coordinator/src/lib.rs
DATABASE_URL="postgres://groklab@localhost/postgres?host=$work" SQLX_OFFLINE=false SQLX_OFFLINE_DIR="$work/cache" \
    cargo check --quiet -p groklab-coordinator
# What was compiled against the database must not be taken for a build that used the cache.
touch coordinator/src/lib.rs

if [ "$mode" = --check ]; then
    diff -r .sqlx "$work/cache" >/dev/null || { echo ".sqlx is out of date: run deploy/sqlx-cache.sh" >&2; exit 1; }
    echo ".sqlx is up to date: $(ls .sqlx | wc -l) queries"
else
    mkdir -p .sqlx
    find .sqlx -name 'query-*.json' -delete
    cp "$work"/cache/query-*.json .sqlx/
    echo ".sqlx: $(ls .sqlx | wc -l) queries"
fi
