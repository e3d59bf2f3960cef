#!/usr/bin/env python3
"""Says what is wrong with rendered manifests: `assert.py MANIFESTS.yaml VALUES.yaml`. Needs PyYAML; asks no cluster.

What is checked stands in the functions named `check_…`, each with its reason. Exceptions are made for values that ask for them by name.
"""
import json
import re
import sys
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WORKLOADS = {"Deployment", "DaemonSet", "Job", "StatefulSet"}


class Release:
    """Everything that one values file makes."""

    def __init__(self, manifests, values):
        self.objects = [item for item in yaml.safe_load_all(manifests.read_text()) if item]
        self.values = yaml.safe_load(values.read_text()) or {}
        self.faults = []

    def fault(self, item, text):
        self.faults.append(f"{item['kind']}/{item['metadata']['name']}: {text}")

    def of_kind(self, *kinds):
        return [item for item in self.objects if item["kind"] in kinds]

    def pods(self):
        """Every pod that comes to be: (its owner, metadata, spec)."""
        for item in self.objects:
            if item["kind"] in WORKLOADS:
                yield item, item["spec"]["template"]["metadata"], item["spec"]["template"]["spec"]
            elif item["kind"] == "Pod":
                yield item, item["metadata"], item["spec"]

    def value(self, path, default=None):
        found = self.values
        for key in path.split("."):
            if not isinstance(found, dict) or key not in found:
                return default
            found = found[key]
        return found

    def component(self, metadata):
        return metadata.get("labels", {}).get("app.kubernetes.io/component")

    def has(self, kind, name):
        return any(item["metadata"]["name"] == name for item in self.of_kind(kind))


def matches(selector, labels):
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return False
    for rule in selector.get("matchExpressions") or []:
        inside = labels.get(rule["key"]) in rule.get("values", [])
        if rule["operator"] == "In" and not inside or rule["operator"] == "Exists" and rule["key"] not in labels:
            return False
    return True


def check_restricted(release):
    """Pod Security "restricted", rule by rule, for every pod but those whose values give it up."""
    for item, metadata, spec in release.pods():
        if metadata["labels"].get("app.kubernetes.io/name") == "groklab-node":
            continue
        verifies = release.component(metadata) == "worker-verify"
        unconfined = verifies and release.value("sandbox.profiles") == "unconfined"
        as_root = verifies and release.value("sandbox.writableCgroups.asRoot") is True
        wrong = list(restricted(spec, unconfined, as_root))
        for text in wrong:
            release.fault(item, f"Pod Security restricted: {text}")
        if as_root and spec.get("hostUsers") is not False:
            release.fault(item, "root outside a user namespace")


def restricted(spec, unconfined, as_root):
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(field):
            yield f"{field} is set"
    volumes = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
    for volume in spec.get("volumes", []):
        if set(volume) - {"name"} - volumes:
            yield f"volume {volume['name']} is of a kind that is not permitted"
    pod = spec.get("securityContext", {})
    if not as_root and (pod.get("runAsNonRoot") is not True or pod.get("runAsUser") == 0):
        yield "may run as root"
    for container in spec["containers"] + spec.get("initContainers", []):
        own = container.get("securityContext", {})
        if own.get("privileged") or own.get("allowPrivilegeEscalation") is not False:
            yield "privileges may grow"
        capabilities = own.get("capabilities", {})
        if capabilities.get("drop") != ["ALL"]:
            yield "not all capabilities are dropped"
        if set(capabilities.get("add", [])) - ({"SETUID", "SETGID"} if as_root else {"NET_BIND_SERVICE"}):
            yield "a capability is added"
        seccomp = own.get("seccompProfile", pod.get("seccompProfile", {})).get("type")
        if seccomp not in ({"Unconfined"} if unconfined else {"RuntimeDefault", "Localhost"}):
            yield f"seccomp is {seccomp}"
        armor = own.get("appArmorProfile", {}).get("type", "RuntimeDefault")
        if armor not in ({"Unconfined"} if unconfined else {"RuntimeDefault", "Localhost"}):
            yield f"AppArmor is {armor}"
        if own.get("procMount") or any(port.get("hostPort") for port in container.get("ports", [])):
            yield "procMount or hostPort is set"
        # Beyond the standard: ours write nowhere but to their volumes.
        if own.get("readOnlyRootFilesystem") is not True:
            yield "the root file system can be written"


