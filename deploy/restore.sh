#!/bin/sh
# Restores what backup.sh has made into an installation that has no data yet: a new COMPOSE_PROJECT_NAME, or one after
# `./compose down --volumes`. It brings up the database alone; `./compose up -d` then goes on where the backup was taken.
# Never run two installations from one backup on the same database.
#   deploy/restore.sh FOLDER
set -eu
[ $# = 1 ] || { sed -n '2,6s/^# \{0,1\}//p' "$0" >&2; exit 2; }
deploy=$(dirname "$(readlink -f "$0")")
folder=$(cd "$1" && pwd -P)
. "$deploy/settings.sh"
[ ! -f "$deploy/.env.local" ] || read_settings "$deploy/.env.local"
place=${GROKLAB_ARTIFACTS:-}
artifacts=artifacts.tar
# In S3: backup.sh has noted the place alone.
[ ! -s "$folder/artifacts.txt" ] || artifacts=artifacts.txt
for file in database.dump "$artifacts"; do
    [ -s "$folder/$file" ] || { echo "restore: there is no $folder/$file" >&2; exit 1; }
done
case $artifacts:$place in
artifacts.tar:?*)
    echo "restore: $folder/artifacts.tar is for a volume, and GROKLAB_ARTIFACTS is $place: take that and compose.s3.yaml out first" >&2
    exit 1
    ;;
artifacts.txt:)
    echo "restore: the backup's artifacts are in $(cat "$folder/artifacts.txt"), and GROKLAB_ARTIFACTS is not set: set it to that or its copy, with compose.s3.yaml" >&2
    exit 1
    ;;
esac
"$deploy/compose" up -d --no-build postgres
tries=60
until "$deploy/compose" exec -T postgres pg_isready --quiet --host 127.0.0.1 --username groklab --dbname groklab; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || { echo "restore: the database does not come up" >&2; exit 1; }
    sleep 1
done
# It stops at what is there already, before anything is changed.
"$deploy/compose" exec -T postgres pg_restore --username groklab --dbname groklab --exit-on-error --single-transaction < "$folder/database.dump"
if [ "$artifacts" = artifacts.txt ]; then
    echo "restore: the database is there; before ./compose up -d, GROKLAB_ARTIFACTS, $place, must be $(cat "$folder/artifacts.txt") or its copy"
    exit 0
fi
"$deploy/compose" up --no-start --no-build coordinator
coordinator=$("$deploy/compose" ps -aq coordinator)
image=$(docker inspect --format '{{.Image}}' "$coordinator")
docker run --rm --interactive --network none --volumes-from "$coordinator" --entrypoint tar "$image" \
    -C /var/lib/groklab -xf - < "$folder/artifacts.tar"
echo "restore: done; go on with ./compose up -d"
