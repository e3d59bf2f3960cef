#!/usr/bin/env bash
# Makes the base image that deploy/Dockerfile builds on, where no image registry can be reached:
# a minimal Debian 12 from the host's own package mirror, imported under the name that the registry
# would give it. Needs mmdebstrap (a Debian package; root or user namespaces) and a Docker engine.
#
#   deploy/testing/base-image.sh [--again] [TAG [PACKAGE …]]
#
# TAG is debian:bookworm-slim unless given; the PACKAGEs are put in as well. An image that is there
# is kept, unless --again is given.
set -euo pipefail
again=
[ "${1:-}" != --again ] || { again=yes; shift; }
tag=${1:-debian:bookworm-slim}
[ $# = 0 ] || shift
say() { printf 'base-image: %s\n' "$*" >&2; }
fail() { say "$*"; exit 1; }

for program in docker mmdebstrap; do
    command -v "$program" >/dev/null || fail "$program is not installed; on Debian: apt-get install $program"
done
docker version --format '{{.Server.Version}}' >/dev/null || fail 'the Docker engine does not answer'
if [ -z "$again" ] && docker image inspect "$tag" >/dev/null 2>&1; then
    say "$tag is there; --again makes it anew"
    exit 0
fi

# The host's own sources of this release; a host of another release or kind takes Debian's.
sources=$(apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' \
    'Created-By: Packages' 'Origin: Debian' 2>/dev/null | grep -E '^deb [^ ]+ bookworm[^ ]* ' || true)
grep -q ' bookworm main' <<<"$sources" || sources='deb http://deb.debian.org/debian bookworm main
deb http://deb.debian.org/debian bookworm-updates main
deb http://deb.debian.org/debian-security bookworm-security main'

# A host that reaches its mirror through a proxy, or whose mirror is an old copy, says so to its apt;
# a build in the image needs the same.
options=()
while IFS= read -r option; do
    options+=(--aptopt="$option")
done < <(apt-config dump 2>/dev/null | grep -E '^Acquire::(Check-Valid-Until|Check-Date|https?::Proxy) ' || true)

include=()
[ $# = 0 ] || include=(--include="$(IFS=,; printf '%s' "$*")")

tree=$(mktemp --suffix=.tar)
trap 'rm -f "$tree"' EXIT
say "making $tag from $(awk 'NR == 1 { print $2 }' <<<"$sources")"
# To a file first, so that a failure half-way imports nothing.
printf '%s\n' "$sources" | mmdebstrap --quiet --variant=minbase --format=tar "${options[@]}" "${include[@]}" \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    bookworm "$tree" -
docker import \
    --change 'CMD ["bash"]' \
    --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
    "$tree" "$tag" >/dev/null
say "$tag is ready, $(docker image inspect --format '{{.Size}}' "$tag" | numfmt --to=si)B"
