#!/usr/bin/env bash
# Makes a stand-in for the image of Rust that `deploy/images.sh --build` compiles in, where no registry can be reached: a
# minimal Debian with a C++ compiler, and this machine's own Rust at the places of the usual image.
#   deploy/testing/rust-image.sh TAG      then: RUST_IMAGE=TAG deploy/images.sh --build
set -euo pipefail
[ $# = 1 ] || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
cd "$(dirname "$0")/../.."
tag=$1 base=groklab-test/buildpack:bookworm
deploy/testing/base-image.sh "$base" build-essential ca-certificates git pkg-config python3
toolchain=$(rustc --print sysroot)
docker=$(deploy/docker-with-buildkit.sh)
DOCKER_BUILDKIT=1 "$docker" build --quiet --network none --tag "$tag" --file - "$toolchain" >/dev/null <<END
FROM $base
COPY bin /usr/local/rustup/toolchain/bin
COPY lib /usr/local/rustup/toolchain/lib
ENV CARGO_HOME=/usr/local/cargo RUSTUP_HOME=/usr/local/rustup PATH=/usr/local/rustup/toolchain/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
RUN cargo --version && rustc --version
END
printf 'rust-image: %s is ready, %s\n' "$tag" "$(rustc --version)" >&2
