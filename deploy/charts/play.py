#!/usr/bin/env python3
"""Runs what the chart renders, under `podman kube play`, through an experiment: `play.py FOLDER HELM TAG`.

There is no kubelet here: podman takes Deployments, Secrets, claims and pods, and passes over services, policies and probes. So this shows that the
rendered commands, variables, mounts and security contexts work together, and no more. Needs root, podman, docker with the images
groklab/{coordinator,grokctl,worker-verify,worker-cpu}:TAG and a Postgres (POSTGRES_IMAGE, default groklab-testing/postgres:15); PyYAML.
Where podman's defaults do not fit the machine (limits, control groups), CONTAINERS_CONF names a file with others.
FOLDER gets logs and manifests; the names of everything in podman begin with `groklab-play`.
"""
import base64
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
NAME = "groklab-play"
POSTGRES = os.environ.get("POSTGRES_IMAGE", "groklab-testing/postgres:15")
MODELS = "/srv/groklab/models"
EXPERIMENT = f"""name = "kube-play"
iterations = 1
[model]
source = "{MODELS}/tiny-coder"
[problems]
families = ["digits/digits=all"]
holdout = "case"
difficulty = [1, 2]
train = 16
val = 4
test = 8
[generate]
max_new_tokens = 48
[train]
method = "rft"
learning_rate = 5e-3
epochs = 4
batch_tokens = 1024
"""


class Failed(Exception):
    """What was expected and is not so."""


