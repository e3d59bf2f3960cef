#!/usr/bin/env bash
# Prints the name of a docker client that can build with BuildKit. One without the buildx plugin cannot; Debian 12's own
# (20.10) has BuildKit built in. DOCKER names another client.
set -euo pipefail
for candidate in ${DOCKER:-docker /usr/bin/docker}; do
    if "$candidate" buildx version >/dev/null 2>&1 ||
        "$candidate" version --format '{{.Client.Version}}' 2>/dev/null | grep -q '^20\.'; then
        echo "$candidate"
        exit 0
    fi
done
echo "no docker client with BuildKit: install the buildx plugin (Debian: docker-buildx)" >&2
exit 1
