#!/usr/bin/env bash
# Runs every fuzz target (a test in a file `tests/fuzz.rs`) for the given number of seconds, guided by coverage.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
command -v cargo-bolero >/dev/null || { echo "fuzz: cargo-bolero is not installed: cargo install cargo-bolero" >&2; exit 1; }
for file in $(git ls-files '*/tests/fuzz.rs'); do
    package=$(sed -n 's/^name = "\(.*\)"/\1/p' "${file%/tests/fuzz.rs}/Cargo.toml" | head -1)
    for target in $(sed -n 's/^fn \(any_[a-z_]*\)().*/\1/p' "$file"); do
        echo "fuzz: $package $target, $seconds s"
        cargo bolero test "$target" --package "$package" --engine libfuzzer --sanitizer NONE --time "${seconds}s"
    done
done
