#!/bin/sh
# Says whether this machine can run the installation that .env and .env.local describe, and how to mend what is wrong:
# before `./compose up -d`, or after. Changes nothing; the containers it tries things in are removed again.
#
#   deploy/check.sh [--json]
#
# A line for each check: ok, note (works, and could be better, or is not known) or fix (mend this). With --json an object
# for each: check, state, found, fix. Ends with 0 where nothing is to be mended, else with 1.
set -u
json=''
case $#:${1:-} in
0:) ;;
1:--json) json=yes ;;
1:--help | 1:-h) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0"; exit 0 ;;
*) echo "check: there is nothing but --json" >&2; exit 2 ;;
esac
cd "$(dirname "$(readlink -f "$0")")" || exit 2
. ./settings.sh
# Tests put a folder with a machine of their own here.
root=${GROKLAB_CHECK_ROOT:-}

# The user of the containers.
uid=10001
docker_min=20.10 compose_min=1.29 driver_min=580 cgroup_engine_min=28
# For models, artifacts, database and logs; and the memory that docs/deploy.md asks for, less what the machine keeps.
data_mb=5000 memory_mib=7000

fixes=0 notes=0
work=$(mktemp -d) || exit 2
trial=groklab-check-$$
tried=''
finish() {
    if [ -n "$tried" ]; then
        COMPOSE_PROJECT_NAME=$trial ./compose down --volumes --remove-orphans --timeout 1 >/dev/null 2>&1
    fi
    rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

# ---- saying it
escaped() { printf '%s' "$1" | tr '\n\t\r' '   ' | tr -d '\000-\037' | sed 's/\\/\\\\/g; s/"/\\"/g'; }

# say STATE CHECK FOUND [FIX]
say() {
    [ "$1" != fix ] || fixes=$((fixes + 1))
    [ "$1" != note ] || notes=$((notes + 1))
    if [ -n "$json" ]; then
        printf '{"check":"%s","state":"%s","found":"%s","fix":"%s"}\n' "$2" "$1" "$(escaped "$3")" "$(escaped "${4:-}")"
        return
    fi
    # 98 columns, what goes on is indented.
    printf '%s\n' "$3${4:+: $4}" | awk -v start="$(printf '%-6s%-10s' "$1" "$2")" '
        { words = words " " $0 }
        END {
            count = split(words, word, " ")
            line = start
            width = length(start)
            for (i = 1; i <= count; i++) {
                if (width + length(word[i]) > 98 && width > length(start)) {
                    sub(/ +$/, "", line)
                    print line
                    line = sprintf("%-16s", "")
                    width = 16
                }
                line = line word[i] " "
                width += length(word[i]) + 1
            }
            sub(/ +$/, "", line)
            print line
        }'
}
# What failed is never taken for right.
unknown() { say note "$1" "not known: $2"; }
one_line() { tr -s '\n\t\r ' '    ' | sed 's/^ //; s/ $//' | cut -c 1-400; }
last_line() { grep -v '^[[:space:]]*$' "$1" | tail -1 | sed 's/.* in service "[^"]*": //' | cut -c 1-400; }

# ---- finding it out
# In the foreground, where timeout knows that, so that Ctrl-C reaches what runs.
limit=''
for attempt in 'timeout --foreground' timeout; do
    if [ -z "$limit" ] && $attempt 5 true 2>/dev/null; then limit=$attempt; fi
done
# limited SECONDS COMMAND …
limited() { if [ -n "$limit" ]; then $limit "$@"; else shift; "$@"; fi; }
at_least() {
    awk -v wanted="$1" -v found="$2" 'BEGIN {
        split(wanted, w, "."); split(found, f, ".")
        for (i = 1; i <= 2; i++) if (f[i] + 0 != w[i] + 0) exit (f[i] + 0 < w[i] + 0)
    }'
}
# 2g, 512m, 1.5gb, or bytes, in MiB as Docker counts.
mebibytes() {
    awk -v text="$1" 'BEGIN {
        text = tolower(text); sub(/b$/, "", text)
        unit = substr(text, length(text))
        factor = unit == "k" ? 1024 : unit == "m" ? 1048576 : unit == "g" ? 1073741824 : unit == "t" ? 1099511627776 : 1
        printf "%d", text * factor / 1048576
    }'
}
disk_size() { awk -v mb="$1" 'BEGIN { printf "%.1f GB", mb / 1000 }'; }
memory_size() { awk -v mib="$1" 'BEGIN { printf "%.1f GB", mib / 1024 }'; }
kernel_setting() { cat "$root/proc/sys/$1" 2>/dev/null; }
in_files() { case :$COMPOSE_FILE: in *:"$1":*) return 0 ;; *) return 1 ;; esac; }
has_service() { grep -q "^  $1:\$" "$work/config" 2>/dev/null; }
has_image() { docker image inspect "$1" >/dev/null 2>&1; }
own_image() { echo "$GROKLAB_IMAGES/$1:$GROKLAB_TAG"; }
# Containers of a service of this installation.
containers() {
    docker ps --quiet --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" \
        --filter "label=com.docker.compose.service=$1" --filter label=com.docker.compose.oneoff=False 2>/dev/null
}

