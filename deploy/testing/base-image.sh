#!/usr/bin/env bash
# Makes the base image that deploy/Dockerfile builds on, where no image registry can be reached:
# a minimal Debian 12 from the host's own package mirror, imported under the name that the registry
# would give it. Needs mmdebstrap (a Debian package; root or user namespaces) and a Docker engine.
#
#   deploy/testing/base-image.sh [--again] [--ubuntu] [TAG [PACKAGE …]]
#
# TAG is debian:bookworm-slim unless given; the PACKAGEs are put in as well. An image that is there
# is kept, unless --again is given. --ubuntu makes a minimal Ubuntu 24.04 from Ubuntu's archive.
set -euo pipefail
again='' ubuntu=''
[ "${1:-}" != --again ] || { again=yes; shift; }
[ "${1:-}" != --ubuntu ] || { ubuntu=yes; shift; }
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

tree=$(mktemp --suffix=.tar)
keys=$(mktemp --directory)
trap 'rm -rf "$tree" "$keys"' EXIT

options=()
if [ -n "$ubuntu" ]; then
    release=noble archive=http://archive.ubuntu.com/ubuntu
    # Debian has no package of the keys that Ubuntu's archive is signed with.
    package=pool/main/u/ubuntu-keyring/ubuntu-keyring_2023.11.28.1_all.deb
    digest=36de43b15853ccae0028e9a767613770c704833f82586f28eb262f0311adb8a8
    curl --silent --show-error --fail --max-time 120 --output "$keys/keys.deb" "$archive/$package" || fail "no $archive/$package"
    echo "$digest  $keys/keys.deb" | sha256sum --check --quiet || fail "$archive/$package is another one"
    dpkg-deb --extract "$keys/keys.deb" "$keys"
    # Given to the build alone; the image has them of its own.
    options+=(--keyring="$keys/usr/share/keyrings/ubuntu-archive-keyring.gpg")
    sources="deb $archive noble main universe
deb $archive noble-updates main universe
deb $archive noble-security main universe"
else
    release=bookworm
    # The host's own sources of this release; a host of another release or kind takes Debian's.
    sources=$(apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' \
        'Created-By: Packages' 'Origin: Debian' 2>/dev/null | grep -E '^deb [^ ]+ bookworm[^ ]* ' || true)
    grep -q ' bookworm main' <<<"$sources" || sources='deb http://deb.debian.org/debian bookworm main
deb http://deb.debian.org/debian bookworm-updates main
deb http://deb.debian.org/debian-security bookworm-security main'
fi

# A host that reaches its mirror through a proxy, or whose mirror is an old copy, says so to its apt;
# a build in the image needs the same.
while IFS= read -r option; do
    options+=(--aptopt="$option")
done < <(apt-config dump 2>/dev/null | grep -E '^Acquire::(Check-Valid-Until|Check-Date|https?::Proxy) ' || true)

# Ubuntu does not count it among what a minimal system has.
include=(--include=apt)
[ $# = 0 ] || include+=(--include="$(IFS=,; printf '%s' "$*")")

say "making $tag from $(grep -om1 'http[^ ]*' <<<"$sources")"
# To a file first, so that a failure half-way imports nothing.
printf '%s\n' "$sources" | mmdebstrap --quiet --variant=minbase --format=tar "${options[@]}" "${include[@]}" \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    "$release" "$tree" -
docker import \
    --change 'CMD ["bash"]' \
    --change 'ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
    "$tree" "$tag" >/dev/null
say "$tag is ready, $(docker image inspect --format '{{.Size}}' "$tag" | numfmt --to=si)B"
