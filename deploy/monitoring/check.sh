#!/usr/bin/env bash
# Checks what Prometheus and Grafana read: syntax, the alerts' unit tests, and that every metric named here is declared in a metrics.rs.
# Needs promtool (Debian: prometheus) and jq; changes nothing. live.sh asks real processes.
set -euo pipefail
cd "$(dirname "$0")"
root=../..
failed=0

say() { printf '%s\n' "$*"; }
fail() { printf 'FAILED: %s\n' "$*" >&2; failed=1; }
for tool in promtool jq; do
    command -v "$tool" >/dev/null || { echo "no $tool: apt-get install prometheus jq" >&2; exit 1; }
done

if promtool check config --lint=all prometheus.yml >/dev/null; then
    say "configuration and rules: understood"
else
    fail "promtool check config"
fi
if promtool test rules rules_test.yml; then
    say "unit tests of $(grep -c '  - alert:' rules.yml) alerts: passed"
fi || failed=1

# An alert that no test lets fire could say anything.
while read -r alert; do
    fires=$(grep -cE "alertname=\"$alert\", alertstate=\"firing\"|alertname: $alert\$" rules_test.yml) || true
    [ "$fires" -gt 0 ] || fail "no unit test lets $alert fire"
    grep -qF "| \`$alert\` |" "$root/docs/monitoring.md" || fail "docs/monitoring.md does not explain $alert"
done < <(sed -n 's/^ *- alert: //p' rules.yml)

declared=$(grep -rhoE '"(groklab|process)_[a-z_]+"' --include=metrics.rs "$root"/coordinator "$root"/crates "$root"/worker-* | tr -d '"' | sort -u)
used=$(grep -hoE '\b(groklab|process)_[a-z_]+' rules.yml grafana/groklab.json event-only.tsv |
    grep -vxE 'groklab_' | sed -E 's/_(bucket|sum|count)$//' | sort -u)
unknown=$(comm -13 <(echo "$declared") <(echo "$used"))
if [ -z "$unknown" ]; then
    say "$(echo "$used" | wc -l) metrics are used here, all declared; declared and not used: $(comm -23 <(echo "$declared") <(echo "$used") | tr '\n' ' ')"
else
    fail "metrics that no process has: $unknown"
fi

dashboard=grafana/groklab.json
ids=$(jq '[.panels[].id] | length == (unique | length)' "$dashboard")
[ "$ids" = true ] || fail "$dashboard: two panels have the same id"
[ "$(jq '[.panels[] | select(.type != "row") | .datasource.uid] | unique == ["${datasource}"]' "$dashboard")" = true ] ||
    fail "$dashboard: a panel does not use the datasource that is chosen above"
[ "$(jq '[.panels[] | select(.gridPos.x + .gridPos.w > 24)] | length' "$dashboard")" = 0 ] || fail "$dashboard: a panel is beyond the edge"
[ "$(jq -r '[.panels[].targets[]?.expr | select(contains("namespace=~\"$namespace\"") | not)] | length' "$dashboard")" = 0 ] ||
    fail "$dashboard: an expression does not heed the namespace that is chosen above"
say "dashboard: $(jq '[.panels[] | select(.type != "row")] | length' "$dashboard") panels, $(jq '[.panels[].targets[]?] | length' "$dashboard") expressions"

[ "$failed" = 0 ] && say "monitoring: all checks passed"
exit "$failed"