# ---- the checks
# Set where ./compose refuses the settings.
broken=''
check_settings() {
    if [ ! -f .env.local ]; then
        read_settings .env
        say ok settings "all as in .env; your own go into .env.local"
        return
    fi
    : > "$work/names"
    odd=''
    while IFS= read -r line || [ -n "$line" ]; do
        case $line in '' | \#*) continue ;; esac
        name=${line%%=*} value=${line#*=}
        case $name in
        *[!A-Za-z0-9_]* | [0-9]* | '' | "$line")
            say fix settings ".env.local: \`$line\` is not NAME=VALUE" "write a name, =, and the value, without blanks around ="
            broken=yes
            continue ;;
        esac
        echo "$name" >> "$work/names"
        case $value in
        \"* | \'* | *"$(printf '\r')" | *' ' | ' '*)
            odd=yes
            say fix settings "$name in .env.local: quotes, blanks and carriage returns at its edges become part of it" "write the bare value" ;;
        esac
        case $name in
        AWS_ACCESS_KEY_ID | AWS_SECRET_ACCESS_KEY | AWS_SESSION_TOKEN)
            odd=yes
            say fix settings "$name in .env.local is passed to nobody" "take it out, and give the keys by ./s3-keys.sh" ;;
        GROKLAB_COMPOSE | DOCKER_* | COMPOSE_*) ;;
        *)
            grep -qw -- "$name" .env || {
                odd=yes
                say note settings "$name in .env.local is no setting of this version" "look for the name in .env"
            } ;;
        esac
    done < .env.local
    read_settings .env.local 2>/dev/null
    read_settings .env
    [ -n "$broken$odd" ] || say ok settings "those of .env, and over them $(grep -c . "$work/names") of .env.local"
}

check_artifacts() {
    case ${GROKLAB_ARTIFACTS:+set}:$COMPOSE_FILE in :* | *compose.s3.yaml*) return ;; esac
    broken=yes
    say fix settings "GROKLAB_ARTIFACTS is set, and $COMPOSE_FILE does not pass it on" "add compose.s3.yaml (COMPOSE_FILE=$COMPOSE_FILE:compose.s3.yaml), or take it out"
}

check_machine() {
    machine=$(uname -m)
    case $machine in
    x86_64 | amd64) say ok machine "x86-64, $(uname -s) $(uname -r)" ;;
    *) say fix machine "$machine" "take an x86-64 machine: the sandbox and libtorch are for no other" ;;
    esac
}

# Sets engine to its version, and elsewhere where it is on another machine.
engine='' elsewhere=''
check_docker() {
    if ! command -v docker >/dev/null 2>&1; then
        say fix docker "not installed" "install Docker Engine $docker_min or newer, with the Compose plugin"
        return
    fi
    host=${DOCKER_HOST:-$(docker context inspect --format '{{.Endpoints.docker.Host}}' 2>/dev/null)}
    socket=${host#unix://}
    case $host in unix://* | '') ;; *) elsewhere=$host ;; esac
    if ! found=$(limited 30 docker version --format '{{.Server.Version}}' 2>"$work/err"); then
        words=$(one_line < "$work/err")
        case $words in
        *'permission denied'*)
            say fix docker "you may not call the engine ($socket)" "\`sudo usermod -aG docker $(id -un 2>/dev/null || id -u)\` and log in again, or call this as root" ;;
        *) say fix docker "the engine does not answer: ${words:-no answer within 30 s}" "\`sudo systemctl start docker\`; \`docker version\` must then name a server" ;;
        esac
        return
    fi
    engine=$found
    if ! at_least "$docker_min" "$engine"; then
        say fix docker "engine $engine" "install $docker_min or newer"
        return
    fi
    if [ -n "$elsewhere" ]; then
        say ok docker "engine $engine at $host"
        return
    fi
    group=$(stat -Lc %G "$socket" 2>/dev/null)
    members=$(getent group "$group" 2>/dev/null | cut -d: -f4 | sed 's/,/, /g')
    case $group in
    '') who='who else may call it is not known' ;;
    root) who='root alone may call it' ;;
    *) who="callers, all as good as root: root and the group $group (${members:-nobody in it})" ;;
    esac
    say ok docker "engine $engine; $who"
}

