#!/usr/bin/env bash
# The first run makes the database cluster with a temporary server that listens on its socket only (H24).
set -eu

if [ "$1" != postgres ]; then exec "$@"; fi

if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA" /var/run/postgresql
  chown postgres: "$PGDATA" /var/run/postgresql
  chmod 700 "$PGDATA"
  exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  user=${POSTGRES_USER:-postgres}
  method=${POSTGRES_HOST_AUTH_METHOD:-scram-sha-256}
  if [ -z "${POSTGRES_PASSWORD:-}" ] && [ "$method" != trust ]; then
    echo 'Error: Database is uninitialized and superuser password is not specified.' >&2
    exit 1
  fi
  # shellcheck disable=SC2086
  initdb --no-sync --username="$user" --pwfile=<(printf '%s\n' "${POSTGRES_PASSWORD:-x}") ${POSTGRES_INITDB_ARGS:-}
  printf '\nhost all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"
  PGUSER=$user pg_ctl -D "$PGDATA" -o "-c listen_addresses=''" -w start
  export PGPASSWORD=${POSTGRES_PASSWORD:-}
  database=${POSTGRES_DB:-$user}
  if [ "$database" != postgres ]; then createdb -U "$user" "$database"; fi
  for file in /docker-entrypoint-initdb.d/*.sql; do
    if [ -e "$file" ]; then psql -v ON_ERROR_STOP=1 -U "$user" -d "$database" -f "$file"; fi
  done
  pg_ctl -D "$PGDATA" -m fast -w stop
fi

# No test takes the power from a whole machine with engines: what is written need not reach the disk.
exec "$@" -c listen_addresses='*' -c fsync=off