def check_node_chart(release):
    """The node's pods are root, and yet no more than they need."""
    for item, metadata, spec in release.pods():
        if metadata["labels"].get("app.kubernetes.io/name") != "groklab-node":
            continue
        own = spec["containers"][0]["securityContext"]
        added = set(own["capabilities"].get("add", []))
        if own.get("privileged") or spec.get("hostPID") or spec.get("hostNetwork") or not added <= {"MAC_ADMIN", "SYS_CHROOT"}:
            release.fault(item, "more privileged than it need be")
        for mount in spec["containers"][0]["volumeMounts"]:
            if mount["name"] == "node" and not mount.get("readOnly"):
                release.fault(item, "the node's root can be written")


def check_environment(release):
    """Each variable once, as a text; those of ours must be read by some source."""
    sources = ""
    for path in list(ROOT.glob("coordinator/src/**/*.rs")) + list(ROOT.glob("worker-*/src/**/*.rs")) + list(ROOT.glob("crates/*/src/**/*.rs")):
        sources += path.read_text()
    for item, _, spec in release.pods():
        for container in spec["containers"]:
            names = [variable["name"] for variable in container.get("env", [])]
            for name in sorted(set(names)):
                if names.count(name) > 1:
                    release.fault(item, f"{name} is there {names.count(name)} times")
                if name.startswith("GROKLAB_") and f'"{name}"' not in sources:
                    release.fault(item, f"no program reads {name}")
            for variable in container.get("env", []):
                if "valueFrom" not in variable and not isinstance(variable.get("value"), str):
                    release.fault(item, f"{variable['name']} is no text")


def check_own_values_count(release):
    """A variable that the user gives is the one that counts: the service's before that of all."""
    given = {variable["name"]: variable.get("value") for variable in release.value("env", [])}
    given.update({variable["name"]: variable.get("value") for variable in release.value("coordinator.env", [])})
    for item, metadata, spec in release.pods():
        if release.component(metadata) == "coordinator":
            found = {variable["name"]: variable.get("value") for variable in spec["containers"][0]["env"]}
            for name, value in given.items():
                if found.get(name) != value:
                    release.fault(item, f"{name} is {found.get(name)} and not {value}")


def check_places(release):
    """No namespace of ours, no volume that many nodes write to."""
    for item in release.objects:
        if "namespace" in item["metadata"]:
            release.fault(item, "names a namespace")
        if item["kind"] == "PersistentVolumeClaim" and item["spec"]["accessModes"] != ["ReadWriteOnce"]:
            release.fault(item, f"access modes {item['spec']['accessModes']}")
    names = [(item["kind"], item["metadata"]["name"]) for item in release.objects]
    for item in release.objects:
        if names.count((item["kind"], item["metadata"]["name"])) > 1:
            release.fault(item, "is there twice")


def existing_names(values):
    """Whatever the values say is there already."""
    for key, value in values.items() if isinstance(values, dict) else []:
        if isinstance(value, dict):
            yield from existing_names(value)
        elif key in ("existingSecret", "existingClaim", "caSecret"):
            yield value
    account = values.get("serviceAccount") if isinstance(values, dict) else None
    if isinstance(account, dict):
        yield account.get("name")


def check_references(release):
    """Whatever a pod needs is made here, or named in the values as existing."""
    existing = set(existing_names(release.values))
    made_by_others = {item["spec"]["secretName"] for item in release.of_kind("Certificate")}

    def need(item, kind, name):
        if not release.has(kind, name) and name not in existing and not (kind == "Secret" and name in made_by_others):
            release.fault(item, f"needs {kind} {name}, which nobody makes")

    for item, _, spec in release.pods():
        need(item, "ServiceAccount", spec["serviceAccountName"])
        mounted = {mount["name"] for container in spec["containers"] for mount in container.get("volumeMounts", [])}
        declared = {volume["name"] for volume in spec.get("volumes", [])}
        if mounted != declared:
            release.fault(item, f"volumes {sorted(mounted ^ declared)} are mounted or declared, not both")
        for volume in spec.get("volumes", []):
            if "secret" in volume:
                need(item, "Secret", volume["secret"]["secretName"])
            if "configMap" in volume:
                need(item, "ConfigMap", volume["configMap"]["name"])
            if "persistentVolumeClaim" in volume:
                need(item, "PersistentVolumeClaim", volume["persistentVolumeClaim"]["claimName"])
        for container in spec["containers"]:
            for variable in container.get("env", []):
                if "secretKeyRef" in variable.get("valueFrom", {}):
                    need(item, "Secret", variable["valueFrom"]["secretKeyRef"]["name"])