compose=''
check_compose() {
    if [ -n "$broken" ]; then unknown compose "the settings are to be mended first"; return; fi
    if ! found=$(limited 60 ./compose version --short 2>"$work/err"); then
        say fix compose "$(last_line "$work/err")" "install Docker's Compose plugin, or docker-compose $compose_min"
        return
    fi
    found=$(printf '%s\n' "$found" | tail -1)
    if at_least "$compose_min" "${found#v}"; then
        compose=${found#v}
        say ok compose "$compose"
    else
        say fix compose "$found" "install $compose_min or 2"
    fi
}

valid=''
check_files() {
    if [ -z "$compose" ]; then unknown files "Compose or the settings are to be mended first"; return; fi
    if in_files compose.worker.yaml && [ ! -e worker.env ]; then
        say fix files "$COMPOSE_FILE, and there is no worker.env" "\`./grokctl join > worker.env\` on the first box, and copy that file to here"
        return
    fi
    if ! limited 60 ./compose config > "$work/config" 2>"$work/err"; then
        say fix files "$COMPOSE_FILE is refused: $(last_line "$work/err")" "mend what it names in .env.local, or COMPOSE_FILE"
        return
    fi
    valid=yes
    if in_files compose.gpus.yaml && [ -n "$(find compose.yaml compose.worker.yaml -newer compose.gpus.yaml)" ]; then
        say note files "compose.gpus.yaml is older than the files it was made from" "call $(sed -n '1s/.*by //p' compose.gpus.yaml) again"
        return
    fi
    say ok files "$COMPOSE_FILE; project $COMPOSE_PROJECT_NAME"
}

missing_mb=0
check_images() {
    [ -n "$valid" ] && [ -n "$engine" ] || { unknown images "Docker or the compose files are to be mended first"; return; }
    own='' others='' here=0 here_mb=0 wrong_tag=''
    for image in $(sed -n 's/^ *image: *//p' "$work/config" | tr -d "\"'" | sort -u); do
        if size=$(docker image inspect --format '{{.Size}}' "$image" 2>/dev/null); then
            here=$((here + 1)) here_mb=$((here_mb + size / 1000000))
            continue
        fi
        case $image in
        "$GROKLAB_IMAGES"/*)
            short=${image##*/}
            own="${own:+$own, }${short%:*}"
            case $image in
            */worker-cuda:*) missing_mb=$((missing_mb + 4600)) ;;
            */worker-cpu:*) missing_mb=$((missing_mb + 800)) ;;
            *) missing_mb=$((missing_mb + 250)) ;;
            esac
            tags=$(docker images --format '{{.Tag}}' "${image%:*}" 2>/dev/null | grep -v '<none>' | head -3 | tr '\n' ' ')
            wrong_tag=${wrong_tag:-$tags}
            ;;
        *) others="$others $image" missing_mb=$((missing_mb + 500)) ;;
        esac
    done
    if [ -n "$own" ]; then
        cuda=''
        case $own in *worker-cuda*) cuda=' --cuda' ;; esac
        say fix images "of the tag $GROKLAB_TAG are not here: $own" "\`./images.sh$cuda\` builds them, \`./compose pull\` fetches them where GROKLAB_IMAGES ($GROKLAB_IMAGES) is a registry's${wrong_tag:+, and GROKLAB_TAG=${wrong_tag%% *} names some that are here}"
    fi
    [ -z "$others" ] || say note images "not here:$others" "\`./compose up -d\` fetches that"
    [ -n "$own$others" ] || say ok images "all $here are here, $(disk_size "$here_mb")"
}