def run(*command, check=True, timeout=300, **options):
    done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, **options)
    if check and done.returncode != 0:
        raise Failed(f"{' '.join(command)}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done


def podman(*arguments, **options):
    return run("podman", *arguments, **options)


def until(what, seconds, check):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = check()
        if found:
            return found
        time.sleep(1)
    raise Failed(f"{what}: not within {seconds} s")


def for_podman(item):
    """What podman 4.3 does not do as Kubernetes does."""
    if item["kind"] == "Secret":
        # It hands out the text in base64.
        item["kind"] = "ConfigMap"
        item["data"] = {key: base64.b64decode(value).decode() for key, value in item["data"].items()}
        del item["type"]
        return
    spec = item.get("spec", {})
    pod = spec.get("template", {}).get("spec", spec)
    for volume in pod.get("volumes", []):
        if "secret" in volume:
            secret = volume.pop("secret")
            volume["configMap"] = {"name": secret["secretName"], "items": secret.get("items", [])}
    profile = pod.get("securityContext", {}).get("seccompProfile", {}).get("localhostProfile")
    if profile:
        # It knows the annotation of older Kubernetes alone, and no folder in it.
        metadata = spec["template"]["metadata"] if "template" in spec else item["metadata"]
        metadata["annotations"]["seccomp.security.alpha.kubernetes.io/pod"] = f"localhost/{Path(profile).name}"
    for container in pod.get("containers", []):
        # It would publish every port on this machine, and have systemd run the probes.
        for key in ("ports", "startupProbe", "livenessProbe", "readinessProbe"):
            container.pop(key, None)


class Play:
    def __init__(self, folder, helm, tag):
        self.folder, self.helm, self.tag = folder, helm, tag
        self.manifests = folder / "play.yaml"
        self.password = secrets.token_hex(16)
        # Pods of a Deployment had a number until 4.4, and later have none where there is one replica.
        version = podman("version", "--format", "{{.Client.Version}}").stdout.split(".")
        old = (int(version[0]), int(version[1])) < (4, 4)
        # podman has no services: pods find each other by the names that it gives them.
        self.host = f"{NAME}-pod{'-0' if old else ''}"
        self.coordinator = f"https://{self.host}:7070"

    def values(self):
        coordinator = {"name": "GROKLAB_COORDINATOR", "value": self.coordinator}
        return {
            "fullnameOverride": NAME,
            "image": {"tag": self.tag, "pullPolicy": "Never"},
            "database": {"url": f"postgres://groklab:{self.password}@{NAME}-postgres/groklab"},
            "env": [coordinator],
            "tls": {"mode": "existingSecret", "existingSecret": f"{NAME}-tls"},
            "models": {"path": MODELS, "existingClaim": f"{NAME}-models", "hub": {"offline": True}},
            # It would want a profile that the machine may not have.
            "sandbox": {"appArmorProfile": ""},
            "workers": {"verify": {"kind": "verify", "replicas": 1}},
            "test": {"experiment": EXPERIMENT},
        }

    def certificates(self):
        """A Secret as cert-manager makes them."""
        folder = self.folder / "tls"
        folder.mkdir(exist_ok=True)
        key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
        run("openssl", "req", "-x509", *key, "-keyout", "ca.key", "-out", "ca.crt", "-days", "2", "-subj", "/CN=groklab-play", cwd=folder)
        run("openssl", "req", *key, "-keyout", "tls.key", "-out", "tls.csr", "-subj", f"/CN={NAME}", cwd=folder)
        (folder / "names").write_text(f"subjectAltName=DNS:{self.host}\n")
        run("openssl", "x509", "-req", "-in", "tls.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "names",
            "-out", "tls.crt", cwd=folder)
        data = {name: base64.b64encode((folder / name).read_bytes()).decode() for name in ("ca.crt", "tls.crt", "tls.key")}
        return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": f"{NAME}-tls"}, "type": "kubernetes.io/tls", "data": data}

    def render(self):
        path = self.folder / "values.json"
        path.write_text(json.dumps(self.values()))
        text = run(self.helm, "template", "play", str(HERE / "groklab"), "--namespace", "lab", "--values", str(path)).stdout
        objects = [item for item in yaml.safe_load_all(text) if item]
        taken = [item for item in objects if item["kind"] in ("Secret", "ConfigMap", "PersistentVolumeClaim", "Deployment")]
        taken.insert(0, self.certificates())
        tests = [item for item in objects if item["kind"] == "Pod"]
        for item in taken + tests:
            for_podman(item)
        self.manifests.write_text(yaml.safe_dump_all(taken))
        for container in tests[0]["spec"]["containers"]:
            for variable in container["env"]:
                if variable["name"] == "GROKLAB_COORDINATOR":
                    variable["value"] = self.coordinator
        # It finds a ConfigMap in the same file alone.
        maps = [item for item in taken if item["kind"] == "ConfigMap"]
        (self.folder / "test.yaml").write_text(yaml.safe_dump_all(maps + tests))
        left = sorted({item["kind"] for item in objects} - {item["kind"] for item in taken} - {"Pod"})
        print(f"{len(taken) - 1} objects of {len(objects)} are played; passed over: {', '.join(left)}")

    def images(self):
        wanted = [f"groklab/{name}:{self.tag}" for name in ("coordinator", "grokctl", "worker-verify", "worker-cpu")] + [POSTGRES]
        for image in wanted:
            saved = subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE)
            podman("load", stdin=saved.stdout)
            if saved.wait() != 0:
                raise Failed(f"docker has no image {image}")

    def surroundings(self):
        podman("network", "create", NAME)
        podman("volume", "create", f"{NAME}-models")
        mount = Path(podman("volume", "inspect", "--format", "{{.Mountpoint}}", f"{NAME}-models").stdout.strip())
        shutil.copytree(ROOT / "tests/fixtures/tiny-coder", mount / "tiny-coder")
        podman("run", "--detach", "--name", f"{NAME}-postgres", "--network", NAME, "--env", "POSTGRES_USER=groklab", "--env", "POSTGRES_DB=groklab",
               "--env", f"POSTGRES_PASSWORD={self.password}", POSTGRES)
        ready = ("exec", f"{NAME}-postgres", "pg_isready", "--host", "127.0.0.1", "--username", "groklab")
        until("Postgres to answer", 60, lambda: podman(*ready, check=False).returncode == 0)

    def play(self, manifests):
        profiles = self.folder / "seccomp"
        profiles.mkdir(exist_ok=True)
        shutil.copy(HERE.parent / "seccomp/worker-verify.json", profiles)
        podman("kube", "play", "--network", NAME, "--seccomp-profile-root", str(profiles), str(manifests))

    def containers(self):
        """Names of our containers, by the name that the chart gives them."""
        listed = json.loads(podman("ps", "--all", "--format", "json").stdout)
        names = [name for container in listed for name in container["Names"] if name.startswith(NAME)]
        programs = ("coordinator", "worker-verify", "worker-gen", "worker-train", "grokctl")
        return {program: name for program in programs for name in names if name.endswith(f"-{program}")}

    def healthy(self):
        for program, name in self.containers().items():
            asked = ("exec", name, program, "health")
            until(f"{program} to be ready", 120, lambda: podman(*asked, check=False).returncode == 0)
            print(f"{program}: ready")

    def confined(self):
        """Whether processes are as the security contexts say, so far as podman heeds them."""
        for program, name in self.containers().items():
            status = podman("exec", name, "cat", "/proc/1/status").stdout
            fields = {}
            for line in status.splitlines():
                key, _, value = line.partition(":")
                fields[key] = value.split()
            found = (fields["Uid"][0], fields["Gid"][0], int(fields["CapBnd"][0], 16), fields["NoNewPrivs"][0], fields["Seccomp"][0])
            if found != ("10001", "10001", 0, "1", "2"):
                raise Failed(f"{program}: uid, gid, capabilities, no_new_privs, seccomp are {found}")
            if podman("exec", name, "touch", "/usr/written", check=False).returncode == 0:
                raise Failed(f"{program}: its root file system can be written")
        print("processes: user 10001, no capability, no_new_privs, seccomp, read-only root")

    def experiment(self):
        self.play(self.folder / "test.yaml")
        name = self.containers()["grokctl"]
        code = podman("wait", name, timeout=600).stdout.strip()
        log = podman("logs", name)
        (self.folder / "grokctl.log").write_text(log.stdout + log.stderr)
        if code != "0":
            raise Failed(f"the test pod ended with {code}:\n{log.stdout}{log.stderr}")
        print("experiment: completed, as the chart's test pod saw it")

    def drained(self):
        """Told to stop, each ends by itself, workers first."""
        found = self.containers()
        for program in ("worker-verify", "worker-gen", "worker-train", "coordinator"):
            began = time.monotonic()
            podman("stop", "--time", "60", found[program])
            code = podman("inspect", "--format", "{{.State.ExitCode}}", found[program]).stdout.strip()
            if code != "0":
                raise Failed(f"{program} ended with {code} after {time.monotonic() - began:.0f} s")
        print("told to stop: each ended by itself, with 0")

    def stop(self):
        for program, name in self.containers().items():
            log = podman("logs", name, check=False)
            (self.folder / f"{program}.log").write_text(log.stdout + log.stderr)
        pods = [pod["Name"] for pod in json.loads(podman("pod", "ps", "--format", "json").stdout or "[]") if pod["Name"].startswith(NAME)]
        for pod in pods:
            podman("pod", "rm", "--force", "--time", "30", pod, check=False)
        podman("rm", "--force", "--volumes", f"{NAME}-postgres", check=False)
        listed = podman("volume", "ls", "--format", "{{.Name}}").stdout.split()
        for volume in listed:
            if volume.startswith(NAME):
                podman("volume", "rm", "--force", volume, check=False)
        podman("network", "rm", NAME, check=False)


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    folder = Path(sys.argv[1]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    play = Play(folder, sys.argv[2], sys.argv[3])
    # What a run that was cut off has left.
    play.stop()
    try:
        play.render()
        play.images()
        play.surroundings()
        play.play(play.manifests)
        play.healthy()
        play.confined()
        play.experiment()
        play.drained()
    except Failed as failure:
        sys.exit(f"FAILED: {failure}")
    finally:
        play.stop()


if __name__ == "__main__":
    main()
