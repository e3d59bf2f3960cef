#!/usr/bin/env bash
# What the quickstart's model makes of every family, for docs/families.md: about 25 minutes on an idle machine.
#   bench/families.sh [RULES]     rules of each family, 3 by default
set -euo pipefail
cd "$(dirname "$0")/.."
model=$PWD/.groklab/models/smollm2-135m-instruct.gguf bin=${CARGO_TARGET_DIR:-target}/debug
[ -e "$model" ] && [ -x "$bin/grokctl" ] || { echo 'families: run `make build` first' >&2; exit 1; }
families=(crates/problems/src/families/*/)
families=("${families[@]%/}")
families=("${families[@]##*/}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/families.toml" <<END
name = "families"
seed = 1
[model]
source = "$model"
[problems]
families = [$(printf '"%s", ' "${families[@]}")]
difficulty = [1, 4]
[generate]
max_new_tokens = 128
END
"$bin/grokctl" --data "$work/data" pilot --local "$work/families.toml" --rules $((${#families[@]} * ${1:-3})) \
    --out crates/problems/tests/smollm2-135m.json --force
echo 'families: now `GROKLAB_STORE=1 cargo test -p groklab-problems` writes docs/families.md'
