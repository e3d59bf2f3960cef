#!/usr/bin/env bash
# Runs every fuzz target (a test in fuzz/) for the given number of seconds, guided by coverage.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
command -v cargo-bolero >/dev/null || { echo "fuzz: cargo-bolero is not installed: cargo install cargo-bolero" >&2; exit 1; }
for target in $(sed -n 's/^fn \(any_[a-z_]*\)().*/\1/p' fuzz/*.rs); do
    echo "fuzz: $target, $seconds s"
    cargo bolero test "$target" --package groklab-fuzz --engine libfuzzer --sanitizer NONE -T "${seconds}s"
done
