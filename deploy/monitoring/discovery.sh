#!/usr/bin/env bash
# Whether compose.monitoring.yaml's Prometheus finds every container by its service's name, scaled ones too, and is reachable from this machine:
#
#   discovery.sh FOLDER        (docker, docker-compose or the Compose plugin; $COMPOSE names one of several)
#
# PROMETHEUS_IMAGE may be a stand-in with `prometheus` and `wget`. Any image that serves /metrics stands for Groklab's services: Prometheus itself.
# Everything is made in a project of its own, and removed.
set -euo pipefail
[ $# = 1 ] || { sed -n '4p' "$0" >&2; exit 64; }
mkdir -p "$1"
work=$(realpath "$1")
deploy=$(realpath "$(dirname "$0")/..")
compose=${COMPOSE:-docker compose}
export PROMETHEUS_IMAGE=${PROMETHEUS_IMAGE:-prom/prometheus:v3.5.0} PROMETHEUS_PUBLISH=127.0.0.1:${PORT:-19091}
project=groklab-discovery

cat >"$work/prometheus.yml" <<'YAML'
global: {scrape_interval: 15s}
YAML
cat >"$work/compose.yaml" <<YAML
x-service: &service
  image: $PROMETHEUS_IMAGE
  command: [--config.file=/prometheus.yml, --storage.tsdb.path=/tmp/data]
  volumes: ["$work/prometheus.yml:/prometheus.yml:ro"]
  networks: [control]
services:
  coordinator: *service
  worker-verify: *service
  worker-gen: *service
  worker-train: *service
networks:
  control: {internal: true}
YAML
# Compose looks for an override's files beside the first file.
ln -sfn "$deploy/monitoring" "$work/monitoring"

in_project() { $compose --project-name "$project" --file "$work/compose.yaml" --file "$deploy/compose.monitoring.yaml" "$@"; }
stop() { in_project down --volumes --timeout 5 >/dev/null 2>&1 || true; }
trap stop EXIT
stop

ask() { curl --silent --fail "http://$PROMETHEUS_PUBLISH/api/v1/query" --data-urlencode "query=$1" | jq -r "$2"; }

# How many containers of a service are scraped, within a minute.
expect() {
    local component=$1 wanted=$2 found=
    for _ in $(seq 60); do
        found=$(ask "sum(up{job=\"groklab\", component=\"$component\"})" '.data.result[0].value[1]' 2>/dev/null) || true
        if [ "$found" = "$wanted" ]; then
            echo "$component: $wanted scraped"
            return
        fi
        sleep 1
    done
    echo "FAILED: $component: ${found:-none} scraped, not $wanted" >&2
    exit 1
}

in_project up --detach --scale worker-verify=3 prometheus coordinator worker-verify worker-gen worker-train >/dev/null 2>&1
for component in coordinator worker-gen worker-train; do expect "$component" 1; done
expect worker-verify 3
in_project up --detach --scale worker-verify=5 prometheus coordinator worker-verify worker-gen worker-train >/dev/null 2>&1
expect worker-verify 5
rules=$(curl --silent --fail "http://$PROMETHEUS_PUBLISH/api/v1/rules" | jq '[.data.groups[].rules[]] | length')
[ "$rules" = "$(grep -c '  - alert:' "$deploy/monitoring/rules.yml")" ] || { echo "FAILED: $rules rules are loaded" >&2; exit 1; }
echo "$rules rules are loaded; reachable at $PROMETHEUS_PUBLISH"