def check_selectors(release):
    """Selectors find pods, and each other's ports."""
    pods = [(metadata["labels"], {port["name"] for container in spec["containers"] for port in container.get("ports", [])})
            for item, metadata, spec in release.pods()]

    def found(item, selector, ports=()):
        chosen = [have for labels, have in pods if matches(selector, labels)]
        if not chosen:
            release.fault(item, f"selects no pod: {selector}")
        for have in chosen:
            for port in ports:
                if port not in have:
                    release.fault(item, f"a chosen pod has no port {port}")

    for item in release.objects:
        kind, spec = item["kind"], item.get("spec", {})
        if kind in WORKLOADS:
            labels = spec["template"]["metadata"]["labels"]
            if not matches(spec["selector"], labels):
                release.fault(item, "does not select its own pods")
            others = [other for other in release.of_kind(*WORKLOADS) if other is not item
                      and matches(spec["selector"], other["spec"]["template"]["metadata"]["labels"])]
            if others:
                release.fault(item, f"selects pods of {others[0]['metadata']['name']} too")
        elif kind == "Service":
            found(item, {"matchLabels": spec["selector"]}, [port["targetPort"] for port in spec["ports"]])
        elif kind == "PodDisruptionBudget":
            found(item, spec["selector"])
        elif kind == "NetworkPolicy":
            named = [port["port"] for rule in spec.get("ingress", []) for port in rule.get("ports", []) if isinstance(port["port"], str)]
            has_pods = any(matches(spec["podSelector"], labels) for labels, _ in pods)
            if has_pods:
                found(item, spec["podSelector"], named)
        elif kind in ("ScaledObject", "HorizontalPodAutoscaler"):
            target = spec["scaleTargetRef"]["name"]
            scaled = [other for other in release.of_kind("Deployment") if other["metadata"]["name"] == target]
            if not scaled:
                release.fault(item, f"scales {target}, which is not there")
            elif "replicas" in scaled[0]["spec"]:
                release.fault(item, f"{target} has a number of replicas of its own: every upgrade would undo the scaling")
        elif kind == "PodMonitor":
            found(item, spec["selector"], [endpoint["port"] for endpoint in spec["podMetricsEndpoints"]])
        elif kind == "ServiceMonitor":
            services = [other for other in release.of_kind("Service") if matches(spec["selector"], other["metadata"]["labels"])]
            ports = {port["name"] for service in services for port in service["spec"]["ports"]}
            if len(services) != 1 or any(endpoint["port"] not in ports for endpoint in spec["endpoints"]):
                release.fault(item, f"selects {len(services)} services with ports {sorted(ports)}")


def check_custom_resources(release):
    """There are no schemas of these: keys that their controllers know, at the levels where a typo would be passed over."""
    known = {
        "ScaledObject": {"scaleTargetRef", "minReplicaCount", "maxReplicaCount", "pollingInterval", "cooldownPeriod", "advanced", "triggers"},
        "ServiceMonitor": {"selector", "endpoints"},
        "PodMonitor": {"selector", "podMetricsEndpoints"},
        "PrometheusRule": {"groups"},
        "Certificate": {"secretName", "duration", "usages", "dnsNames", "issuerRef"},
    }
    triggers = {"metrics-api": {"url", "valueLocation", "targetValue"}, "prometheus": {"serverAddress", "query", "threshold"}}
    for item in release.of_kind(*known):
        if set(item["spec"]) - known[item["kind"]]:
            release.fault(item, f"unknown keys {sorted(set(item['spec']) - known[item['kind']])}")
        for trigger in item["spec"].get("triggers", []):
            if set(trigger["metadata"]) != triggers.get(trigger["type"]):
                release.fault(item, f"trigger {trigger['type']} has {sorted(trigger['metadata'])}")
            for name, text in trigger["metadata"].items():
                if not isinstance(text, str):
                    release.fault(item, f"{name} of a trigger must be a text")
        if item["kind"] in ("ServiceMonitor", "PodMonitor"):
            for endpoint in item["spec"].get("endpoints", []) + item["spec"].get("podMetricsEndpoints", []):
                targets = {rule["targetLabel"]: rule.get("replacement", "$1") for rule in endpoint["relabelings"]}
                if targets != {"job": "groklab", "component": "$1"}:
                    release.fault(item, "alerts go by the labels job and component")


