#!/usr/bin/env bash
# Builds all images, prints their sizes and refuses one that is over its budget.
#
#   deploy/images.sh [--prebuilt|--build] [--debug] [--cuda] [--tag TAG] [NAME …]
#
# NAME is one of coordinator, grokctl, worker-verify, worker-cpu, worker-cuda; without one all but worker-cuda, whose
# libraries are another 1.8 GB to fetch, unless --cuda is given.
#   --build      compile inside an image of Rust (RUST_IMAGE); the default
#   --prebuilt   compile here, for machines that cannot fetch that image; wants Debian 12's glibc (2.36) or an older one
#   --debug      with --prebuilt: debug binaries, to try things out; no budget
#   --tag TAG    another tag than the version in Cargo.toml
# Behind a proxy with a certificate authority of its own: CA_FILE=/etc/ssl/certs/ca-certificates.crt, and BUILD_NETWORK=host
# where only the host's network reaches it. Neither leaves a trace in an image.
set -euo pipefail
cd "$(dirname "$0")/.."
say() { printf 'images: %s\n' "$*"; }

binaries=build profile=dist cuda=
tag=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' Cargo.toml)
names=()
while [ $# -gt 0 ]; do
    case $1 in
    --build) binaries=build ;;
    --prebuilt) binaries=prebuilt ;;
    --debug) profile=dev ;;
    --cuda) cuda=yes ;;
    --tag) tag=${2:?--tag wants a tag}; shift ;;
    coordinator | grokctl | worker-verify | worker-cpu | worker-cuda) names+=("$1") ;;
    *) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    esac
    shift
done
if [ ${#names[@]} = 0 ]; then
    names=(coordinator grokctl worker-verify worker-cpu)
    [ -z "$cuda" ] || names+=(worker-cuda)
fi

# In millions of bytes, as `docker images` counts. Over it something has slipped in.
declare -A budget=([coordinator]=200 [grokctl]=180 [worker-verify]=250 [worker-cpu]=800 [worker-cuda]=4600)

machine=$(uname -m)
[ "$machine" = x86_64 ] || { say "Groklab's sandbox and libtorch are for x86-64 alone; this is $machine"; exit 1; }

docker=$(deploy/docker-with-buildkit.sh)
"$docker" version --format '{{.Server.Version}}' >/dev/null || { say "the Docker engine does not answer"; exit 1; }

# Debug binaries never lie where those that are shipped do.
dist=dist/binaries
[ "$profile" = dist ] || dist=dist-debug/binaries
if [ "$binaries" = prebuilt ]; then
    GROKLAB_PROFILE=$profile deploy/binaries.sh .groklab/site "$dist"
fi

options=(--file deploy/Dockerfile --network "${BUILD_NETWORK:-default}"
    --build-arg "BINARIES=$binaries" --build-arg "DIST=$dist" --build-arg "VERSION=$tag"
    --build-arg "REVISION=$(git rev-parse HEAD 2>/dev/null || echo unknown)")
[ -z "${DEBIAN_IMAGE:-}" ] || options+=(--build-arg "DEBIAN_IMAGE=$DEBIAN_IMAGE")
[ -z "${RUST_IMAGE:-}" ] || options+=(--build-arg "RUST_IMAGE=$RUST_IMAGE")
[ -z "${CA_FILE:-}" ] || options+=(--secret "id=ca,src=$CA_FILE")

status=0
for name in "${names[@]}"; do
    image=${GROKLAB_IMAGES:-groklab}/$name:$tag
    DOCKER_BUILDKIT=1 "$docker" build "${options[@]}" --target "$name" --tag "$image" .
    size=$(("$("$docker" image inspect --format '{{.Size}}' "$image")" / 1000000))
    if [ "$profile" = dist ] && [ "$size" -gt "${budget[$name]}" ]; then
        say "$image is $size MB: its budget is ${budget[$name]} MB"
        status=1
    else
        say "$image $size MB"
    fi
done
exit $status
