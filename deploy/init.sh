#!/bin/sh
# What the service `init` runs: without arguments it completes the secrets, with some it is grokctl.
set -eu
if [ $# -gt 0 ]; then exec grokctl "$@"; fi
# Plain `docker compose` does not read .env.local: everything would come up with other settings than before.
if [ -s /deploy/.env.local ] && [ -z "${GROKLAB_LOCAL_SETTINGS:-}" ]; then
    echo "init: there is a .env.local, which \`docker compose\` does not read: call ./compose in its place, as in ./compose up -d" >&2
    exit 2
fi
exec grokctl secrets
