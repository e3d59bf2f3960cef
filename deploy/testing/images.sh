#!/usr/bin/env bash
# Makes every image that the tests of containers need, of binaries that this machine builds: Groklab's with the tag `test`,
# and a stand-in for Postgres. Builds on the host's network and with the host's certificate authorities.
#   deploy/testing/images.sh          debug binaries, which the other tests have built already
#   deploy/testing/images.sh --dist   as they are shipped
set -euo pipefail
cd "$(dirname "$0")/../.."
debug=--debug
[ "${1:-}" != --dist ] || debug=
deploy/testing/base-image.sh
export BUILD_NETWORK=host CA_FILE=${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}
deploy/images.sh --prebuilt $debug --tag test
docker=$(deploy/docker-with-buildkit.sh)
DOCKER_BUILDKIT=1 "$docker" build --quiet --network host --file deploy/testing/postgres/Dockerfile --tag groklab-testing/postgres:15 . >/dev/null
