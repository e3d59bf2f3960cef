#!/usr/bin/env bash
# Tests check.sh, gpus.sh, compose, backup.sh, restore.sh, s3-keys.sh and the settings they share, in a copy of deploy/ with
# stand-ins for Docker, Compose, nvidia-smi, df and tar: no engine is asked. What gpus.sh writes is given to whatever real
# Compose is here (1.29, 2), and the scripts to shellcheck where that is (apt-get install shellcheck, or SHELLCHECK=PATH).
#   deploy/testing/scripts.sh
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0
say() { printf 'scripts: %s\n' "$*"; }
fail() { printf 'FAILED: %s\n' "$*" >&2; failed=1; }

deploy=$work/deploy
mkdir "$deploy" "$work/bin" "$work/machine"
cp -r ./* .env "$deploy/"
rm -f "$deploy/compose.gpus.yaml" "$deploy/worker.env"
# Of this machine's own tools the scripts see these alone.
mkdir "$work/tools"
for tool in awk cat cut date dirname du env find getent grep head id mkdir mktemp mv readlink rm sed sh sort stat \
    tail timeout tr true uname wc; do
    ln -s "$(type -P "$tool")" "$work/tools/$tool"
done
path=$work/bin:$work/tools

# ---- stand-ins: what they answer is in the environment
cat > "$work/bin/docker" <<'STUB'
#!/bin/sh
case "$*" in
'compose '*) exit 1 ;;
version*) [ -n "$ENGINE" ] || { echo "${ENGINE_ERROR:-Cannot connect to the Docker daemon at unix:///var/run/docker.sock}" >&2; exit 1; }; echo "$ENGINE" ;;
context*) echo unix:///var/run/docker.sock ;;
*CgroupVersion*) echo "${CGROUPS-2}" ;;
*SecurityOptions*) echo "[name=seccomp $SECURITY]" ;;
*NCPU*) echo "${NCPU-8}" ;;
*MemTotal*) echo "${MEMORY-17179869184}" ;;
*DockerRootDir*) echo "${ROOT_DIR-/}" ;;
*Runtimes*) echo "runc ${RUNTIMES-}" ;;
'image inspect'*) case " ${ABSENT-} " in *" $(eval "echo \${$#}") "*) exit 1 ;; esac; echo 100000000 ;;
images*) echo "${TAGS-}" ;;
'ps -a '*) printf '%s' "${SERVICES-}" ;;
'ps --quiet --filter publish='*) echo "${OURS-}" ;;
'ps --filter publish='*) echo "${OTHER-}" ;;
'ps --quiet '*service=worker-verify*) for worker in ${WORKERS-}; do echo "$worker"; done ;;
ps*) ;;
run*'--entrypoint tar '*) cat > /dev/null ;;
run*' tar '*) eval "sh -c \"\${$#}\"" ;;
inspect*.Image*) echo groklab/coordinator:0.1.0 ;;
inspect*Env*) echo "GROKLAB_ARTIFACTS=${PLACE-}" ;;
run*find*) printf '%s' "${UNREADABLE-}"; [ -z "${UNREADABLE-}" ] ;;
*) echo "docker stand-in: $*" >&2; exit 1 ;;
esac
STUB
cat > "$work/bin/fake-compose" <<'STUB'
#!/bin/sh
case "$1" in
version) [ -n "${COMPOSE-2.26.1}" ] || exit 1; echo "${COMPOSE-2.26.1}" ;;
config)
    [ -z "${CONFIG_ERROR-}" ] || { echo "$CONFIG_ERROR" >&2; exit 15; }
    echo services:
    for service in ${CONFIG-coordinator worker-verify worker-gen}; do printf '  %s:\n    image: groklab/%s:0.1.0\n' "$service" "$service"; done
    ;;
run)
    echo "$*" >> "$CALLS"
    cat > "$CALLS.stdin"
    [ -z "${RUN_ERROR-}" ] || { echo "$RUN_ERROR" >&2; exit 125; }
    printf '%s\n' "${DOCTOR-ok    cold path      20 probes held}"
    case ${DOCTOR-} in *FAIL*) exit 1 ;; esac
    ;;
exec | up) echo "$*" >> "$CALLS"; [ "$3" != postgres ] || echo database ;;
ps) echo 0123 ;;
down) echo "down $COMPOSE_PROJECT_NAME" >> "$CALLS" ;;
*) echo "compose stand-in: $*" >&2; exit 1 ;;
esac
STUB
cat > "$work/bin/nvidia-smi" <<'STUB'
#!/bin/sh
[ -n "${DRIVER-}" ] || { echo "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver." ; exit 9; }
case $1 in
-L) for card in ${CARDS-0 1}; do echo "GPU $card: NVIDIA H100 80GB HBM3 (UUID: GPU-0000000$card)"; done ;;
*) for card in ${CARDS-0 1}; do echo "$DRIVER"; done ;;
esac
STUB
cat > "$work/bin/df" <<'STUB'
#!/bin/sh
[ -e "$2" ] || exit 1
printf 'Filesystem 1024-blocks Used Available Capacity Mounted on\n/dev/x 1 1 %s 1%% /\n' "${FREE_KB-100000000}"
STUB
cat > "$work/bin/tar" <<'STUB'
#!/bin/sh
echo artifacts
exit "${TAR-0}"
STUB
chmod +x "$work"/bin/*
cp "$work/bin/nvidia-smi" "$work/nvidia-smi" && rm "$work/bin/nvidia-smi"

# A machine on which all is well: no port in use, user namespaces, no AppArmor, a folder of models.
machine() {
    rm -rf "$work/machine" "$deploy/.env.local" "$work/bin/nvidia-smi" "$deploy/compose.gpus.yaml"
    mkdir -p "$work"/machine/{proc/sys/{user,kernel},proc/net,sys/module/apparmor/parameters,sys/kernel/security/apparmor,models}
    echo 60000 > "$work/machine/proc/sys/user/max_user_namespaces"
    echo '  sl  local_address rem_address   st' > "$work/machine/proc/net/tcp"
    : > "$work/calls"
}
# check SETTING=VALUE …: what check.sh says as JSON, in $said, and its end in $code.
check() {
    code=0
    said=$(env -i PATH="$path" HOME="$HOME" GROKLAB_COMPOSE=fake-compose GROKLAB_CHECK_ROOT="$work/machine" CALLS="$work/calls" \
        GROKLAB_MODEL_FOLDER="$work/machine/models" ENGINE=28.2.1 "$@" "$deploy/check.sh" --json 2>&1) || code=$?
}
tests=0
# expect CODE NAME STATE TEXT: what the last check came to.
expect() {
    tests=$((tests + 1))
    [ "$code" = "$1" ] || { fail "$3 $2: ended with $code, not $1"; printf '%s\n' "$said" >&2; }
    grep -F "\"check\":\"$2\",\"state\":\"$3\"" <<<"$said" | grep -qF -- "$4" || { fail "$2 is not \`$3\` with \`$4\`"; printf '%s\n' "$said" >&2; }
}

test_check() {
    machine; check; expect 0 docker ok 'engine 28.2.1'
    expect 0 sandbox ok '20 probes held'
    expect 0 cgroups note compose.cgroup.yaml
    expect 0 port ok '127.0.0.1:7070 is free'
    expect 0 services ok 'not up yet'
    grep -q '^run --rm --no-deps -T worker-verify doctor$' "$work/calls" || fail "the doctor was not asked through Compose"
    grep -q '^down groklab-check-' "$work/calls" || fail "what was tried is not removed"

    check ENGINE=; expect 1 docker fix 'does not answer'
    expect 1 sandbox note 'not known'
    check ENGINE= ENGINE_ERROR='permission denied while trying to connect'; expect 1 docker fix usermod
    check ENGINE=19.3.1; expect 1 docker fix 'engine 19.3.1'
    check DOCKER_HOST=ssh://far; expect 0 kernel note 'not known: the engine is at ssh://far'
    check COMPOSE=; expect 1 compose fix Compose
    check COMPOSE=1.28.0; expect 1 compose fix '1.28.0'
    check COMPOSE=v2.39.4; expect 0 compose ok 2.39.4
    check CONFIG_ERROR='required variable GROKLAB_ARTIFACTS is missing a value: write it'; expect 1 files fix 'write it'
    check GROKLAB_ARTIFACTS=s3://b/p; expect 1 settings fix compose.s3.yaml
    expect 1 compose note 'not known'
    check GROKLAB_ARTIFACTS=s3://b/p COMPOSE_FILE=compose.yaml:compose.s3.yaml; expect 0 files ok compose.s3.yaml
    check ABSENT='groklab/coordinator:0.1.0' TAGS=test; expect 1 images fix 'GROKLAB_TAG=test'
    check ABSENT='groklab/worker-verify:0.1.0'; expect 1 sandbox note 'not known'

    check DOCTOR=$'ok    nsjail         /x\nweak  cgroups        none\nweak  memory.oom.group 1 in `/x`'
    expect 0 sandbox note '"found":"memory.oom.group 1 in `/x`"'
    [ "$(grep -c '"check":"sandbox"' <<<"$said")" = 2 ] || fail "the doctor's weak points: $said"
    check DOCTOR=$'FAIL  cold path      the profile does not permit `mount`; to fix it, give it deploy/seccomp/worker-verify.json
FAIL  warm path      the profile does not permit `mount`; to fix it, give it deploy/seccomp/worker-verify.json'
    [ "$(grep -c '"check":"sandbox"' <<<"$said")" = 1 ] || fail "two paths that fail alike: $said"
    expect 1 sandbox fix '"found":"the profile does not permit `mount`"'
    expect 1 sandbox fix 'VERIFY_SECCOMP=./seccomp/worker-verify.json'
    check RUN_ERROR='opening seccomp profile (/x) failed: no such file'; expect 1 sandbox fix 'opening seccomp profile (/x) failed'

    echo 0 > "$work/machine/proc/sys/user/max_user_namespaces"; check; expect 1 kernel fix max_user_namespaces
    rm "$work/machine/proc/sys/user/max_user_namespaces"; check; expect 0 kernel note 'not known'
    machine; echo 0 > "$work/machine/proc/sys/kernel/unprivileged_userns_clone"; check; expect 1 kernel fix unprivileged_userns_clone=1
    machine; echo Y > "$work/machine/sys/module/apparmor/parameters/enabled"
    echo 1 > "$work/machine/proc/sys/kernel/apparmor_restrict_unprivileged_userns"
    check; expect 1 apparmor fix VERIFY_APPARMOR=groklab-verify
    check VERIFY_APPARMOR=groklab-verify; expect 0 apparmor note 'not known'
    echo 'docker-default (enforce)' > "$work/machine/sys/kernel/security/apparmor/profiles"
    check VERIFY_APPARMOR=groklab-verify; expect 1 apparmor fix 'is not loaded'
    echo 'groklab-verify (enforce)' > "$work/machine/sys/kernel/security/apparmor/profiles"
    check VERIFY_APPARMOR=groklab-verify; expect 0 apparmor ok 'is loaded'

    machine; check CGROUPS=1 COMPOSE_FILE=compose.yaml:compose.cgroup.yaml; expect 1 cgroups fix 'here is version 1'
    check ENGINE=27.5.1 COMPOSE_FILE=compose.yaml:compose.cgroup.yaml; expect 1 cgroups fix 'here is engine 27.5.1'
    check SECURITY=name=rootless; expect 0 cgroups ok rootless
    check CGROUPS=; expect 0 cgroups note 'not known'
    check COMPOSE_FILE=compose.yaml:compose.cgroup.yaml; expect 0 cgroups ok 'version 2'

    check MEMORY=4294967296; expect 0 memory note '8 GB'
    check VERIFY_MEMORY=32g; expect 1 memory fix 'VERIFY_MEMORY (32g)'
    check WORKERS='1 2 3 4 5 6 7 8 9'; expect 0 memory note '18.0 GB together'
    check GEN_MEMORY=10g TRAIN_MEMORY=10g; expect 0 memory note '22.0 GB together'
    check VERIFY_MEMORY=512m; expect 0 memory note '2g leaves'
    check NCPU=1; expect 1 cpus fix VERIFY_CPUS=1
    check MEMORY=; expect 0 shares note 'not known'
    check ROOT_DIR=/nowhere; expect 0 disk note 'not known'
    check FREE_KB=4000000; expect 1 disk fix '4.1 GB free in /'

    # 7070 is 1B9E; addresses are little-endian.
    echo '   0: 0100007F:1B9E 00000000:0000 0A' >> "$work/machine/proc/net/tcp"
    check; expect 1 port fix 'GROKLAB_PUBLISH=127.0.0.1:7071'
    check OURS=0123; expect 0 port ok "this installation's"
    check OTHER=theirs; expect 1 port fix 'the container theirs'
    check GROKLAB_PUBLISH=0.0.0.0:7070; expect 1 port fix 0.0.0.0:7071
    check GROKLAB_PUBLISH=10.1.2.3:7070; expect 1 port ok 'is free'
    expect 1 port fix GROKLAB_HOSTNAMES
    check GROKLAB_PUBLISH=10.1.2.3:7070 GROKLAB_HOSTNAMES=box; expect 0 port ok 'is free'
    printf '           |-- 10.1.2.3\n              /32 host LOCAL\n' > "$work/machine/proc/net/fib_trie"
    check GROKLAB_PUBLISH=10.1.2.3:7070 GROKLAB_HOSTNAMES=box; expect 0 port ok 'is free'
    check GROKLAB_PUBLISH=10.1.2.4:7070 GROKLAB_HOSTNAMES=box; expect 1 port fix 'no address of this machine'
    check ENGINE=; expect 1 port note 'is in use'
    check COMPOSE_FILE=compose.worker.yaml; expect 1 files fix './grokctl join'
    check GROKLAB_PUBLISH=127.0.0.1; expect 1 port fix ADDRESS:PORT
    rm "$work/machine/proc/net/tcp"; check; expect 0 port note 'not known'

    machine; check GROKLAB_MODEL_FOLDER=/nowhere; expect 1 models fix 'is not there'
    check GROKLAB_MODEL_FOLDER=models; expect 1 models fix 'begins with /'
    check UNREADABLE="$work/machine/models/secret"; expect 1 models fix 'may not read'

    check SERVICES=$'coordinator Up 2 minutes (unhealthy)\ninit Exited (0) 3 minutes ago\n'; expect 1 services fix 'not well: coordinator'
    check SERVICES=$'coordinator Up 2 seconds (health: starting)\n'; expect 0 services note 'still starting: coordinator'
    check SERVICES=$'coordinator Up 2 minutes (healthy)\ninit Exited (0) 3 minutes ago\n'; expect 0 services ok '1 containers are up'
    check SERVICES=$'init Exited (2) 3 minutes ago\npostgres Created\n'; expect 1 services fix 'not well: init'
    check SERVICES=$'coordinator Exited (143) 3 minutes ago\n'; expect 0 services ok stopped

    gpu=(COMPOSE_FILE=compose.yaml:compose.gpu.yaml)
    check "${gpu[@]}"; expect 1 gpu fix 'no NVIDIA driver'
    cp "$work/nvidia-smi" "$work/bin/"
    check; expect 1 gpu fix 'nvidia-smi fails'
    check DRIVER=580.95.05 CARDS='0 1 2'; expect 0 gpu note './gpus.sh 3'
    check DRIVER=570.1 "${gpu[@]}"; expect 1 gpu fix 'driver 570.1'
    check DRIVER=580.95.05 "${gpu[@]}"; expect 1 toolkit fix nvidia-ctk
    check DRIVER=580.95.05 RUNTIMES=nvidia "${gpu[@]}"; expect 0 toolkit ok nvidia
    expect 0 cards ok worker-gen
    check DRIVER=580.95.05 RUNTIMES=nvidia ABSENT=groklab/worker-cuda:0.1.0 "${gpu[@]}"; expect 0 cards note 'not known'
    check DRIVER=580.95.05 RUNTIMES=nvidia RUN_ERROR='could not select device driver "nvidia"' "${gpu[@]}"; expect 1 cards fix 'could not select device driver'

    machine; printf '# mine\nVERIFY_CPUS=4\nHF_TOKEN=x\n' > "$deploy/.env.local"; check; expect 0 settings ok '2 of .env.local'
    echo 'VERIFY MEMORY 3g' > "$deploy/.env.local"; check; expect 1 settings fix 'is not NAME=VALUE'
    expect 1 sandbox note 'not known'
    echo 'VERIFY_CPUS="4"' > "$deploy/.env.local"; check; expect 1 settings fix quotes
    echo 'VERIFY_CPU=4' > "$deploy/.env.local"; check; expect 0 settings note 'no setting'
    echo 'AWS_SECRET_ACCESS_KEY=x' > "$deploy/.env.local"; check; expect 1 settings fix s3-keys.sh

    # As people read it.
    machine
    code=0
    text=$(env -i PATH="$path" GROKLAB_COMPOSE=fake-compose GROKLAB_CHECK_ROOT="$work/machine" CALLS="$work/calls" \
        ENGINE=19.3 CGROUPS=1 CONFIG_ERROR=wrong "$deploy/check.sh") || code=$?
    [ "$code" = 1 ] && [ "$(wc -l <<<"$text")" -le 40 ] && [ "$(wc -L <<<"$text")" -le 100 ] || fail "the text: $text"
    say "check.sh: $tests expectations"
}

# ---- gpus.sh
# gpus ARGS: what it says in $said, and its end in $code.
gpus() {
    code=0
    said=$(env -i PATH="$path" DRIVER=580.1 CARDS='0 1 2 3' ${settings:+"$settings"} "$deploy/gpus.sh" "$@" 2>&1) || code=$?
}
refused() { [ "$code" != 0 ] && grep -qF -- "$1" <<<"$said" || fail "it is to refuse with \`$1\`, and said ($code): $said"; }

# What runs beside worker-gen must be the same but for its card, and be called worker-gen in its networks.
same_but_for_the_card() {
    local service=$1 config=$2 networks=$3
    whole() { sed -n "/^  $1:\$/,/^  [^ ]/p" <<<"$config" | sed '1d;$d'; }
    # Compose writes a network without aliases as `control: {}`, `control: null`, and `default` not at all.
    part() {
        whole "$1" | sed '/^ *aliases:$/{N;d}; s/: \({}\|null\)$/:/' |
            grep -vE '\.lock|^ *- ["'"'"']?[0-9]+["'"'"']?$|^ *build:|^ *(context|dockerfile|target|network|networks|default):|^ *$' | sort
    }
    diff <(part worker-gen) <(part "$service") || fail "$service is not like worker-gen"
    local called
    called=$(whole "$service" | grep -B2 -A1 '^ *aliases:$' | tr -d ' \n')
    [ "$called" = "$networks" ] || fail "$service has the aliases $called"
}

test_gpus() {
    machine; cp "$work/nvidia-smi" "$work/bin/"
    settings=
    gpus; refused 'cards 0 to N-1'
    gpus 0; refused '`0` is no number'
    gpus 65; refused '65 cards'
    gpus 5; refused 'card `4` is not in this machine; nvidia-smi -L lists: 0 1 2 3'
    gpus 1,1; refused 'card `1` is named twice'
    gpus 0,,1; refused 'without a name'
    gpus 0,x; refused '`x` is no card'
    gpus 0,GPU-1; refused 'or all by UUID'
    gpus GPU-00000009; refused 'card `GPU-00000009` is not in this machine'
    gpus --train 7 2; refused 'card `7`'
    gpus --all 2; refused '`--all`'
    echo '# mine' > "$deploy/compose.gpus.yaml"; gpus 2; refused 'is not by this script'
    [ "$(cat "$deploy/compose.gpus.yaml")" = '# mine' ] || fail "gpus.sh has overwritten another's file"
    rm "$deploy/compose.gpus.yaml"
    settings=COMPOSE_FILE=compose.yaml:compose.gpu.yaml:compose.monitoring.yaml
    gpus 2; grep -qx 'COMPOSE_FILE=compose.yaml:compose.gpus.yaml:compose.monitoring.yaml' <<<"$said" || fail "gpus.sh: $said"
    settings=COMPOSE_FILE=compose.yaml:compose.gpus.yaml
    gpus 2; grep -q 'names it already' <<<"$said" || fail "gpus.sh: $said"
    settings=
    gpus GPU-00000001,GPU-00000003; grep -q 'GPU-00000003: worker-gen-1 and worker-train' <<<"$said" || fail "gpus.sh: $said"
    gpus --train 3 0,1; grep -q 'card 3: worker-train' <<<"$said" || fail "gpus.sh: $said"

    : > "$deploy/worker.env"
    rm "$work/bin/nvidia-smi"
    local composes=() compose base config cards networks
    docker compose version >/dev/null 2>&1 && composes+=("docker compose")
    command -v docker-compose >/dev/null && composes+=(docker-compose)
    for compose in "${composes[@]}"; do
        for base in compose.yaml compose.worker.yaml; do
            for cards in 1 2 8 0,1,3 GPU-0a,GPU-0b; do
                settings=COMPOSE_FILE=$base
                gpus "$cards"
                if ! config=$(COMPOSE_FILE=$base:compose.gpus.yaml GROKLAB_COMPOSE=$compose "$deploy/compose" config 2>&1); then
                    fail "$compose $base, cards $cards: $config"
                    continue
                fi
                networks=networks:control:aliases:-worker-genoutside:aliases:-worker-gen
                [ "$base" = compose.yaml ] || networks=networks:default:aliases:-worker-gen
                case $cards in
                8) same_but_for_the_card worker-gen-7 "$config" "$networks" ;;
                0,1,3) same_but_for_the_card worker-gen-3 "$config" "$networks" ;;
                esac
                [ "$(grep -c '^  worker-gen[^:]*:$' <<<"$config")" = "$(grep -c 'card .*worker-gen' <<<"$said")" ] || fail "$compose $base $cards: services"
            done
        done
        say "gpus.sh: valid for $compose $($compose version --short)"
    done
    [ ${#composes[@]} != 0 ] || say "gpus.sh: no Compose is here, so nothing has read what it writes"
}

test_s3_keys() {
    machine
    local input
    for input in 'nonsense' 'AWS_ACCESS_KEY_ID=a' 'aws_access_key_id=a' 'AWS_ACCESS_KEY_ID="a"' 'AWS_ACCESS_KEY_ID=$(id)' 'PATH=/x'; do
        if said=$(env -i PATH="$path" GROKLAB_COMPOSE=fake-compose CALLS="$work/calls" "$deploy/s3-keys.sh" <<<"$input" 2>&1); then
            fail "s3-keys.sh takes \`$input\`"
        fi
        [ ! -s "$work/calls" ] || fail "s3-keys.sh: \`$input\` reached Compose"
    done
    for input in '' $'export AWS_ACCESS_KEY_ID=AKIA0\nexport AWS_SECRET_ACCESS_KEY=a/b+c=\nexport AWS_SESSION_TOKEN=x==' $'AWS_SECRET_ACCESS_KEY=s\nAWS_ACCESS_KEY_ID=k'; do
        said=$(env -i PATH="$path" GROKLAB_COMPOSE=fake-compose CALLS="$work/calls" "$deploy/s3-keys.sh" <<<"$input" 2>&1) || fail "s3-keys.sh: $said"
        ! grep -q 'a/b' <<<"$said" || fail "s3-keys.sh shows a key"
        ! grep -q 'a/b' "$work/calls" || fail "s3-keys.sh has a key among the arguments"
        [ "$(cat "$work/calls.stdin")" = "${input//export /}" ] || fail "s3-keys.sh gives on other keys: $(cat "$work/calls.stdin")"
    done
    say "s3-keys.sh: what is no key is refused, what is one arrives"
}

# run SETTING=VALUE … -- SCRIPT ARGS: what it says in $said, and its end in $code.
run() {
    local settings=()
    while [ "$1" != -- ]; do settings+=("$1"); shift; done
    code=0
    said=$(env -i PATH="$path" GROKLAB_COMPOSE=fake-compose CALLS="$work/calls" "${settings[@]}" "$deploy/$2" "${@:3}" 2>&1) || code=$?
}

test_backup() {
    machine
    local tar
    for tar in 0 1 2 137; do
        run TAR=$tar -- backup.sh "$work/backup-$tar"
        case $tar:$code in
        [01]:0) [ -s "$work/backup-$tar/artifacts.tar" ] && [ -s "$work/backup-$tar/image.txt" ] || fail "backup.sh: $said" ;;
        [01]:* | *:0) fail "backup.sh, where tar ends with $tar, ends with $code: $said" ;;
        esac
    done
    run PLACE=s3://b/p -- backup.sh "$work/backup-s3"
    [ "$code:$(cat "$work/backup-s3/artifacts.txt")" = 0:s3://b/p ] || fail "backup.sh with S3: $said"
    say "backup.sh: what changes while it reads is let pass, other failures are not"
}

# With the backups of test_backup.
test_restore() {
    machine
    local s3=(GROKLAB_ARTIFACTS=s3://c/d COMPOSE_FILE=compose.yaml:compose.s3.yaml)
    run "${s3[@]}" -- restore.sh "$work/backup-0"; refused 'backup-0/artifacts.tar is for a volume, and GROKLAB_ARTIFACTS is s3://c/d'
    run -- restore.sh "$work/backup-s3"; refused 's3://b/p, and GROKLAB_ARTIFACTS is not set'
    [ ! -s "$work/calls" ] || fail "restore.sh has brought up what it refuses: $(cat "$work/calls")"
    run -- restore.sh "$work/backup-0"; [ "$code" = 0 ] || fail "restore.sh: $said"
    printf '%s\n' "${s3[@]}" > "$deploy/.env.local"
    run -- restore.sh "$work/backup-0"; refused s3://c/d
    run -- restore.sh "$work/backup-s3"; [ "$code" = 0 ] || fail "restore.sh with S3: $said"
    say "restore.sh: artifacts for another place are refused"
}

test_compose() {
    machine
    run GROKLAB_ARTIFACTS=s3://b/p -- compose version; refused compose.s3.yaml
    run GROKLAB_ARTIFACTS=s3://b/p COMPOSE_FILE=compose.yaml:compose.s3.yaml -- compose version
    [ "$code" = 0 ] || fail "compose with compose.s3.yaml: $said"
    echo GROKLAB_ARTIFACTS=s3://b/p > "$deploy/.env.local"
    run COMPOSE_FILE=compose.yaml -- compose version; refused compose.s3.yaml
    echo COMPOSE_FILE=compose.yaml:compose.s3.yaml >> "$deploy/.env.local"
    run -- compose version; [ "$code" = 0 ] || fail "compose with compose.s3.yaml: $said"
    run GROKLAB_ARTIFACTS= COMPOSE_FILE=compose.yaml -- compose version; [ "$code" = 0 ] || fail "compose without S3: $said"
    say "compose: a place in S3 that is not passed on is refused"
}

test_check
test_gpus
test_compose
test_backup
test_restore
test_s3_keys

shellcheck=${SHELLCHECK:-shellcheck}
if command -v "$shellcheck" >/dev/null; then
    "$shellcheck" -x check.sh compose settings.sh gpus.sh s3-keys.sh backup.sh restore.sh grokctl init.sh || fail "shellcheck"
else
    say "no shellcheck: the scripts were not read by it"
fi
[ "$failed" = 0 ] && say "all passed"
exit "$failed"
