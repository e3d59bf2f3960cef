#!/usr/bin/env bash
# Builds the binaries that images and archives hold, without a path of this machine in them.
#   deploy/binaries.sh SITE OUT     SITE: where libtorch's wheels are unpacked; OUT gets bin/ and licenses/
# GROKLAB_PROFILE=dev takes debug binaries, which build faster and are larger: to try images out.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# = 2 ] || { sed -n '2,4s/^# //p' "$0" >&2; exit 2; }
site=$(realpath "$1") out=$2
profile=${GROKLAB_PROFILE:-dist}
programs=(coordinator grokctl worker-gen worker-train worker-verify)
say() { printf 'binaries: %s\n' "$*"; }

[ "$(uname -m)" = x86_64 ] || { say "x86-64 alone; this is $(uname -m)"; exit 1; }
[ -e "$site/torch/lib/libtorch_cpu.so" ] || { say "there is no libtorch in $site: run \`make setup\`"; exit 1; }
[ -e "$site/nvidia/cu13/include/crt/host_config.h" ] ||
    say "without CUDA's headers: workers will not record CUDA graphs (\`make setup-gpu\` installs them)"

export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target}
if [ "$profile" = dev ]; then
    # The same as everywhere else, so that nothing is built twice.
    built=$CARGO_TARGET_DIR/debug
else
    # torch-sys links CUDA whenever it sees it: it is shown a view without.
    view=$CARGO_TARGET_DIR/dist-libtorch
    mkdir -p "$view/lib"
    ln -sfn "$site/torch/include" "$view/include"
    for lib in libtorch.so libtorch_cpu.so libc10.so libgomp.so.1; do ln -sfn "$site/torch/lib/$lib" "$view/lib/$lib"; done
    export LIBTORCH=$view
    export GROKLAB_RELOCATABLE=yes
    cargo_home=${CARGO_HOME:-$HOME/.cargo}
    export RUSTFLAGS="--remap-path-prefix=$PWD=/groklab --remap-path-prefix=$cargo_home=/cargo --remap-path-prefix=${RUSTUP_HOME:-$HOME/.rustup}=/rustup ${RUSTFLAGS:-}"
    # The texts of libtorch's assertions name its headers.
    export CXXFLAGS="-ffile-prefix-map=$CARGO_TARGET_DIR=/groklab/target -ffile-prefix-map=$PWD=/groklab ${CXXFLAGS:-}"
    built=$CARGO_TARGET_DIR/$profile
fi
"${CARGO:-cargo}" build --locked --profile "$profile" --workspace "${programs[@]/#/--bin=}"

rm -rf "$out"
mkdir -p "$out/bin" "$out/licenses"
for program in "${programs[@]}"; do
    cp "$built/$program" "$out/bin/"
    [ "$profile" != dev ] || strip --strip-debug "$out/bin/$program"
    for place in "$PWD" "${cargo_home:-}" "$CARGO_TARGET_DIR"; do
        # Within an image the sources lie where all binaries say that they do.
        case $profile:$place in dev:* | *: | *:/groklab | *:/groklab/*) continue ;; esac
        if grep -qaF "$place/" "$out/bin/$program"; then say "$program names $place: other machines have no such folder"; exit 1; fi
    done
done
# What is linked in, with the licence of each, and the texts of these licences.
"${CARGO:-cargo}" tree --locked --workspace --edges normal --prefix none --format '{p} {l}' |
    sed -e 's/ (\*)$//' -e 's, (/[^)]*),,' -e 's/ (proc-macro)//' | sed '/^$/d' | sort -u > "$out/licenses/crates.txt"
"${CARGO:-cargo}" metadata --locked --format-version 1 | deploy/crate-licenses.py "$out/licenses/crates.txt" > "$out/licenses/crates-texts.txt"
cp LICENSE NOTICE "$out/licenses/"
say "$(du -sh "$out/bin" | cut -f1) in $out/bin"
