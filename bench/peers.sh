#!/usr/bin/env bash
# Generation and training beside transformers and peft on this machine: the quickstart's model, the same inputs and threads, by turns, and
# the ratio of the medians. Wants an idle machine and about half an hour with three runs of each; sets up a Python environment of 5 GB the first time.
#   bench/peers.sh [--runs N] [greedy|sampled|train …]
# PEERS names another Python that has what tests/interop/requirements.txt lists.
set -euo pipefail
cd "$(dirname "$0")/.."
runs=3 workloads=()
while [ $# -gt 0 ]; do
    case $1 in
    --runs) runs=${2:?--runs wants a number}; shift ;;
    greedy | sampled | train) workloads+=("$1") ;;
    *) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
    esac
    shift
done
[ ${#workloads[@]} -gt 0 ] || workloads=(greedy sampled train)
model=.groklab/models/smollm2-135m-instruct.gguf folder=.groklab/peers/model bin=${CARGO_TARGET_DIR:-target}/debug
[ -e "$model" ] && [ -x "$bin/worker-gen" ] || { echo 'peers: run `make build` first' >&2; exit 1; }
python=${PEERS:-.groklab/peers/venv/bin/python}
if [ ! -x "$python" ]; then
    echo 'peers: installing torch, transformers and peft' >&2
    python3 -m venv .groklab/peers/venv
    "$python" -m pip install --quiet --disable-pip-version-check -r tests/interop/requirements.txt
fi
[ -e "$folder/config.json" ] || "$python" tests/interop/as_folder.py "$model" "$folder"
for workload in "${workloads[@]}"; do
    "$python" tests/interop/compare_speed.py "$workload" --gguf "$model" --model "$folder" --bin "$bin" --runs "$runs"
done