# A doctor in the service's own container: user, root, capabilities, profiles, limits and devices are as Compose gives them.
# Leaves what it said in $work/doctor, and in failure why nothing came of it.
doctor() {
    tried=yes failure='' models=$GROKLAB_MODEL_FOLDER
    # Docker would make the folder.
    [ -d "$models" ] || models=$work
    limited 180 env COMPOSE_PROJECT_NAME="$trial" GROKLAB_MODEL_FOLDER="$models" ./compose run --rm --no-deps -T "$@" \
        > "$work/doctor" 2>"$work/err" < /dev/null
    status=$?
    grep -q '^FAIL ' "$work/doctor" && return 1
    [ "$status" = 0 ] && grep -q '^ok ' "$work/doctor" && return 0
    failure=$(grep -vE '^ *(Network|Volume|Container|Creating|time=)|^[0-9]+$|^ *$' "$work/err" | tail -1 | cut -c 1-400)
    [ "$status" != 124 ] || failure='no end within 180 s'
    failure=${failure:-ended with $status without a word}
    return 1
}
# Its own words, as CAUSE; to fix it, FIX, without what the failing run said; once where two paths fail alike.
# Of control groups check_cgroups speaks.
doctor_says() {
    sed -n "/^$1 *cgroups/d; s/^$1 *//p" "$work/doctor" | sed 's/^.\{14\} //' | awk '{
        marker = "; to fix it, "
        at = index($0, marker)
        cause = at ? substr($0, 1, at - 1) : $0
        if (seen[cause]++) next
        if (!at) { print; next }
        fix = substr($0, at + length(marker))
        depth = 0
        for (i = 1; i <= length(fix); i++) {
            letter = substr(fix, i, 1)
            if (letter == "(") depth++
            if (letter == ")") depth--
            if (letter == ";" && depth == 0) break
        }
        print cause marker substr(fix, 1, i - 1)
    }'
}
# blame WORDS: the sandbox is to be mended, by the names of this installation's settings where they are known.
blame() {
    remedy=${1##*; to fix it, }
    [ "$remedy" != "$1" ] || remedy=''
    case $1 in
    *seccomp*) setting="VERIFY_SECCOMP=./seccomp/worker-verify.json in .env.local (now $VERIFY_SECCOMP)" ;;
    *[Aa]pp[Aa]rmor*) setting="VERIFY_APPARMOR=groklab-verify in .env.local once it is loaded (now $VERIFY_APPARMOR)" ;;
    *'Range of CPUs'*) setting="see \`cpus\`" ;;
    *writable-cgroups*) setting="see \`cgroups\`" ;;
    *) setting='' ;;
    esac
    say fix sandbox "${1%%; to fix it, *}" "${setting:-${remedy:-mend what it names}}${setting:+${remedy:+; in its words: $remedy}}"
}

check_sandbox() {
    if [ -z "$valid" ] || [ -z "$engine" ]; then
        unknown sandbox "Docker or the compose files are to be mended first"
        return
    fi
    if ! has_image "$(own_image worker-verify)"; then
        unknown sandbox "the image $(own_image worker-verify) is not here"
        return
    fi
    if doctor worker-verify doctor; then
        probes=$(sed -n 's/^ok *\(cold\|warm\) path *//p' "$work/doctor" | sort -u | tr '\n' ' ')
        python=$(sed -n 's/^ok *python *//p' "$work/doctor" | cut -d, -f1)
        by=$(sed -n 's/^ok *confined by *//p' "$work/doctor")
        say ok sandbox "doctor in the service's container: ${probes% }, $python, confined by $by"
        doctor_says weak > "$work/said"
        while IFS= read -r words; do
            say note sandbox "$words"
        done < "$work/said"
        return
    fi
    if [ -n "$failure" ]; then
        blame "the service's container does not start: $failure"
        return
    fi
    doctor_says FAIL > "$work/said"
    while IFS= read -r words; do blame "$words"; done < "$work/said"
}

check_kernel() {
    if [ -n "$elsewhere" ]; then unknown kernel "the engine is at $elsewhere; call this there"; return; fi
    most=$(kernel_setting user/max_user_namespaces)
    if [ "$most" = 0 ]; then
        say fix kernel "user namespaces are off: user.max_user_namespaces is 0" "\`echo user.max_user_namespaces=10000 | sudo tee /etc/sysctl.d/90-groklab.conf && sudo sysctl --system\`"
    elif [ "$(kernel_setting kernel/unprivileged_userns_clone)" = 0 ]; then
        say fix kernel "user namespaces are for root alone: kernel.unprivileged_userns_clone is 0" "\`echo kernel.unprivileged_userns_clone=1 | sudo tee /etc/sysctl.d/90-groklab.conf && sudo sysctl --system\`"
    elif [ -z "$most" ]; then
        unknown kernel "there is no /proc/sys/user/max_user_namespaces to read"
    else
        say ok kernel "user namespaces: $most"
    fi
}

