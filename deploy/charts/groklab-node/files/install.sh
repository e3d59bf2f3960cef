#!/bin/sh
# Puts the profiles on this node and stays, so that a new node or a changed profile is seen to. Root, but not privileged.
#
# /profiles  what is to be installed      /seccomp  the kubelet's folder of profiles
# /node      the node's root, read-only, where there is a profile for AppArmor to load
set -eu

say() { echo "groklab-node: $*"; }

install_seccomp() {
    mkdir -p /seccomp/groklab
    # All at once: a pod may start at this moment.
    cp /profiles/worker-verify.json /seccomp/groklab/.new
    chmod 644 /seccomp/groklab/.new
    mv /seccomp/groklab/.new /seccomp/groklab/worker-verify.json
    say "seccomp: groklab/worker-verify.json is in place"
}

load_apparmor() {
    enabled=/node/sys/module/apparmor/parameters/enabled
    if [ ! -r "$enabled" ] || [ "$(cat "$enabled")" != Y ]; then
        say "AppArmor: this node has none; give the chart groklab sandbox.appArmorProfile=\"\" for its workers"
        return
    fi
    # The parser and the abstractions are the node's: they fit its kernel.
    if ! chroot /node /bin/sh -c 'command -v apparmor_parser' >/dev/null; then
        say "AppArmor: this node has it, but no apparmor_parser to load a profile with: install the node's package apparmor" >&2
        exit 1
    fi
    chroot /node /bin/sh -c 'exec apparmor_parser --replace --skip-cache' </profiles/groklab-verify
    say "AppArmor: groklab-verify is loaded"
}

install_seccomp
[ "$APPARMOR" = no ] || load_apparmor
touch /run/groklab/installed

# A pod is started again with its node, and by `helm upgrade` with a changed profile: there is nothing to watch.
trap 'exit 0' TERM INT
while :; do
    sleep 86400 &
    wait $!
done
