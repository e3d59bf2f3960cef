#!/usr/bin/env bash
# Makes every image that the tests of containers need, of binaries that this machine builds: Groklab's with the tag `test`,
# and a stand-in for Postgres. Builds on the host's network and with the host's certificate authorities.
#   deploy/testing/images.sh          debug binaries, which the other tests have built already
#   deploy/testing/images.sh --dist   as they are shipped
set -euo pipefail
cd "$(dirname "$0")/../.."
debug=--debug
[ "${1:-}" != --dist ] || debug=
# Under a name of its own: nobody else's builds are to take it for the registry's.
export DEBIAN_IMAGE=groklab-test/debian:bookworm
deploy/testing/base-image.sh "$DEBIAN_IMAGE"
export BUILD_NETWORK=host CA_FILE=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}
deploy/images.sh --prebuilt $debug --tag test
docker=$(deploy/docker-with-buildkit.sh)
DOCKER_BUILDKIT=1 "$docker" build --quiet --network host --build-arg "DEBIAN_IMAGE=$DEBIAN_IMAGE" --file deploy/testing/postgres/Dockerfile --tag groklab-testing/postgres:15 . >/dev/null