check_apparmor() {
    [ -z "$elsewhere" ] || return 0
    enabled=$(cat "$root/sys/module/apparmor/parameters/enabled" 2>/dev/null)
    if [ "$enabled" != Y ]; then
        say ok apparmor "not on this machine"
        return
    fi
    load="\`sudo cp apparmor/groklab-verify /etc/apparmor.d/ && sudo apparmor_parser --replace /etc/apparmor.d/groklab-verify\`"
    profiles=$root/sys/kernel/security/apparmor/profiles
    if [ "$VERIFY_APPARMOR" = unconfined ]; then
        if [ "$(kernel_setting kernel/apparmor_restrict_unprivileged_userns)" = 1 ]; then
            say fix apparmor "it restricts user namespaces here (kernel.apparmor_restrict_unprivileged_userns is 1)" "$load, then VERIFY_APPARMOR=groklab-verify in .env.local"
        else
            say ok apparmor "does not restrict user namespaces here; VERIFY_APPARMOR=unconfined"
        fi
    elif ! loaded=$(cat "$profiles" 2>/dev/null); then
        unknown apparmor "root alone may read whether $VERIFY_APPARMOR is loaded; without it the sandbox's container does not start"
    elif printf '%s\n' "$loaded" | grep -q "^$VERIFY_APPARMOR "; then
        say ok apparmor "$VERIFY_APPARMOR is loaded"
    else
        say fix apparmor "the profile $VERIFY_APPARMOR is not loaded" "$load"
    fi
}

check_cgroups() {
    if [ -z "$engine" ]; then unknown cgroups "the engine does not answer"; return; fi
    version=$(docker info --format '{{.CgroupVersion}}' 2>/dev/null)
    rootless=$(docker info --format '{{.SecurityOptions}}' 2>/dev/null | grep -c rootless)
    case $version in 1 | 2) ;; *) unknown cgroups "the engine does not say which version"; return ;; esac
    why=''
    [ "$version" = 2 ] || why="version 1"
    at_least "$cgroup_engine_min" "$engine" || why="${why:+$why, }engine $engine"
    [ "$rootless" = 0 ] || why="${why:+$why, }rootless"
    if in_files compose.cgroup.yaml; then
        if [ -n "$why" ]; then
            say fix cgroups "compose.cgroup.yaml wants version 2, engine $cgroup_engine_min and root; here is $why" "take it out of COMPOSE_FILE"
        else
            say ok cgroups "version 2, a group for each candidate"
        fi
    elif [ -n "$why" ]; then
        say ok cgroups "candidates share VERIFY_MEMORY; groups of their own want version 2 and engine $cgroup_engine_min, here is $why"
    else
        say note cgroups "candidates share VERIFY_MEMORY" "a group for each: COMPOSE_FILE=$COMPOSE_FILE:compose.cgroup.yaml"
    fi
}

check_shares() {
    if [ -z "$engine" ]; then unknown shares "the engine does not answer"; return; fi
    cpus=$(docker info --format '{{.NCPU}}' 2>/dev/null)
    total=$(docker info --format '{{.MemTotal}}' 2>/dev/null)
    case $cpus:$total in *[!0-9:]* | :* | *: | 0:* | *:0) unknown shares "the engine does not say how many CPUs and how much memory it has"; return ;; esac
    total=$((total / 1048576))
    for name in VERIFY_CPUS GEN_CPUS TRAIN_CPUS; do
        eval "value=\$$name"
        if ! awk -v a="$value" -v b="$cpus" 'BEGIN { exit !(a + 0 <= b + 0) }'; then
            say fix cpus "$name is $value, and there are $cpus: Docker refuses that" "$name=$cpus in .env.local, or fewer"
        fi
    done
    # As many verification workers as run, or the one that will.
    workers=$(containers worker-verify | grep -c .)
    [ "$workers" -gt 0 ] || workers=1
    gens=$(grep -c '^  worker-gen[^:]*:$' "$work/config" 2>/dev/null)
    each=$(mebibytes "$VERIFY_MEMORY")
    sum=$((each * workers + $(mebibytes "$GEN_MEMORY") * ${gens:-1} + $(mebibytes "$TRAIN_MEMORY")))
    wanted=$(awk -v cpus="$VERIFY_CPUS" 'BEGIN { printf "%d", (1 + cpus / 2) * 1024 }')
    open=''
    [ "$(mebibytes "$GEN_MEMORY")" != 0 ] || open="generation"
    [ "$(mebibytes "$TRAIN_MEMORY")" != 0 ] || open="${open:+$open and }training"
    limits="limits $(memory_size "$sum")${open:+, none for $open}"
    over=''
    for name in VERIFY_MEMORY GEN_MEMORY TRAIN_MEMORY; do
        eval "value=\$$name"
        [ "$(mebibytes "$value")" -le "$total" ] || over="${over:+$over, }$name ($value)"
    done
    if [ -n "$over" ]; then
        say fix memory "$(memory_size "$total"), and more than that for one container by $over" "lower that in .env.local"
    elif [ "$sum" -gt "$total" ]; then
        say note memory "$(memory_size "$total"), and the limits are $(memory_size "$sum") together" "they are ceilings; where containers reach them, lower VERIFY_MEMORY, GEN_MEMORY or TRAIN_MEMORY, or run fewer workers"
    elif [ "$each" != 0 ] && [ "$each" -lt "$wanted" ]; then
        say note memory "VERIFY_MEMORY is $VERIFY_MEMORY for $VERIFY_CPUS CPUs" "$(awk -v cpus="$VERIFY_CPUS" 'BEGIN { print 1 + cpus / 2 }')g leaves every candidate its memory"
    elif [ "$total" -lt "$memory_mib" ]; then
        say note memory "$(memory_size "$total"); $limits" "8 GB are wanted for a small model, training included"
    else
        say ok memory "$(memory_size "$total"), $cpus CPUs; $limits"
    fi
}

