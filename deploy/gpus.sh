#!/bin/sh
# Writes compose.gpus.yaml: a generation worker for each of several cards, and training on one of them.
#
#   deploy/gpus.sh [--train CARD] [--worker] N               cards 0 to N-1
#   deploy/gpus.sh [--train CARD] [--worker] CARD[,CARD …]   these, by number or UUID as `nvidia-smi -L` has them
#
#   --train CARD   where training runs; by default the last. It takes turns there with the card's generation worker;
#                  a card that is not among the others it has for itself.
#   --worker       for compose.worker.yaml, a further box; by itself where COMPOSE_FILE names that file
#
# One number alone is how many; `gpus.sh 2,` is card 2. After an upgrade of this folder call it again.
set -euf
fail() { echo "gpus: $*" >&2; exit 1; }
wrong() { echo "gpus: $*; deploy/gpus.sh --help says more" >&2; exit 2; }
help() { sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//p}' "$0"; }

cards='' train='' base=''
words=$*
while [ $# -gt 0 ]; do
    case $1 in
    --help | -h) help; exit 0 ;;
    --worker) base=compose.worker.yaml ;;
    --train) [ $# -gt 1 ] || wrong "--train wants a card"; train=$2; shift ;;
    --train=*) train=${1#*=} ;;
    -*) wrong "there is no flag \`$1\`" ;;
    *) [ -z "$cards" ] || wrong "\`$1\` is one too many: cards are given as one word, like 0,1"; cards=$1 ;;
    esac
    shift
done
[ -n "$cards" ] || { help >&2; exit 2; }

cd "$(dirname "$(readlink -f "$0")")"
. ./settings.sh
[ ! -f .env.local ] || read_settings .env.local
read_settings .env
case :$COMPOSE_FILE: in *:compose.worker.yaml:*) base=compose.worker.yaml ;; esac
base=${base:-compose.yaml}
out=compose.gpus.yaml
mark='# Written by deploy/gpus.sh'

# ---- which cards
case $cards in
*[!0-9]*) list=$(echo "${cards%,}" | tr , ' ') ;;
0*) wrong "\`$cards\` is no number of cards" ;;
*)
    [ "${#cards}" -le 2 ] && [ "$cards" -le 64 ] || wrong "$cards cards are more than a machine has (64)"
    list='' number=0
    while [ "$number" -lt "$cards" ]; do list="${list:+$list }$number" number=$((number + 1)); done
    ;;
esac
case ,${cards%,}, in *,,*) wrong "\`$cards\` has a card without a name" ;; esac

kind=''
check_card() {
    case $1 in
    GPU-* | MIG-*)
        case $1 in *[!A-Za-z0-9/-]*) wrong "\`$1\` is no UUID of a card" ;; esac
        found=UUID
        ;;
    0 | [1-9] | [1-9][0-9]) found=number ;;
    *) wrong "\`$1\` is no card: give its number, or its UUID (GPU-… or MIG-…)" ;;
    esac
    [ "$found" = "${kind:-$found}" ] || wrong "give all cards by number or all by UUID: \`$1\` is a $found, the first a $kind"
    kind=$found
}
count=0 last=''
for card in $list; do
    check_card "$card"
    case " $last " in *" $card "*) wrong "card \`$card\` is named twice" ;; esac
    last="$last $card" count=$((count + 1))
