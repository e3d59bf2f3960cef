#!/usr/bin/env python3
"""As much of a Kubernetes as `helm template --dry-run=server` asks: `fake_cluster.py FOLDER`.

It answers with the Secret in FOLDER/secret.json, or 404 where there is no such file, and writes FOLDER/kubeconfig first. Ends with its standard
input, so that nothing is left behind.
"""
import http.server
import json
import sys
import threading
from pathlib import Path

FOLDER = Path(sys.argv[1])
KINDS = {
    "v1": ["ConfigMap", "PersistentVolumeClaim", "Pod", "Secret", "Service", "ServiceAccount"],
    "apps/v1": ["DaemonSet", "Deployment"],
    "networking.k8s.io/v1": ["NetworkPolicy"],
    "policy/v1": ["PodDisruptionBudget"],
}


def resource(kind):
    plural = kind.lower().replace("policy", "policie") + "s"
    return {"name": plural, "singularName": "", "namespaced": True, "kind": kind, "verbs": ["get", "list", "create", "patch"]}


def group(version):
    name, short = version.split("/")
    one = {"groupVersion": version, "version": short}
    return {"name": name, "versions": [one], "preferredVersion": one}


def answers():
    named = [version for version in KINDS if "/" in version]
    found = {
        "/version": {"major": "1", "minor": "34", "gitVersion": "v1.34.0"},
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/apis": {"kind": "APIGroupList", "apiVersion": "v1", "groups": [group(version) for version in named]},
    }
    for version, kinds in KINDS.items():
        path = f"/apis/{version}" if "/" in version else f"/api/{version}"
        found[path] = {"kind": "APIResourceList", "groupVersion": version, "resources": [resource(kind) for kind in kinds]}
    return found


ANSWERS = answers()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = self.path.split("?")[0]
        if path in ANSWERS:
            self.answer(200, ANSWERS[path])
            return
        secret = FOLDER / "secret.json"
        known = json.loads(secret.read_text()) if secret.exists() else {"metadata": {"name": ""}}
        if path.endswith(f"/secrets/{known['metadata']['name']}"):
            self.answer(200, known)
        else:
            self.answer(404, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404})

    def answer(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        """Nobody reads it."""


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
(FOLDER / "kubeconfig").write_text(json.dumps({
    "apiVersion": "v1", "kind": "Config", "current-context": "fake", "users": [{"name": "fake", "user": {"token": "none"}}],
    "clusters": [{"name": "fake", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
    "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake", "namespace": "lab"}}]}))
threading.Thread(target=server.serve_forever, daemon=True).start()
print("ready", flush=True)
sys.stdin.read()