check_disk() {
    [ -z "$elsewhere" ] && [ -n "$engine" ] || { unknown disk "the engine does not answer, or is on another machine"; return; }
    place=$(docker info --format '{{.DockerRootDir}}' 2>/dev/null)
    free=$(df -Pk "$place" 2>/dev/null | awk 'NR == 2 { printf "%d", $4 * 1024 / 1000000 }')
    if [ -z "$free" ]; then unknown disk "df does not see ${place:-the folder of the engine}"; return; fi
    wanted=$((data_mb + missing_mb))
    parts="wanted $(disk_size "$data_mb") for models, artifacts and database$([ "$missing_mb" = 0 ] || echo ", $(disk_size "$missing_mb") for images")"
    if [ "$free" -lt "$wanted" ]; then
        say fix disk "$(disk_size "$free") free in $place, $parts" "make room there (\`docker system df\` shows what Docker holds), or move it by \`data-root\` in /etc/docker/daemon.json"
    else
        say ok disk "$(disk_size "$free") free in $place, $parts"
    fi
}

# Whether somebody listens where Docker is to: 0 yes, 1 no, 2 not known.
taken() {
    cat "$root/proc/net/tcp" "$root/proc/net/tcp6" > "$work/tcp" 2>/dev/null
    grep -q local_address "$work/tcp" || return 2
    awk -v address="$1" -v port="$2" '
        BEGIN {
            port = sprintf("%04X", port)
            if (split(address, part, ".") == 4) wanted = sprintf("%02X%02X%02X%02X", part[4], part[3], part[2], part[1])
        }
        $4 == "0A" {
            split($2, at, ":")
            if (at[2] != port) next
            any = at[1] ~ /^0+$/ || wanted == "" || wanted == "00000000"
            if (any || at[1] == wanted || at[1] == "0000000000000000FFFF0000" wanted) found = 1
        }
        END { exit !found }' "$work/tcp"
}

# check_port SETTING SERVICE
check_port() {
    if [ -z "$valid" ] && [ "$2" = coordinator ]; then unknown port "Compose or its files are to be mended first"; fi
    has_service "$2" || return 0
    eval "value=\$$1"
    port=${value##*:} address=${value%:*}
    [ "$address" != "$value" ] || address=0.0.0.0
    case $port in '' | *[!0-9]*) say fix port "$1 is \`$value\`" "give ADDRESS:PORT, as 127.0.0.1:7070"; return ;; esac
    if [ "$port" -lt 1 ] || [ "$port" -gt 65535 ]; then say fix port "$1 is \`$value\`" "ports are 1 to 65535"; return; fi
    if [ -n "$elsewhere" ]; then unknown port "the engine is at $elsewhere"; return; fi
    if [ -n "$engine" ] && docker ps --quiet --filter "publish=$port" --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" \
        --filter "label=com.docker.compose.service=$2" 2>/dev/null | grep -q .; then
        say ok port "$value is published by this installation's $2"
        return
    fi
    case $address in
    0.0.0.0 | 127.* | *[!0-9.]*) ;;
    *)
        if [ -r "$root/proc/net/fib_trie" ] && ! awk -v wanted="$address" '$2 == wanted { at = NR } at == NR - 1 && /host LOCAL/ { found = 1 }
            END { exit !found }' "$root/proc/net/fib_trie"; then
            say fix port "$1 is $value, and $address is no address of this machine" "name one (\`hostname -I\`), or 0.0.0.0 for all"
            return
        fi ;;
    esac
    other=$(docker ps --filter "publish=$port" --format '{{.Names}}' 2>/dev/null | head -1)
    taken "$address" "$port"
    case $?:$engine in
    2:*) unknown port "/proc/net/tcp cannot be read" ;;
    1:*) say ok port "$value is free" ;;
    0:) unknown port "$value is in use, and the engine cannot be asked whether by this installation" ;;
    *) is_taken "$1" ;;
    esac
}
# Of check_port: the setting; the rest as it was found there.
is_taken() {
    free=$((port + 1))
    while taken "$address" "$free"; do free=$((free + 1)); done
    whose="another program, which \`sudo ss -ltnp 'sport = :$port'\` names"
    [ -z "$other" ] || whose="the container $other"
    say fix port "$value is taken by $whose" "end that, or $1=$address:$free in .env.local"
}