done
train=${train:-${list##* }}
check_card "$train"

if command -v nvidia-smi >/dev/null 2>&1; then
    here=$(nvidia-smi -L 2>&1) || fail "nvidia-smi -L fails: $here"
    if [ "$kind" = UUID ]; then
        here=$(printf '%s\n' "$here" | sed -n 's/.*(UUID: *\([^)]*\)).*/\1/p')
    else
        here=$(printf '%s\n' "$here" | sed -n 's/^GPU \([0-9]*\):.*/\1/p')
    fi
    for card in $list $train; do
        printf '%s\n' "$here" | grep -qxF -- "$card" ||
            fail "card \`$card\` is not in this machine; nvidia-smi -L lists: $(printf '%s' "$here" | tr '\n' ' ')"
    done
else
    echo "gpus: nvidia-smi is not here, so nobody has looked whether these cards are" >&2
fi

# ---- the file
if [ -e "$out" ] && ! head -1 "$out" | grep -q "^$mark"; then
    fail "$out is not by this script: move it away first"
fi

# Compose 1.29 cannot extend a service that depends on others, so what worker-gen is in the base is copied: the anchors,
# and the service without its image, which is another here, and its environment, to which a line is added. In its networks
# it is called worker-gen too, by which name Prometheus finds it.
body() {
    awk '
        /^[^ #]/ { section = $1; service = "" }
        /^ *(#|$)/ { next }
        section ~ /^x-/ { print; next }
        section == "services:" && /^  [^ ]/ { service = $1; key = ""; next }
        service != "worker-gen:" { next }
        /^    [^ ]/ { key = $1 }
        key == "image:" || key == "build:" { next }
        key == "networks:" { networks = networks $0; next }
        key == "environment:" && /^    environment: \*/ { environment = "  <<: " $2 "\n"; next }
        key == "environment:" { if (!/^    [^ ]/) environment = environment substr($0, 5) "\n"; next }
        { copy = copy substr($0, 3) "\n"; if (/^    volumes:/) copy = copy "    - card:/run/groklab\n" }
        END {
            if (copy !~ /volumes:/ || environment == "") exit 1
            gsub(/networks:|[][,]|  *- /, " ", networks)
            count = split(networks == "" ? "default" : networks, network, " ")
            copy = copy "  networks:\n"
            for (i = 1; i <= count; i++) copy = copy "    " network[i] ": {aliases: [worker-gen]}\n"
            printf "\nx-gen-environment: &gen-environment\n%s\nx-gen: &gen\n  image: *cuda\n%s", environment, copy
        }
    ' "$base"
}
lock() { echo "/run/groklab/$1.lock"; }
devices() { echo "{resources: {reservations: {devices: [{driver: nvidia, device_ids: [\"$1\"], capabilities: [gpu]}]}}}"; }
# The first is the base's own service.
name() {
    if [ "$1" = "${list%% *}" ]; then echo worker-gen
    elif [ "$kind" = number ]; then echo "worker-gen-$1"
    else echo "worker-gen-$2"
    fi
}

write() {
    cat <<YAML
$mark $words
# To change it, call that again. COMPOSE_FILE=$base:$out: a generation worker for each card, training on
# card $train; who shares a card takes turns on it, by a file that both see.

x-cuda: &cuda \${GROKLAB_IMAGES:-groklab}/worker-cuda:\${GROKLAB_TAG:-0.1.0}

YAML
    body
    cat <<YAML

services:
  worker-train:
    image: *cuda
    environment:
      GROKLAB_DEVICE_LOCK: $(lock "$train")
    volumes:
      - card:/run/groklab
    deploy: $(devices "$train")

  worker-gen:
    image: *cuda
    build:
      context: ..
      dockerfile: deploy/Dockerfile
      target: worker-cuda
      network: \${BUILD_NETWORK:-default}
    environment:
      GROKLAB_DEVICE_LOCK: $(lock "${list%% *}")
    volumes:
      - card:/run/groklab
    deploy: $(devices "${list%% *}")
YAML
    position=0
    for card in $list; do
        if [ "$position" -gt 0 ]; then
            cat <<YAML

  $(name "$card" "$position"):
    <<: *gen
    environment: {<<: *gen-environment, GROKLAB_DEVICE_LOCK: $(lock "$card")}
    deploy: $(devices "$card")
YAML
        fi
        position=$((position + 1))
    done
    printf '\nvolumes:\n  card: {}\n'
}
trap 'rm -f "$out.new"' EXIT
write > "$out.new" || fail "$base has no worker-gen that can be copied"
mv "$out.new" "$out"

# ---- what to do with it
position=0
for card in $list; do
    echo "gpus: card $card: $(name "$card" "$position")$([ "$card" != "$train" ] || echo ' and worker-train, in turns')"
    position=$((position + 1))
done
case " $list " in *" $train "*) ;; *) echo "gpus: card $train: worker-train" ;; esac
files=$(echo "$COMPOSE_FILE" | tr : '\n' | grep -vxE 'compose(\.worker|\.gpu|\.gpu-split|\.gpus)?\.yaml' | tr '\n' :)
files=$base:$out${files:+:${files%:}}
if [ "$files" = "$COMPOSE_FILE" ]; then
    echo "gpus: $out is written; COMPOSE_FILE names it already"
else
    echo "gpus: $out is written; in .env.local:"
    echo "COMPOSE_FILE=$files"
fi
echo "gpus: then ./compose up -d --remove-orphans, which also ends the workers of cards no longer named"
