#!/bin/sh
# Backs a running installation up into a new folder: the database first, then the artifacts, which are never changed once
# the database names them. Artifacts in S3 are left there, and their place is noted: copy it after this.
#   deploy/backup.sh FOLDER
set -eu
[ $# = 1 ] || { sed -n '2,4s/^# \{0,1\}//p' "$0" >&2; exit 2; }
deploy=$(dirname "$(readlink -f "$0")")
mkdir "$1"
folder=$(cd "$1" && pwd -P)
"$deploy/compose" exec -T postgres pg_dump --username groklab --format custom groklab > "$folder/database.dump"
coordinator=$("$deploy/compose" ps -q coordinator)
[ -n "$coordinator" ] || { echo "backup: there is no coordinator's container: bring it up first" >&2; exit 1; }
image=$(docker inspect --format '{{.Image}}' "$coordinator")
place=$(docker inspect --format '{{range .Config.Env}}{{println .}}{{end}}' "$coordinator" | sed -n 's/^GROKLAB_ARTIFACTS=//p')
if [ -n "$place" ]; then
    echo "$place" > "$folder/artifacts.txt"
    echo "backup: artifacts are in $place: copy them now, as by \`aws s3 sync\`" >&2
else
    # tar's 1 is a file that changed or went as it was read: no artifact that the database names.
    docker run --rm --network none --volumes-from "$coordinator:ro" --entrypoint sh "$image" \
        -c 'tar -C /var/lib/groklab -cf - artifacts || [ $? = 1 ]' > "$folder/artifacts.tar"
fi
# Whoever restores needs the same schema.
docker inspect --format '{{.Config.Image}}' "$coordinator" > "$folder/image.txt"
echo "backup: $(du -sh "$folder" | cut -f1) in $folder"