check_reach() {
    has_service coordinator || return 0
    case $GROKLAB_PUBLISH in
    127.* | localhost:* | '[::1]'*) return ;;
    esac
    [ -n "$GROKLAB_HOSTNAMES" ] || say fix port "GROKLAB_PUBLISH is $GROKLAB_PUBLISH, and the certificate is for no name that others call it by" \
        "GROKLAB_HOSTNAMES=NAME,ADDRESS of this machine in .env.local"
}

check_models() {
    folder=$GROKLAB_MODEL_FOLDER
    case $folder in /*) ;; *) say fix models "GROKLAB_MODEL_FOLDER is \`$folder\`" "give a path that begins with /"; return ;; esac
    if [ -n "$elsewhere" ]; then unknown models "the engine is at $elsewhere"; return; fi
    if [ ! -e "$folder" ]; then
        if grep -qxF "GROKLAB_MODEL_FOLDER=$folder" .env; then
            say note models "$folder is not there" "\`sudo install -d $folder\`, and put models there; those of the hub need no folder"
        else
            say fix models "GROKLAB_MODEL_FOLDER, $folder, is not there" "make it, or mend the path in .env.local"
        fi
        return
    fi
    if [ ! -d "$folder" ]; then say fix models "$folder is no folder" "name the folder that models lie in"; return; fi
    image=$(own_image worker-verify)
    if [ -z "$engine" ] || ! has_image "$image"; then
        unknown models "$folder is there; whether user $uid may read it takes the image $image"
        return
    fi
    found=$(limited 60 docker run --rm --network none --read-only --cap-drop ALL --user "$uid:$uid" --volume "$folder:$folder:ro" \
        --entrypoint find "$image" "$folder" -maxdepth 4 ! -readable -print -quit 2>"$work/err")
    status=$?
    if [ -n "$found" ]; then
        say fix models "containers (user $uid) may not read $found, or it is a link to outside of the folder" "\`sudo chmod -R a+rX $folder\`, or put the file itself there"
    elif [ "$status" != 0 ]; then
        unknown models "$(last_line "$work/err")"
    else
        say ok models "$folder, readable for the containers (user $uid)"
    fi
}

check_gpu() {
    asked='' cards=0 driver=''
    case $COMPOSE_FILE in *compose.gpu*) asked=yes ;; esac
    if command -v nvidia-smi >/dev/null 2>&1; then
        if driver=$(limited 60 nvidia-smi --query-gpu=driver_version --format=csv,noheader 2>&1); then
            cards=$(printf '%s\n' "$driver" | grep -c .)
            driver=$(printf '%s\n' "$driver" | head -1)
        else
            say fix gpu "nvidia-smi fails: $(printf '%s' "$driver" | one_line)" "install or reload NVIDIA's driver, $driver_min or newer"
            return
        fi
    elif [ -e "$root/proc/driver/nvidia/version" ]; then
        driver=$(grep -oE '[0-9]+\.[0-9]+(\.[0-9]+)?' "$root/proc/driver/nvidia/version" | head -1)
        cards=$(find "$root/proc/driver/nvidia/gpus" -mindepth 1 -maxdepth 1 2>/dev/null | grep -c .)
    fi
    if [ -z "$driver" ]; then
        if [ -n "$asked" ] && [ -z "$elsewhere" ]; then
            say fix gpu "$COMPOSE_FILE asks for a card, and there is no NVIDIA driver" "install the driver, $driver_min or newer, or take the file out of COMPOSE_FILE"
        elif [ -n "$asked" ]; then
            unknown gpu "the engine is at $elsewhere"
        else
            say ok gpu "no card, none asked for: generation and training run on CPUs"
        fi
        return
    fi
    if [ -z "$asked" ]; then
        file='compose.gpu.yaml'
        [ "$cards" -le 1 ] || file="compose.gpus.yaml, after \`./gpus.sh $cards\`"
        say note gpu "$cards card(s), driver $driver, and $COMPOSE_FILE leaves them idle" "add $file to COMPOSE_FILE"
        return
    fi
    if ! at_least "$driver_min" "$driver"; then
        say fix gpu "driver $driver" "install $driver_min or newer, as the images' CUDA 13 wants"
        return
    fi
    say ok gpu "$cards card(s), driver $driver"
    if [ "$cards" -gt 1 ] && in_files compose.gpu.yaml; then
        say note gpu "compose.gpu.yaml uses one of $cards cards" "\`./gpus.sh $cards\` writes compose.gpus.yaml, to take its place in COMPOSE_FILE"
    fi
    check_toolkit
}

check_toolkit() {
    if [ -z "$engine" ]; then unknown toolkit "the engine does not answer"; return; fi
    runtimes=$(docker info --format '{{range $name, $runtime := .Runtimes}}{{$name}} {{end}}' 2>/dev/null)
    case " $runtimes " in
    *' nvidia '*) say ok toolkit "the engine has the runtime nvidia" ;;
    *)
        if command -v nvidia-container-runtime-hook >/dev/null 2>&1; then
            say ok toolkit "nvidia-container-runtime-hook is here"
        elif [ -n "$(find "$root/etc/cdi" "$root/var/run/cdi" -name '*nvidia*' 2>/dev/null)" ]; then
            say note toolkit "CDI names the cards, and the engine has no runtime nvidia" "if containers get no card: \`sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker\`"
        else
            say fix toolkit "the NVIDIA container toolkit is not here" "install nvidia-container-toolkit, then \`sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker\`"
            return
        fi
        ;;
    esac
    if ! has_image "$(own_image worker-cuda)"; then unknown cards "the image $(own_image worker-cuda) is not here"; return; fi
    [ -n "$valid" ] || { unknown cards "the compose files are to be mended first"; return; }
    able=''
    services=$(sed -n 's/^  \(worker-gen[^:]*\):$/\1/p' "$work/config")
    for service in $services; do
        if doctor "$service" worker-gen doctor; then
            able="$able $service"
        elif [ "${failure#*could not select device driver}" != "$failure" ]; then
            # The same for every card.
            say fix cards "the engine has no driver for cards: $failure" "\`sudo nvidia-ctk runtime configure --runtime=docker && sudo systemctl restart docker\`"
            return
        elif [ -n "$failure" ]; then
            say fix cards "$service: a container like it does not start: $failure" "mend that; \`nvidia-smi -L\` lists the cards"
        else
            say fix cards "$service: $(doctor_says FAIL | one_line)" "$(doctor_says weak | one_line)"
        fi
    done
    [ -z "$able" ] || say ok cards "doctor in the container of$able: can compute"
}

check_services() {
    [ -n "$engine" ] || return 0
    if ! docker ps -a --filter "label=com.docker.compose.project=$COMPOSE_PROJECT_NAME" --filter label=com.docker.compose.oneoff=False \
        --format '{{.Label "com.docker.compose.service"}} {{.Status}}' > "$work/services" 2>"$work/err"; then
        unknown services "$(last_line "$work/err")"
        return
    fi
    [ -s "$work/services" ] || { say ok services "not up yet: ./compose up -d"; return; }
    wrong=$(grep -E '\(unhealthy\)|^[^ ]+ (Restarting|Dead|Paused)|^[^ ]+ Exited \([^)]*\)' "$work/services" | grep -v ' Exited (0)' | cut -d' ' -f1 | sort -u | tr '\n' ' ')
    starting=$(grep -E 'health: starting|^[^ ]+ Created' "$work/services" | cut -d' ' -f1 | sort -u | tr '\n' ' ')
    if ! grep -qE ' (Up|Created|Restarting)' "$work/services" && [ "${wrong% }" != init ]; then
        say ok services "stopped: ./compose up -d"
    elif [ -n "$wrong" ]; then
        say fix services "not well: ${wrong% }" "the last line of \`./compose logs --tail 5 ${wrong%% *}\` says what to mend"
    elif [ -n "$starting" ]; then
        say note services "still starting: ${starting% }"
    else
        say ok services "$(grep -c ' Up ' "$work/services") containers are up and well"
    fi
}

check_settings
check_artifacts
check_machine
check_docker
check_compose
check_files
check_images
check_kernel
check_apparmor
check_cgroups
check_sandbox
check_shares
check_disk
check_port GROKLAB_PUBLISH coordinator
check_reach
check_port PROMETHEUS_PUBLISH prometheus
check_port GRAFANA_PUBLISH grafana
check_models
check_gpu
check_services

if [ -z "$json" ]; then
    case $fixes:$notes in
    0:0) echo "check: all is well" ;;
    0:*) echo "check: nothing to mend, $notes to note" ;;
    *) echo "check: $fixes to mend" ;;
    esac
fi
[ "$fixes" = 0 ]