def check_monitoring_files(release):
    """Rules and dashboard arrive as they are in deploy/monitoring."""
    for item in release.of_kind("PrometheusRule"):
        rules = yaml.safe_load((HERE.parent / "monitoring/rules.yml").read_text())
        if item["spec"] != rules:
            release.fault(item, "differs from deploy/monitoring/rules.yml")
    for item in release.of_kind("ConfigMap"):
        if "groklab.json" in item["data"]:
            dashboard = json.loads((HERE.parent / "monitoring/grafana/groklab.json").read_text())
            if json.loads(item["data"]["groklab.json"]) != dashboard:
                release.fault(item, "differs from deploy/monitoring/grafana/groklab.json")


def check_end(release):
    """A worker has time for its job's end, for giving it back, and to spare; its probes never end it for another's fault."""
    for item, metadata, spec in release.pods():
        component = release.component(metadata)
        if item["kind"] != "Deployment":
            continue
        container = spec["containers"][0]
        for probe in ("startupProbe", "livenessProbe"):
            if container[probe]["httpGet"]["path"] != "/livez":
                release.fault(item, f"{probe} would start it again while a database or coordinator is away")
        if container["readinessProbe"]["httpGet"]["path"] != "/readyz":
            release.fault(item, "readiness does not ask /readyz")
        if component == "coordinator":
            continue
        environment = {variable["name"]: variable.get("value") for variable in container["env"]}
        grace = int(environment["GROKLAB_GRACE_SECONDS"])
        if spec["terminationGracePeriodSeconds"] < 2 * grace + 2:
            release.fault(item, f"ends after {spec['terminationGracePeriodSeconds']} s, needs {2 * grace + 2} s")


def check_secrets(release):
    """Nobody sees more secrets than it needs."""
    for item, metadata, spec in release.pods():
        component = release.component(metadata) or ""
        if spec.get("automountServiceAccountToken") is not False:
            release.fault(item, "has a token for Kubernetes")
        for volume in spec.get("volumes", []):
            paths = {key["path"] for key in volume.get("secret", {}).get("items", [])}
            whole = "secret" in volume and not paths
            if component.startswith("worker-") and ("secret" in volume and (whole or paths - {"worker-token", "ca.crt"})):
                release.fault(item, f"volume {volume['name']} gives it {sorted(paths) or 'a whole secret'}")
        text = json.dumps(spec)
        if re.search(r"postgres(ql)?://[^\"]*:[^\"]*@", text):
            release.fault(item, "shows the database's password")


def check_verify_network(release):
    """Workers that verify reach the coordinator and names, and what the values add."""
    policies = [item for item in release.of_kind("NetworkPolicy") if item["metadata"]["name"].endswith("-verify")]
    wanted = release.value("networkPolicy.enabled", True)
    if not any(release.component(metadata) == "coordinator" for _, metadata, _ in release.pods()):
        return
    if bool(policies) != wanted:
        release.faults.append(f"{len(policies)} policies for verification")
    for item in policies:
        egress = item["spec"]["egress"]
        more = release.value("networkPolicy.workerEgress", [])
        reached = [rule["to"][0]["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for rule in egress[:1]]
        ports = [port["port"] for port in egress[1]["ports"]]
        if item["spec"]["policyTypes"] != ["Ingress", "Egress"] or reached != ["coordinator"] or ports != [53, 53] or egress[2:] != more:
            release.fault(item, "permits more than the coordinator and names")


def main():
    release = Release(Path(sys.argv[1]), Path(sys.argv[2]))
    if not release.objects:
        sys.exit(f"{sys.argv[1]}: empty")
    checks = [check for name, check in sorted(globals().items()) if name.startswith("check_")]
    for check in checks:
        check(release)
    for fault in release.faults:
        print(f"FAILED: {fault}", file=sys.stderr)
    pods = len(list(release.pods()))
    print(f"{len(release.objects)} objects, {pods} pods: {len(checks)} checks, {len(release.faults)} faults")
    sys.exit(1 if release.faults else 0)


if __name__ == "__main__":
    main()
